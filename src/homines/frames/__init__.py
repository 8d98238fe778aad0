"""Frames: words for a decision, one file a frame: `frames.table()` is the class of frames/table.py."""

from homines.core.plugins import export

__all__, __getattr__ = export(__name__)

"""Frames: words for a decision, one file a frame: `frames.table()` is the class of frames/table.py."""

from homines.core.registry import shelve

__all__, __getattr__ = shelve(__name__)

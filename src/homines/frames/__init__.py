"""Frames: words for a decision, one file a frame."""

"""Preferences, one file each: a frozen dataclass whose fields are its parameters."""

from homines.core.registry import shelve

__all__, __getattr__ = shelve(__name__)

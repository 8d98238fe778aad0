"""Preferences, one file each: a frozen dataclass whose fields are its parameters."""

from homines.core.plugins import export

__all__, __getattr__ = export(__name__)

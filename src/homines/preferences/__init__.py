"""Preferences, one file each: a frozen dataclass whose fields are its parameters."""

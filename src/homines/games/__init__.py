"""Games, one file each: `games.trust(5)` is what the function of games/trust.py makes."""

from homines.core.registry import shelve

__all__, __getattr__ = shelve(__name__)

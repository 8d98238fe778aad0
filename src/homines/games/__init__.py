"""Games, one file each: `games.trust(5)` is what the function of games/trust.py makes."""

from homines.core.plugins import export

__all__, __getattr__ = export(__name__)

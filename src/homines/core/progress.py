"""What is said of work under way."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
Begin = Callable[[str, int], Callable[[int], None]]
"""begin(what, total) returns tell(done): how a caller follows long work."""

"""Lists as Inspect's command line hands them over: it cuts values at every comma, within parentheses too."""

from __future__ import annotations

from collections.abc import Sequence


def whole(value: str | Sequence[object]) -> str:
    """The value as it was typed."""
    return value if isinstance(value, str) else ",".join(map(str, value))


def listed(value: str | Sequence[object]) -> list[str]:
    """Specs, from one text or from its pieces: cut at commas outside of parentheses and quotes.

    >>> listed(["ipd", "table(labels='X", "Y')", "spd(3)"])
    ['ipd', "table(labels='X,Y')", 'spd(3)']
    """
    out, depth, quote = [""], 0, ""
    for c in whole(value):
        if quote or c in "'\"":
            quote = "" if c == quote else quote or c
        else:
            depth += (c in "([") - (c in ")]")
        if c == "," and depth <= 0 and not quote:
            out.append("")
        else:
            out[-1] += c
    return [spec.strip() for spec in out if spec.strip()]


def sets(labels: str | Sequence[object] | None) -> list[str] | None:
    """Sets of labels, with semicolons between them; None where there are none.

    >>> sets(["X", "Y;A", "B"])
    ['X,Y', 'A,B']
    """
    return None if labels is None else [part.strip() for part in whole(labels).split(";") if part.strip()]

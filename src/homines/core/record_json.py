"""Records as lines of JSON, each with a checksum of its own bytes."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from homines.core.capabilities import check_asks
from homines.core.format import abbreviate
from homines.core.strict_json import simplify
from homines.core.types import Asks, Choice, Decision, Order, Record, frozen

SUM = b', "sum": "'
"""What stands before the checksum of a line."""
TAIL = len(SUM) + 8 + len(b'"}')


def record_to_json(record: Record) -> dict[str, Any]:
    """A record as a JSON value, with its key and with infinities; `record_from_json` reads it back."""
    choice = record.choice
    return {
        "key": record.key,
        "game": record.game,
        "decision": record.decision.to_json(),
        "frame": record.frame,
        "asks": record.asks,
        "order": record.order,
        "labels": record.labels,
        "model": record.model,
        "choice": None
        if choice is None
        else {"logp": choice.logp.tolist(), "mass": choice.mass, "n": choice.n},
        "error": record.error,
        "provenance": dict(record.provenance),
    }


class RecordCache:
    """Values that equal records share: a decision that many records hold is parsed once.

    known   maps a spec to itself or to a TrustedSpec (registry.trust_from)
    """

    def __init__(self, known: Callable[[Any], Any] = lambda spec: spec) -> None:
        self._known = known
        self._decisions: dict[str, Decision] = {}
        self._words: dict[Any, Any] = {}

    def decision(self, raw: Mapping[str, Any]) -> Decision:
        """The decision of this JSON value."""
        text = json.dumps(raw)
        if text not in self._decisions:
            self._decisions[text] = _check_decision(Decision.from_json(raw))
        return self._decisions[text]

    def words(self, value: Any) -> Any:
        """A name, or a tuple of labels or places."""
        return self._words.setdefault(value, value)

    def order(self, raw: Any) -> Order:
        """An order. Raises ValueError where a place of it is no permutation."""
        order = tuple(tuple(place) for place in raw)
        if order not in self._words and any(
            not place or sorted(place) != list(range(len(place))) for place in order
        ):
            raise ValueError(f"order {abbreviate(raw)} holds a place that does not name each option once")
        return self.words(order)

    def spec(self, text: str) -> str:
        """The spec of a frame or game."""
        return self.words(self._known(text))


def record_from_json(raw: Mapping[str, Any], cache: RecordCache | None = None) -> Record:
    """The inverse of `record_to_json`. Raises KeyError, TypeError or ValueError where it is no record."""
    cache = cache or RecordCache()
    choice = raw["choice"]
    frame = _text(raw, "frame")
    return Record(
        cache.decision(raw["decision"]),
        cache.spec(frame),
        cache.order(raw["order"]),
        cache.words(tuple(raw["labels"])),
        cache.words(_text(raw, "model")),
        cache.spec(_text(raw, "game", "")),
        None
        if choice is None
        else Choice(
            frozen([-math.inf if x is None else x for x in choice["logp"]]), choice["mass"], choice["n"]
        ),
        raw.get("error"),
        dict(raw.get("provenance") or {}),
        _asks(raw, frame),
    )


def _asks(raw: Mapping[str, Any], frame: str) -> Asks:
    """What a record asks for. Records of earlier versions state it in the spec of the frame alone; where both
    state it, they must agree. Raises ValueError where they do not."""
    stated = re.findall(r"\basks=['\"]?(choice|aloud|belief)\b", frame)
    of_frame = check_asks(stated[-1]) if stated else None  # `under` states its own after those of its frame
    asks = check_asks(raw.get("asks", of_frame or "choice"))
    if of_frame is not None and asks != of_frame:
        raise ValueError(f"asks is {asks!r}, and the frame {abbreviate(frame)} asks for {of_frame!r}")
    return asks


def _check_decision(d: Decision) -> Decision:
    """A decision whose words are texts, and whose history holds actions that its players have.

    Raises TypeError, ValueError or IndexError for another.
    """
    words = (d.actions, *d.theirs, *d.names, d.does, tuple(name for name, _ in d.forgone))
    for word in (word for group in words for word in group):
        if not isinstance(word, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{abbreviate(word)} is no name of an action")
    for stage in d.history:
        if not 0 <= d.player < len(stage):
            raise ValueError(f"player {d.player} is none of the {len(stage)} of the history")
        for player, action in enumerate(stage):
            if action is None:
                continue
            if type(action) is not int or action < 0:
                raise ValueError(f"history holds {abbreviate(action)}, which is no action")
            d.action_name(player, action)
    return d


def _text(raw: Mapping[str, Any], name: str, otherwise: str | None = None) -> str:
    value = raw[name] if otherwise is None else raw.get(name, otherwise)
    if not isinstance(value, str):
        raise TypeError(f"{name} is {abbreviate(value)}, which is no word")
    return value


def json_line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(simplify(dict(row)), ensure_ascii=True).encode("ascii") + b"\n"


def with_checksum(line: bytes) -> bytes:
    """A line of JSON with the checksum of its own bytes, up to the brace that ends it, as the last key.

    >>> with_checksum(b'{"a": 1}\\n')
    b'{"a": 1, "sum": "7aa88204"}\\n'
    """
    rest = line.rstrip()[:-1]
    return rest + SUM + b'%08x"}\n' % zlib.crc32(rest)


def checksum_fits(line: bytes, row: Mapping[str, Any]) -> bool:
    """Whether the checksum of a line fits. A line that another program rewrote fits where its values and
    their order are the same; a line of an older version has no checksum and fits."""
    rest, tail = line[:-TAIL], line[-TAIL:]
    if tail.startswith(SUM):
        if tail[len(SUM) : -2] == b"%08x" % zlib.crc32(rest):
            return True
    elif "sum" not in row:
        return True
    rewritten = json_line({key: value for key, value in row.items() if key != "sum"})
    return with_checksum(rewritten)[-11:-3] == str(row.get("sum")).encode("ascii", "replace")

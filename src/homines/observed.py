"""Observations from a table of human (or any) choices, and from a model's records.

    CSV -> observations          one row an option, or an outcome of one
    records -> observations      sequential games as plans behind the veil of ignorance, others as they are

The tidy CSV, a row for every option of every decision of every subject:

    subject   who chose
    decision  which of the subject's decisions this row belongs to
    option    name of the option
    own       what the subject gets
    other     what the other gets; other2, other3, ... where there are more; absent where nobody else is paid
    chosen    how often it was chosen (1 or 0, or a count), or its exact probability (a decision's sum to 1)

and, where they are known:

    game      which game, for errors clustered by game and misfit
    theirs    the other's action, where the outcome depends on it: then a row for every (option, theirs)
    belief    the probability the subject gives to `theirs` (after this option); absent: uniform
    same      own payoff if everyone in the subject's place chose this option (for moralis, kantian)
    kindness  of what the other did before: 1 kind, -1 unkind, 0 neither
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from homines.core import Array, Choice, Decision, HominesError, Record, frozen
from homines.estimate import Observation
from homines.forms import Sequential
from homines.lookup import find, spell
from homines.measure import averaged, by
from homines.plans import assembled

MOST_CHOSEN = 1e9
NEEDED = ("subject", "decision", "option", "own", "chosen")
Row = Mapping[str, str]


def read_csv(path: str | Path) -> list[Observation]:
    """Observations of a tidy CSV (above), in order of appearance.

    Raises HominesError naming the line, the value and the rule for a missing column, a cell that is no
    number, a decision with one option, an unknown code, and choices that are no counts or probabilities.
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            heads = list(reader.fieldnames or ())
            rows = list(enumerate(reader, 2))
    except OSError as failure:
        raise HominesError(f"cannot read {path}: {failure.strerror or failure}") from failure
    except (UnicodeDecodeError, csv.Error) as failure:
        raise HominesError(f"{path} is no CSV in UTF-8: {failure}") from failure
    others = _columns(path, heads)
    cells = _Cells(path)
    held: dict[tuple[str, str], list[tuple[int, Row]]] = {}
    for line, row in rows:
        if None in row or None in row.values():
            raise HominesError(
                f"{path} line {line} has {'more' if None in row else 'fewer'} cells than its head"
            )
        held.setdefault((row["subject"], row["decision"]), []).append((line, row))
    if not held:
        raise HominesError(f"{path} has no rows under its head; every decision needs a row for each option")
    made: dict[tuple[object, ...], Decision] = {}
    return [_observation(cells, made, group, others) for group in held.values()]


def _columns(path: Path, heads: Sequence[str]) -> tuple[str, ...]:
    """Names of the others' payoff columns; HominesError where one is missing or unknown."""
    if missing := [name for name in NEEDED if name not in heads]:
        raise HominesError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; its head is "
            f"{', '.join(map(str, heads)) or 'empty'}. One row an option: {', '.join(NEEDED)}, and other "
            "where somebody else is paid"
        )
    known = {*NEEDED, "other", "game", "theirs", "belief", "same", "kindness"}
    for name in heads:
        close = get_close_matches(str(name).strip().lower(), known, n=1, cutoff=0.85)
        if name not in known and close and not str(name)[5:].isdigit():
            raise HominesError(
                f"{path} has a column {name!r}; did you mean {close[0]!r}? Rename it, or remove it"
            )
    if twice := [name for name in dict.fromkeys(heads) if heads.count(name) > 1]:
        raise HominesError(f"{path} has the column {twice[0]} twice; name every column once")
    return tuple(name for name in heads if name == "other" or (name[:5] == "other" and name[5:].isdigit()))


class _Cells:
    """Reads cells, and says where one is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def number(self, line: int, row: Row, name: str, low: float = -math.inf) -> float:
        try:
            value = float(row[name])
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < low:
            rule = "a finite number" if low == -math.inf else f"a number of at least {low:g}"
            raise self.wrong(line, f"{name} is {row[name]!r}; it must be {rule}")
        return value

    def code(self, line: int, row: Row, name: str, known: Mapping[str, int]) -> int:
        try:
            return known[row[name].strip()]
        except KeyError:
            raise self.wrong(
                line, f"{name} is {row[name]!r}, an unknown code; it must be one of {', '.join(known)}"
            ) from None

    def wrong(self, line: int, what: str) -> HominesError:
        return HominesError(f"{self.path} line {line}: {what}")


KINDNESS = {"1": 1, "0": 0, "-1": -1, "": 0}


def _observation(
    cells: _Cells,
    made: dict[tuple[object, ...], Decision],
    group: Sequence[tuple[int, Row]],
    others: Sequence[str],
) -> Observation:
    """The rows of one decision of one subject. Equal decisions share one object."""
    line, first = group[0]
    game = first.get("game", "")
    for there, row in group:
        if row.get("game", "") != game:
            raise cells.wrong(
                there, f"game is {row['game']!r}, and {game!r} on line {line} of the same decision"
            )
    options = tuple(dict.fromkeys(row["option"] for _, row in group))
    if len(options) < 2:
        raise cells.wrong(
            line,
            f"decision {first['decision']!r} of subject {first['subject']!r} has one option, "
            f"{first['option']!r}; a choice needs at least two",
        )
    theirs = tuple(dict.fromkeys(row.get("theirs", "") for _, row in group))
    theirs = () if theirs == ("",) else theirs
    place = {name: i for i, name in enumerate(options)}, {name: j for j, name in enumerate(theirs)}
    shape = (len(options), len(theirs)) if theirs else (len(options),)
    paid = np.full((1 + len(others), *shape), np.nan)
    belief, same, chosen = (
        np.full(shape, np.nan),
        np.full(len(options), np.nan),
        np.full(len(options), np.nan),
    )
    kind = cells.code(line, first, "kindness", KINDNESS) if "kindness" in first else 0
    for there, row in group:
        a = place[0][row["option"]]
        at = (a, place[1][row["theirs"]]) if theirs else (a,)
        if not np.isnan(paid[(0, *at)]):
            raise cells.wrong(there, f"option {row['option']!r} comes twice in decision {row['decision']!r}")
        for seat, name in enumerate(("own", *others)):
            paid[(seat, *at)] = cells.number(there, row, name)
        if row.get("belief"):
            belief[at] = cells.number(there, row, "belief", 0)
        if row.get("same"):
            same[a] = _once(cells, there, row, "same", same[a])
        if "kindness" in row and cells.code(there, row, "kindness", KINDNESS) != kind:
            raise cells.wrong(
                there, f"kindness is {row['kindness']!r}, and {kind} on line {line} of the same decision"
            )
        chosen[a] = _once(cells, there, row, "chosen", chosen[a])
    if np.isnan(paid).any():
        raise cells.wrong(
            line, "an option lacks a row for one of the other's actions; give every (option, theirs)"
        )
    choice = _chosen(cells, line, chosen)
    content = (options, theirs, game, kind, paid.tobytes(), belief.tobytes(), same.tobytes())
    if content not in made:
        made[content] = _decision(cells, line, options, theirs, kind, paid, belief, same)
    return Observation(made[content], choice, first["subject"], game)


def _once(cells: _Cells, line: int, row: Row, name: str, before: float) -> float:
    """A value of an option, the same on each of its rows."""
    value = cells.number(line, row, name, 0 if name == "chosen" else -math.inf)
    if not math.isnan(before) and value != before:
        raise cells.wrong(
            line, f"{name} is {value:g}, and {before:g} on another row of option {row['option']!r}"
        )
    return value


def _decision(
    cells: _Cells,
    line: int,
    options: tuple[str, ...],
    theirs: tuple[str, ...],
    kind: int,
    paid: Array,
    belief: Array,
    same: Array,
) -> Decision:
    if np.isnan(same).any() and not np.isnan(same).all():
        raise cells.wrong(
            line, "same is given for some options only; give it for all of a decision's, or none"
        )
    stated = None
    if theirs and not np.isnan(belief).all():
        total = belief.sum(-1)
        if np.isnan(total).any() or not np.allclose(total, 1, atol=1e-6):
            raise cells.wrong(
                line, f"belief sums to {total.tolist()} over theirs; it must sum to 1 for each option"
            )
        stated = (frozen(belief / total[:, None]),)
    try:
        return Decision(
            options,
            frozen(paid),
            (theirs,) if theirs else (),
            None if np.isnan(same).all() else frozen(same),
            stated,
            reply=stated is not None,
            kindness=kind,
        )
    except HominesError as failure:
        raise cells.wrong(line, str(failure)) from failure


def _chosen(cells: _Cells, line: int, chosen: Array) -> Choice:
    """Counts, or probabilities that sum to 1."""
    total = float(chosen.sum())
    whole = bool((chosen == np.round(chosen)).all())
    if total > MOST_CHOSEN:
        raise cells.wrong(
            line, f"chosen adds up to {total:g}, more than {MOST_CHOSEN:g}; give counts of choices"
        )
    if total <= 0:
        raise cells.wrong(line, "nothing was chosen in this decision; leave out decisions without an answer")
    if not whole and abs(total - 1) > 1e-6:
        raise cells.wrong(
            line,
            f"chosen is {chosen.tolist()}: neither whole counts nor probabilities that sum to 1",
        )
    return Choice.at(chosen, n=int(total) if whole else None)


# --- from a model's records --------------------------------------------------------------------


def from_records(
    records: Iterable[Record], *, model: str | None = None, plans: bool = True
) -> list[Observation]:
    """Observations of one model: for every game and frame, one choice a decision, averaged over orders.

    plans   sequential games whose every point was answered as one choice between plans (plans.py), against
            the beliefs asked in the same words (asks=belief); False: point by point
    Raises HominesError where nothing was answered, and where there are several models and none is named.
    """
    records = list(records)
    models = list(dict.fromkeys(r.model for r in records))
    if model is None and len(models) > 1:
        raise HominesError(f"these records are of {len(models)} models; name one of {', '.join(models)}")
    if model is not None and model not in models:
        raise HominesError(f"no records of {model!r}; there are {', '.join(models) or 'none'}")
    who = model or "".join(models)
    own = [r for r in records if r.model == who]
    answers: dict[tuple[str, str], list[Record]] = {}
    beliefs: dict[tuple[str, str], list[Record]] = {}
    frames, games = cache(partial(find, "frames")), cache(_game)
    for (name, words), group in by(own, "game", "frame").items():
        frame = frames(words)
        about = getattr(frame, "asks", "choice") == "belief"
        spec = spell(replace(frame, asks="choice")) if about else words
        (beliefs if about else answers).setdefault((name, spec), []).extend(group)
    made: list[Observation] = []
    for (name, frame), group in answers.items():
        pairs = averaged(group)
        game = games(name)
        words = frames(frame)
        said = spell(replace(words, asks="choice")) if hasattr(words, "asks") else frame
        known = averaged(beliefs.get((name, said), ()))
        if isinstance(game, Sequential):
            made += assembled(game, pairs, known, subject=who, name=name, plans=plans)
        else:
            about = {d.key: c for d, c in known}
            made += [Observation(_believed(d, about), c, who, name) for d, c in pairs if len(d.actions) > 1]
    if not made:
        raise HominesError("none of these records holds an answer between two options; measure a game first")
    return made


def _believed(d: Decision, about: Mapping[str, Choice]) -> Decision:
    """A symmetric decision for two with what is thought of the other, who faces the same; else as it is."""
    if d.others is None and d.same is not None and len(d.theirs) == 1 and not d.history and d.key in about:
        return replace(d, others=(about[d.key].p,))
    return d


def _game(spec: str) -> Any:
    """The game of this name, or None where it is not one of the package's."""
    try:
        return find("games", spec)
    except HominesError:
        return None

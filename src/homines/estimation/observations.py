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

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homines.core.progress import Tell, ignore
from homines.core.registry import find, spell
from homines.core.types import MOST_CHOSEN, Array, Choice, Decision, HominesError, Record, frozen
from homines.elicitation.metrics import average_by_decision, group_by
from homines.estimation import tidy_csv
from homines.estimation.columns import Alike, Columns, Decisions, Observation, Whole
from homines.estimation.strategy_method import assemble
from homines.theory.game_forms import Sequential

READ = 4
"""Steps of reading a CSV: its cells, their places, its rules, its decisions."""
NEEDED = ("subject", "decision", "option", "own", "chosen")
MORE = ("game", "theirs", "belief", "same", "kindness")
Row = Mapping[str, str]


def read_csv(path: str | Path, progress: Tell = ignore) -> Sequence[Observation]:
    """Observations of a tidy CSV (above), in order of appearance.

    progress   called with how many of READ steps are done

    Raises HominesError naming the line, the value and the rule for a missing column, a cell that is no
    number, a decision with one option, an unknown code, and choices that are no counts or probabilities.
    """
    path = Path(path)
    heads = tidy_csv.heads(path)
    others = _columns(path, heads)
    wanted = [name for name in heads if name in (*NEEDED, *others, *MORE)]
    table = tidy_csv.read(path, heads, wanted)
    progress(1)
    if not len(table):
        raise HominesError(f"{path} has no rows under its head; every decision needs a row for each option")
    who, _ = table.codes("subject", "decision")
    laid = _Laid(table, who, others)
    progress(2)
    cells = _Cells(path)
    made: dict[tuple[object, ...], Decision] = {}
    for rows in laid.odd():
        _observation(cells, made, table.rows(rows), others)
    progress(3)
    if made:  # odd, and right by every rule: so rare that speed is no matter
        order = np.split(np.argsort(who, kind="stable"), np.cumsum(np.bincount(who))[:-1])
        return [_observation(cells, made, table.rows(rows), others) for rows in order]
    held = laid.columns()
    progress(READ)
    return held


def _columns(path: Path, heads: Sequence[str]) -> tuple[str, ...]:
    """Names of the others' payoff columns; HominesError where one is missing or unknown."""
    if missing := [name for name in NEEDED if name not in heads]:
        raise HominesError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; its head is "
            f"{', '.join(map(str, heads)) or 'empty'}. One row an option: {', '.join(NEEDED)}, and other "
            "where somebody else is paid"
        )
    known = {*NEEDED, "other", *MORE}
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
UNKNOWN = 2
"""A kindness that is none of these."""


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


class _Laid:
    """The rows of a table laid out by decision of a subject (`who`), option and the other's action."""

    def __init__(self, table: tidy_csv.Table, who: Whole, others: Sequence[str]) -> None:
        self.table, self.who = table, who
        self.many = int(who.max()) + 1
        self.option, self.a, self.options = _places(table, who, "option")
        self.their, self.j, self.theirs = _places(table, who, "theirs")
        bare = table.codes("theirs")[1].texts("theirs") if "theirs" in table else [""]
        alone = np.array([text == "" for text in bare])[self.their]
        self.theirs[who[alone]] = np.where(self.theirs[who[alone]] == 1, 0, self.theirs[who[alone]])
        self.paid = np.stack([table.numbers(name) for name in ("own", *others)], axis=-1)
        self.chosen = table.numbers("chosen")
        self.belief, self.same = (self._given(name) for name in ("belief", "same"))
        self.kind = self._kind()
        self.game, self.games = self._codes("game")

    def _given(self, name: str) -> Array:
        return self.table.numbers(name) if name in self.table else np.full(len(self.who), np.nan)

    def _codes(self, name: str) -> tuple[Whole, list[str]]:
        if name not in self.table:
            return np.zeros(len(self.who), dtype=np.int64), [""]
        codes, unlike = self.table.codes(name)
        return codes, unlike.texts(name)

    def _kind(self) -> Whole:
        codes, texts = self._codes("kindness")
        return np.array([KINDNESS.get(text.strip(), UNKNOWN) for text in texts])[codes]

    def _empty(self, name: str) -> NDArray[np.bool_]:
        codes, texts = self._codes(name)
        return np.array([text == "" for text in texts])[codes]

    def odd(self) -> Iterator[Whole]:
        """Rows of each decision of a subject that may break a rule, in order of appearance."""
        bad = np.isnan(self.paid).any(-1) | ~(self.chosen >= 0) | (self.kind == UNKNOWN)
        for name, held, low in (("belief", self.belief, 0.0), ("same", self.same, -math.inf)):
            bad |= ~self._empty(name) & ~(held >= low)
        wrong = np.zeros(self.many, dtype=np.bool_)
        wrong[self.who[bad]] = True
        width = np.maximum(self.theirs, 1)
        start = np.cumsum(self.options * width) - self.options * width
        cell = start[self.who] + self.a * width[self.who] + self.j
        times = np.bincount(cell, minlength=int((self.options * width).sum()))
        wrong |= (np.minimum.reduceat(times, start) < 1) | (np.maximum.reduceat(times, start) > 1)
        wrong |= self.options < 2
        for held in (self.game, self.kind):
            first = np.empty(self.many, dtype=held.dtype)
            first[self.who[::-1]] = held[::-1]
            wrong[self.who[first[self.who] != held]] = True
        for shape in self._shapes(~wrong):
            wrong[shape.at[shape.odd()]] = True
        by_decision = np.argsort(self.who, kind="stable")
        ends = np.cumsum(np.bincount(self.who))
        for i in np.flatnonzero(wrong):
            yield by_decision[ends[i - 1] if i else 0 : ends[i]]

    def _shapes(self, held: NDArray[np.bool_]) -> Iterator[_Shape]:
        """Decisions of subjects by how many options they have, and the other actions."""
        shapes = np.unique(np.stack([self.options[held], self.theirs[held]]), axis=1).T
        for mine, theirs in shapes:
            at = np.flatnonzero(held & (self.options == mine) & (self.theirs == theirs))
            place = np.full(self.many, -1)
            place[at] = np.arange(len(at))
            rows = place[self.who] >= 0
            yield _Shape.of(self, at, place[self.who[rows]], rows, (int(mine), int(theirs)))

    def columns(self) -> Columns:
        """All of it as observations."""
        names = self._codes("option")[1], self._codes("theirs")[1]
        shapes = list(self._shapes(np.ones(self.many, dtype=np.bool_)))
        unlike = [shape.unlike() for shape in shapes]
        first = np.concatenate([shape.at[one] for shape, (one, _) in zip(shapes, unlike, strict=True)])
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        at, n = np.empty(self.many, dtype=np.int64), np.empty(self.many, dtype=np.int64)
        logp = np.full((self.many, int(self.options.max())), -np.inf)
        game_of = np.empty(len(first), dtype=np.int64)
        blocks: list[Alike] = []
        for shape, (one, code) in zip(shapes, unlike, strict=True):
            places, rank = rank[: len(one)], rank[len(one) :]
            at[shape.at] = places[code]
            game_of[places] = shape.game[one]
            logp[shape.at, : shape.chosen.shape[1]], n[shape.at] = shape.choices()
            blocks += shape.blocks(one, places, names)
        firsts = np.empty(self.many, dtype=np.int64)
        firsts[self.who[::-1]] = np.arange(len(self.who))[::-1]
        subject, unlike_subjects = self.table.codes("subject")
        return Columns(
            Decisions(blocks),
            game_of,
            tuple(self.games),
            at,
            logp,
            n,
            subject[firsts],
            tuple(unlike_subjects.texts("subject")),
            np.ones(self.many),
        )


def _places(table: tidy_csv.Table, who: Whole, name: str) -> tuple[Whole, Whole, Whole]:
    """(code of the column [row], its place among the decision's [row], how many there are [decision])."""
    many = int(who.max()) + 1
    if name not in table:
        none = np.zeros(len(who), dtype=np.int64)
        return none, none, np.ones(many, dtype=np.int64)
    codes, _ = table.codes(name)
    pairs, unlike = tidy_csv.of({"who": who, "code": codes}).codes("who", "code")
    first = np.empty(len(unlike), dtype=np.int64)
    first[pairs[::-1]] = who[::-1]
    counts = np.bincount(first, minlength=many)
    order = np.argsort(first, kind="stable")
    place = np.empty(len(first), dtype=np.int64)
    place[order] = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return codes, place[pairs], counts


@dataclass(frozen=True, eq=False)
class _Shape:
    """Decisions of subjects with as many options, and as many actions of the other.

    at      [decision] its number among all
    option  [decision, mine] codes of names; their: [decision, other]
    paid    [decision, seat, mine, other] or [decision, seat, mine]; belief: [decision, mine, other]
    """

    at: Whole
    option: Whole
    their: Whole
    game: Whole
    kind: Whole
    paid: Array
    belief: Array
    same: Array
    chosen: Array
    told: NDArray[np.bool_]
    """Where rows of one option agree in what is told of it, [decision]."""

    @classmethod
    def of(cls, laid: _Laid, at: Whole, i: Whole, rows: NDArray[np.bool_], size: tuple[int, int]) -> _Shape:
        """Those at these numbers; i [row] the place of a row's decision among them."""
        (mine, theirs), n = size, len(at)
        a, j = laid.a[rows], laid.j[rows]
        option, their = np.zeros((n, mine), np.int64), np.zeros((n, theirs), np.int64)
        option[i, a] = laid.option[rows]
        paid = np.full((n, laid.paid.shape[1], mine, max(theirs, 1)), np.nan)
        paid[i, :, a, j] = laid.paid[rows]
        belief, same, chosen = (
            np.full((n, mine, theirs), np.nan),
            np.full((n, mine), np.nan),
            np.zeros((n, mine)),
        )
        same[i, a], chosen[i, a] = laid.same[rows], laid.chosen[rows]
        agree = (chosen[i, a] == laid.chosen[rows]) & (
            (same[i, a] == laid.same[rows]) | (np.isnan(same[i, a]) & np.isnan(laid.same[rows]))
        )
        told = np.ones(n, dtype=np.bool_)
        told[i[~agree]] = False
        if theirs:
            their[i, j] = laid.their[rows]
            belief[i, a, j] = laid.belief[rows]
        game, kind = np.zeros(n, np.int64), np.zeros(n, np.int64)
        game[i], kind[i] = laid.game[rows], laid.kind[rows]
        paid = paid if theirs else paid[..., 0]
        return cls(at, option, their, game, kind, paid + 0.0, belief, same + 0.0, chosen, told)

    def odd(self) -> NDArray[np.bool_]:
        """Those that may break a rule: of probabilities, counts and beliefs, [decision]."""
        total = self.chosen.sum(-1)
        whole = (self.chosen == np.round(self.chosen)).all(-1)
        odd = ~self.told | (total > MOST_CHOSEN) | (total <= 0) | (~whole & (np.abs(total - 1) > 1e-6))
        missing = np.isnan(self.same)
        odd |= missing.any(-1) & ~missing.all(-1)
        if self.belief.shape[-1]:
            some = ~np.isnan(self.belief).all((-1, -2))
            near = np.isclose(self.belief.sum(-1), 1, atol=1e-6).all(-1)
            odd |= some & ~near
        return odd

    def choices(self) -> tuple[Array, Whole]:
        """(logp [decision, mine], n [decision]) as `Choice.at` has them; n 0 where they are probabilities."""
        with np.errstate(divide="ignore"):
            z = np.log(self.chosen)
        z = z - z.max(-1, keepdims=True)
        whole = (self.chosen == np.round(self.chosen)).all(-1)
        logp = z - np.log(np.exp(z).sum(-1, keepdims=True))
        return logp, np.where(whole, self.chosen.sum(-1), 0).astype(np.int64)

    def _alike(self) -> Array:
        """All that is told of them but payoffs, [decision, number]."""
        parts: list[NDArray[Any]] = [self.option, self.their, self.game[:, None], self.kind[:, None]]
        parts.append(self.belief.reshape(len(self.at), -1))
        parts.append(np.isnan(self.same[:, :1]))
        return np.concatenate(parts, axis=-1, dtype=np.float64)

    def unlike(self) -> tuple[Whole, Whole]:
        """(the first of each decision that differs, in order; which of these each is [decision])."""
        paid = self.paid.reshape(len(self.at), -1)
        return _first(np.concatenate([self._alike(), paid, self.same], axis=-1))

    def blocks(self, one: Whole, places: Whole, names: tuple[list[str], list[str]]) -> Iterator[Alike]:
        """The decisions `one`, which stand at `places` among all: together those that differ in payoffs."""
        first, code = _first(self._alike()[one])
        order = np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1])
        for i, some in zip(first, order, strict=True):
            at = one[some]
            given = not np.isnan(self.same[one[i]]).any()
            like = self._decision(int(one[i]), names)
            yield Alike(like, self.paid[at], self.same[at] if given else None, places[some])

    def _decision(self, i: int, names: tuple[list[str], list[str]]) -> Decision:
        """The i-th; every rule was asked before."""
        theirs = tuple(names[1][code] for code in self.their[i])
        belief, same = self.belief[i], self.same[i]
        stated = None if not theirs or np.isnan(belief).all() else belief / belief.sum(-1)[:, None]
        return Decision(
            tuple(names[0][code] for code in self.option[i]),
            self.paid[i],
            (theirs,) if theirs else (),
            None if np.isnan(same).any() else same,
            None if stated is None else (frozen(stated),),
            reply=stated is not None,
            kindness=int(self.kind[i]),
        )


def _first(numbers: Array) -> tuple[Whole, Whole]:
    """(the first of each row that differs, in order; which of these each row is)."""
    bits = np.ascontiguousarray(numbers + 0.0).view(np.int64)
    code, unlike = tidy_csv.of({str(k): column for k, column in enumerate(bits.T)}).codes(
        *map(str, range(bits.shape[1]))
    )
    first = np.empty(len(unlike), dtype=np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]
    return first, code


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
    for (name, words), group in group_by(own, "game", "frame").items():
        frame = frames(words)
        about = getattr(frame, "asks", "choice") == "belief"
        spec = spell(replace(frame, asks="choice")) if about else words
        (beliefs if about else answers).setdefault((name, spec), []).extend(group)
    made: list[Observation] = []
    for (name, frame), group in answers.items():
        pairs = average_by_decision(group)
        game = games(name)
        words = frames(frame)
        said = spell(replace(words, asks="choice")) if hasattr(words, "asks") else frame
        known = average_by_decision(beliefs.get((name, said), ()))
        if isinstance(game, Sequential):
            made += assemble(game, pairs, known, subject=who, name=name, plans=plans)
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

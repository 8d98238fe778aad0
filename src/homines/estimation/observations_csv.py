"""Observations from a CSV of choices, by people or anybody, one row an option or an outcome of one.

The tidy CSV, a row for every option of every decision of every subject:

    subject   who chose
    decision  which of the subject's decisions this row belongs to
    option    name of the option
    own       what the subject gets
    other     what the other gets; other2, other3, ... where there are more; absent where nobody else is paid
    chosen    how often it was chosen: 1 or 0, or a count
or, in its place,
    probability  its exact probability; those of a decision sum to 1, and 1 and 0 are probabilities as well

(a column `chosen` with a fraction anywhere holds probabilities throughout), and, where they are known:

    game      which game, for errors clustered by game and misfit
    theirs    the other's action, where the outcome depends on it: then a row for every (option, theirs)
    belief    the probability the subject gives to `theirs` (after this option); absent: uniform
    same      own payoff if everyone in the subject's place chose this option (for moralis, kantian)
    kindness  of what the other did before: 1 kind, -1 unkind, 0 neither
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from homines.core.progress import Tell, ignore
from homines.core.types import MOST_CHOSEN, Array, Choice, Decision, HominesError, frozen
from homines.estimation import tidy_csv
from homines.estimation.columns import Columns, Observation
from homines.estimation.csv_layout import CHOSEN, KINDNESS, PROBABILITY, CsvLayout

READING_STEPS = 4
"""Steps of reading a CSV: its cells, their places, its rules, its decisions."""
REQUIRED_COLUMNS = ("subject", "decision", "option", "own")
CHOICE_COLUMNS = (CHOSEN, PROBABILITY)
OPTIONAL_COLUMNS = ("game", "theirs", "belief", "same", "kindness")
Row = Mapping[str, str]


def read_csv(path: str | Path, progress: Tell = ignore) -> Sequence[Observation]:
    """Observations of a tidy CSV (above), in order of appearance.

    progress   called with how many of READING_STEPS steps are done

    Raises HominesError naming the line, the value and the rule for a missing column, a cell that is no
    number, a decision with one option, an unknown code, and choices that are no counts or probabilities.
    """
    path = Path(path)
    heads = tidy_csv.read_header(path)
    others = _other_columns(path, heads)
    wanted = [
        name for name in heads if name in (*REQUIRED_COLUMNS, *CHOICE_COLUMNS, *others, *OPTIONAL_COLUMNS)
    ]
    table = tidy_csv.read_table(path, heads, wanted)
    progress(1)
    if not len(table):
        raise HominesError(f"{path} has no rows under its head; every decision needs a row for each option")
    who, _ = table.codes("subject", "decision")
    layout = CsvLayout(table, who, others)
    progress(2)
    cells = _CellReader(path, layout.column, layout.exact)
    decisions: dict[tuple[object, ...], Decision] = {}
    for rows in layout.odd():
        _observation(cells, decisions, table.rows(rows), others)
    progress(3)
    if decisions:  # odd, and right by every rule: so rare that speed is no matter
        order = np.split(np.argsort(who, kind="stable"), np.cumsum(np.bincount(who))[:-1])
        return [_observation(cells, decisions, table.rows(rows), others) for rows in order]
    observations = layout.columns()
    progress(READING_STEPS)
    return observations


def _other_columns(path: Path, heads: Sequence[str]) -> tuple[str, ...]:
    """Names of the others' payoff columns; HominesError where one is missing or unknown."""
    missing = [name for name in REQUIRED_COLUMNS if name not in heads]
    if not set(CHOICE_COLUMNS) & set(heads):
        missing.append(f"{CHOSEN} (or {PROBABILITY})")
    if missing:
        raise HominesError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; its head is "
            f"{', '.join(map(str, heads)) or 'empty'}. One row an option: {', '.join(REQUIRED_COLUMNS)}, "
            f"{CHOSEN} or {PROBABILITY}, and other where somebody else is paid"
        )
    if set(CHOICE_COLUMNS) <= set(heads):
        raise HominesError(
            f"{path} has the columns {CHOSEN} (counts) and {PROBABILITY} (exact); keep one, each in its file"
        )
    known = {*REQUIRED_COLUMNS, *CHOICE_COLUMNS, "other", *OPTIONAL_COLUMNS}
    for name in heads:
        close = get_close_matches(str(name).strip().lower(), known, n=1, cutoff=0.85)
        if name not in known and close and not str(name)[5:].isdigit():
            raise HominesError(
                f"{path} has a column {name!r}; did you mean {close[0]!r}? Rename it, or remove it"
            )
    if twice := [name for name in dict.fromkeys(heads) if heads.count(name) > 1]:
        raise HominesError(f"{path} has the column {twice[0]} twice; name every column once")
    return tuple(name for name in heads if name == "other" or (name[:5] == "other" and name[5:].isdigit()))


class _CellReader:
    """Reads cells, and says where one is wrong. column: of what was chosen; exact: it holds probabilities."""

    def __init__(self, path: Path, column: str, exact: bool) -> None:
        self.path, self.column, self.exact = path, column, exact

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


def _observation(
    cells: _CellReader,
    decisions: dict[tuple[object, ...], Decision],
    group: Sequence[tuple[int, Row]],
    others: Sequence[str],
) -> Observation:
    """The rows of one decision of one subject. Equal decisions share one object."""
    first_line, first = group[0]
    game = first.get("game", "")
    for line, row in group:
        if row.get("game", "") != game:
            raise cells.wrong(
                line, f"game is {row['game']!r}, and {game!r} on line {first_line} of the same decision"
            )
    options = tuple(dict.fromkeys(row["option"] for _, row in group))
    if len(options) < 2:
        raise cells.wrong(
            first_line,
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
    kind = cells.code(first_line, first, "kindness", KINDNESS) if "kindness" in first else 0
    for line, row in group:
        a = place[0][row["option"]]
        at = (a, place[1][row["theirs"]]) if theirs else (a,)
        if not np.isnan(paid[(0, *at)]):
            raise cells.wrong(line, f"option {row['option']!r} comes twice in decision {row['decision']!r}")
        for seat, name in enumerate(("own", *others)):
            paid[(seat, *at)] = cells.number(line, row, name)
        if row.get("belief"):
            belief[at] = cells.number(line, row, "belief", 0)
        if row.get("same"):
            same[a] = _option_value(cells, line, row, "same", same[a])
        if "kindness" in row and cells.code(line, row, "kindness", KINDNESS) != kind:
            raise cells.wrong(
                line, f"kindness is {row['kindness']!r}, and {kind} on line {first_line} of the same decision"
            )
        chosen[a] = _option_value(cells, line, row, cells.column, chosen[a])
    if np.isnan(paid).any():
        raise cells.wrong(
            first_line, "an option lacks a row for one of the other's actions; give every (option, theirs)"
        )
    choice = _choice(cells, first_line, chosen)
    table = _PayoffTable(options, theirs, paid, kind, belief, same)
    if (content := (game, *table.content)) not in decisions:
        decisions[content] = table.decision(cells, first_line)
    return Observation(decisions[content], choice, first["subject"], game)


def _option_value(cells: _CellReader, line: int, row: Row, name: str, before: float) -> float:
    """A value of an option, the same on each of its rows."""
    value = cells.number(line, row, name, 0 if name in CHOICE_COLUMNS else -math.inf)
    if not math.isnan(before) and value != before:
        raise cells.wrong(
            line, f"{name} is {value:g}, and {before:g} on another row of option {row['option']!r}"
        )
    return value


@dataclass(frozen=True, eq=False)
class _PayoffTable:
    """The cells of one decision as arrays; nan where a cell is empty.

    options   names of the subject's actions; theirs: of the other's, empty where these bear on nothing
    paid      [seat, mine, other], without the last axis where `theirs` is empty
    kindness  of what the other did before
    belief    [mine, other]; same [mine]
    """

    options: tuple[str, ...]
    theirs: tuple[str, ...]
    paid: Array
    kindness: int
    belief: Array
    same: Array

    @property
    def content(self) -> tuple[object, ...]:
        """Equal for equal tables."""
        arrays = self.paid, self.belief, self.same
        return self.options, self.theirs, self.kindness, *(array.tobytes() for array in arrays)

    def decision(self, cells: _CellReader, line: int) -> Decision:
        """The decision. Raises HominesError, naming the line, where the cells make none."""
        unknown = np.isnan(self.same)
        if unknown.any() and not unknown.all():
            raise cells.wrong(
                line, "same is given for some options only; give it for all of a decision's, or none"
            )
        stated = None
        if self.theirs and not np.isnan(self.belief).all():
            total = self.belief.sum(-1)
            if np.isnan(total).any() or not np.allclose(total, 1, atol=1e-6):
                raise cells.wrong(
                    line, f"belief sums to {total.tolist()} over theirs; it must sum to 1 for each option"
                )
            stated = (frozen(self.belief / total[:, None]),)
        try:
            return Decision(
                self.options,
                frozen(self.paid),
                (self.theirs,) if self.theirs else (),
                None if unknown.all() else frozen(self.same),
                stated,
                reply=stated is not None,
                kindness=self.kindness,
            )
        except HominesError as failure:
            raise cells.wrong(line, str(failure)) from failure


def _choice(cells: _CellReader, line: int, chosen: Array) -> Choice:
    """Counts, or probabilities that sum to 1."""
    total = float(chosen.sum())
    if total > MOST_CHOSEN:
        raise cells.wrong(
            line, f"{cells.column} adds up to {total:g}, more than {MOST_CHOSEN:g}; give counts of choices"
        )
    if total <= 0:
        raise cells.wrong(line, "nothing was chosen in this decision; leave out decisions without an answer")
    if cells.exact and abs(total - 1) > 1e-6:
        rule = (
            f"{CHOSEN} holds a fraction, so all of it is probabilities, and those of a decision sum to 1; "
            "give whole counts alone, or probabilities alone"
            if cells.column == CHOSEN
            else f"those of a decision must sum to 1; give counts in a column {CHOSEN}"
        )
        raise cells.wrong(line, f"{cells.column} is {chosen.tolist()}: {rule}")
    return Choice.at(chosen, n=None if cells.exact else int(total))


@dataclass(frozen=True)
class ChoiceColumn:
    """How the choices of a CSV were read.

    name    the column; exact: as probabilities without sampling error, else as counts
    single  each decision holds one certain choice, so that the same cells could be probabilities of 1 and 0
    """

    name: str
    exact: bool
    single: bool

    def __str__(self) -> str:
        if self.exact and self.name == CHOSEN:
            return f"{CHOSEN} holds fractions: read as exact probabilities, those of 1 and 0 too"
        if self.exact:
            return f"{PROBABILITY}: read as exact probabilities"
        if self.single:
            return (
                f"{CHOSEN} holds 1 and 0 alone: read as one choice a decision; if they are probabilities, "
                f"name the column {PROBABILITY}"
            )
        return f"{CHOSEN}: read as counts of choices"


def choice_column(path: Path, observations: Sequence[Observation]) -> ChoiceColumn:
    """How the observations of this CSV were read."""
    columns = Columns.of(observations)
    name = next(name for name in CHOICE_COLUMNS if name in tidy_csv.read_header(path))
    return ChoiceColumn(name, bool(np.isinf(columns.n).all()), bool((columns.n == 1).all()))

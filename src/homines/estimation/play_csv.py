"""Records from a CSV of play, one row a choice: of people, of models behind other harnesses, of replications.

    game        a game of the package, as ipd or trust(5)
    act         what was chosen: an action of the game, or its label (what is both is the label); anything
                else is an illegal answer

and, where they apply:

    agent       who chose; absent: one agent, named after the file
    round       1 is the first; choices of a later one follow the last acts
    own_last    the agent's act in the round before
    other_last  the other's act in the round before; of one who replies, the act replied to
    seat        0 or 1, where the seats of a game differ and all move at once (bos)
    labels      words for the agent's actions in their order, as X,Y
    frame       a name for the wording or treatment
    n           how often this happened; absent: once

Equal questions of an agent become one record with counts.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.capabilities import Labelled, asks_of, variant
from homines.core.format import clean
from homines.core.plugins import names
from homines.core.registry import find, head, spell
from homines.core.types import MOST_CHOSEN, Array, Choice, Decision, HominesError, Record
from homines.elicitation.scene import Names, split_labels
from homines.estimation import tidy_csv
from homines.theory.game_forms import NormalForm, Repeated, nodes

REQUIRED_COLUMNS = ("game", "act")
TEXT_COLUMNS = ("agent", "round", "own_last", "other_last", "seat", "labels", "frame")
COUNT_COLUMN = "n"
COLUMNS = (*REQUIRED_COLUMNS, *TEXT_COLUMNS, COUNT_COLUMN)
FRAME = "logged"
"""The frame of records whose wording is not named."""
MOST_ILLEGAL = 20
"""Different illegal answers that a record keeps, and different unplaced rows that are named, at most."""
LONGEST_ILLEGAL = 60
LONGEST_NAME = 100
MOST_NAMED = 3
_WORD = re.compile(r"[^\W\d]\w*")

Row = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class PlayLog:
    """A CSV of play as a run.

    choices    how many choices its records hold, illegal ones among them
    illegal    these by what was written, the most frequent first; '' where nothing was
    unplaced   choices that follow an act unknown, and are in no record, by what was written
    unread     columns that are none of a play's
    """

    config: dict[str, Any]
    records: list[Record]
    choices: int
    illegal: Counter[str]
    unplaced: Counter[str]
    unread: list[str]


def read_play(path: Path) -> PlayLog:
    """Read a CSV of play.

    Raises HominesError, naming the line, the value and the rule, for a missing or mistyped column, a game
    that is none of the package's, labels that do not fit, an impossible round, seat or count, and where no
    row can be placed in its game.
    """
    heads = tidy_csv.read_header(path)
    _check_heads(path, heads)
    texts = [name for name in (*REQUIRED_COLUMNS, *TEXT_COLUMNS) if name in heads]
    table = tidy_csv.read_table(path, heads, [name for name in heads if name in (*texts, COUNT_COLUMN)])
    if not len(table):
        raise HominesError(f"{path} has no rows under its head; every choice needs a row")
    codes, unlike = table.codes(*texts)
    first = np.empty(len(unlike), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    times = np.bincount(codes, weights=_counts(path, table), minlength=len(unlike))
    log = _Aggregate(path)
    for line, (_, row), n in zip(first + 2, unlike.rows(np.arange(len(unlike))), times, strict=True):
        log.add(int(line), row, int(n))
    unread = [name for name in heads if name not in COLUMNS]
    return log.result(unread)


def _check_heads(path: Path, heads: Sequence[str]) -> None:
    if missing := [name for name in REQUIRED_COLUMNS if name not in heads]:
        raise HominesError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; its head is "
            f"{clean(', '.join(map(str, heads))) or 'empty'}. One row a choice: {', '.join(COLUMNS)}"
        )
    for name in heads:
        close = get_close_matches(str(name).strip().lower(), COLUMNS, n=1, cutoff=0.85)
        if name not in COLUMNS and close:
            raise HominesError(
                f"{path} has a column {name!r}; did you mean {close[0]!r}? Rename it, or remove it"
            )
        if heads.count(name) > 1 and name in COLUMNS:
            raise HominesError(f"{path} has the column {name} twice; name every column once")


def _counts(path: Path, table: tidy_csv.Table) -> Array:
    """How often each row happened, [row]."""
    if COUNT_COLUMN not in table:
        return np.ones(len(table))
    counts = table.numbers(COUNT_COLUMN)
    possible = (counts >= 0) & (counts == np.round(counts)) & (counts <= MOST_CHOSEN)
    if len(wrong := np.flatnonzero(~possible)):
        at = int(wrong[0])
        cell = clean(table.rows(wrong[:1])[0][1][COUNT_COLUMN])
        raise HominesError(
            f"{path} line {at + 2}: n is {cell!r}; it must be a whole number of choices, at most "
            f"{MOST_CHOSEN:g}"
        )
    return counts


@dataclass(frozen=True)
class _Question:
    """What equal questions of an agent share."""

    agent: str
    game: str
    frame: str
    labels: tuple[str, ...]
    decision: str


@dataclass(eq=False)
class _Answers:
    """Answers to a question so far, [action]; and the illegal ones by what was written."""

    decision: Decision
    legal: Array
    illegal: Counter[str] = field(default_factory=Counter[str])

    def record(self, of: _Question) -> Record:
        """The record of these answers, with the most frequent illegal ones."""
        legal, illegal = float(self.legal.sum()), self.illegal.total()
        mass, n = legal / (legal + illegal), int(legal + illegal)
        if n > MOST_CHOSEN:
            raise HominesError(
                f"{of.agent} has {n} choices at one decision of {of.game}; at most {MOST_CHOSEN:g} are read"
            )
        choice = Choice.at(self.legal, mass, n) if legal else Choice.of(np.zeros(len(self.legal)), 0.0, n)
        notes: dict[str, Any] = {"counted": True}
        if illegal:
            notes["illegal"] = dict(self.illegal.most_common(MOST_ILLEGAL))
        labels = of.labels or self.decision.actions
        return Record(self.decision, of.frame, (), labels, of.agent, of.game, choice, None, notes)


class _Aggregate:
    """Rows put into their games, equal questions together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[_Question, _Answers] = {}
        self.unplaced: Counter[str] = Counter()
        self.example = ""
        self._games: dict[str, _Places] = {}
        self._frames: dict[tuple[str, tuple[str, ...]], str] = {}

    def add(self, line: int, row: Row, n: int) -> None:
        """Count a row that stands in the file `n` times, first in this line."""
        try:
            self._add(line, {name: cell.strip() for name, cell in row.items()}, n)
        except HominesError as failure:
            raise HominesError(f"{self.path} line {line}: {failure}") from failure

    def _add(self, line: int, row: Row, n: int) -> None:
        if not n:
            return
        if row["game"] not in self._games:
            self._games[row["game"]] = _Places(row["game"])
        places = self._games[row["game"]]
        labels = split_labels(row.get("labels", ""))
        d = places.decision(row, labels)
        if d is None:
            acts = (clean(row.get(name, ""), LONGEST_ILLEGAL) for name in ("own_last", "other_last"))
            written = f"{row['game']} after {' and '.join(repr(act) for act in acts)}"
            self.unplaced[written] += n
            self.example = self.example or f"line {line}, {written}: {places.acts(labels)}"
            return
        agent = clean(row.get("agent") or self.path.stem, LONGEST_NAME)
        question = _Question(agent, row["game"], self._frame(row, labels), labels, d.key)
        answers = self.answers.setdefault(question, _Answers(d, np.zeros(len(d.actions))))
        words = next((words for words in (labels, d.actions) if row["act"] in words), None)
        if words is not None:
            answers.legal[words.index(row["act"])] += n
        else:
            answers.illegal[clean(row["act"], LONGEST_ILLEGAL)] += n

    def _frame(self, row: Row, labels: tuple[str, ...]) -> str:
        name = row.get("frame") or FRAME
        if (name, labels) not in self._frames:
            self._frames[name, labels] = _frame(name, labels)
        return self._frames[name, labels]

    def result(self, unread: list[str]) -> PlayLog:
        if not self.answers:
            raise HominesError(
                f"{self.path}: no choice can be placed in its game ({self.example or 'every n is 0'}); write "
                "the acts by these names, or give their words as labels"
            )
        records = [answers.record(question) for question, answers in self.answers.items()]
        illegal: Counter[str] = Counter()
        for answers in self.answers.values():
            illegal.update(answers.illegal)
        choices = sum(r.choice.n or 0 for r in records if r.choice is not None)
        return PlayLog(_config(self.path, records), records, choices, illegal, self.unplaced, unread)


class _Places:
    """The points of decision of a game, by the acts that lead there.

    Raises HominesError for a game that is none of the package's.
    """

    def __init__(self, spec: str) -> None:
        self.spec = spec
        if (name := head(spec)) not in (known := names("games")):
            close = get_close_matches(name.lower(), known, n=1)
            raise HominesError(
                f"no game of the package is called {clean(name)!r}, and a log names no others"
                f"{f'; did you mean {close[0]!r}?' if close else '.'} `homines list games` has them, and "
                "symmetric(reward, sucker, temptation, punishment) any symmetric one of two with two actions"
            )
        self.game = find("games", spec)
        self.decisions = tuple(_points(self.game))
        self._by_labels: dict[tuple[str, ...], dict[tuple[str, str], list[Decision]]] = {}

    @cached_property
    def seats(self) -> set[int]:
        """Seats that decide."""
        return {d.player for d in self.decisions}

    def decision(self, row: Row, labels: tuple[str, ...]) -> Decision | None:
        """The decision of a row; None where the acts before it are none of the game's, or are missing."""
        own, other = row.get("own_last", ""), row.get("other_last", "")
        number, seat = _whole(row, "round", 1), _whole(row, "seat", 0)
        if isinstance(self.game, Repeated) and number is not None:
            if number == 1 and (own or other):
                raise HominesError(f"round is 1, and acts {own!r}, {other!r} lie before; rounds count from 1")
            if number > 1 and not (own and other):
                return None
        if labels not in self._by_labels:
            self._by_labels[labels] = self._index(labels)
        found = self._by_labels[labels].get((own, other), [])
        if len(self.seats) > 1 and seat is not None:
            if seat not in self.seats:
                raise HominesError(
                    f"seat is {seat}, and nobody decides there in {self.spec}; give "
                    f"{', '.join(map(str, sorted(self.seats)))}"
                )
            found = [d for d in found if d.player == seat]
        if len(found) > 1:
            raise HominesError(
                f"the seats of {self.spec} differ, and the row names none; give seat as "
                f"{' or '.join(str(d.player) for d in found)}"
            )
        return found[0] if found else None

    def acts(self, labels: tuple[str, ...]) -> str:
        """The acts of the game in the words of a log."""
        sets = dict.fromkeys(d.actions for d in self.decisions)
        return f"its acts are {' or '.join(', '.join(labels or actions) for actions in sets)}"

    def _index(self, labels: tuple[str, ...]) -> dict[tuple[str, str], list[Decision]]:
        """Decisions by (own, other's) last act, in these labels or by name."""
        index: dict[tuple[str, str], list[Decision]] = {}
        fitting = [d for d in self.decisions if not labels or len(d.actions) == len(labels)]
        for d in fitting or self.decisions:
            Names.of(d, labels)  # raises where labels do not fit
            past = enumerate(d.history[-1]) if d.history else ()
            acts = [(k == d.player, d.action_name(k, a)) for k, a in past if a is not None]
            label = dict(zip(d.actions, labels or d.actions, strict=True))
            words = [{label.get(name, name), *({name} - set(labels))} for _, name in acts]
            keys = {
                tuple(
                    ",".join(word for (mine, _), word in zip(acts, written, strict=True) if mine is whose)
                    for whose in (True, False)
                )
                for written in product(*words)
            }
            for own, other in keys:
                index.setdefault((own, other), []).append(d)
        return index


def _points(game: Any) -> Iterable[Decision]:
    """The decisions of a game that a log may hold: the first round and every state of a repeated one; of a
    seat alone where all are alike."""
    stage = game.stage if isinstance(game, Repeated) else game
    if isinstance(stage, NormalForm):
        for k in range(1 if stage.symmetric else len(stage.actions)):
            yield game.seat(k)
            if isinstance(game, Repeated) and game.rounds != 1:
                yield from game.remembered(k)
        return
    for _, due in nodes(game):
        yield from due.values()


def _whole(row: Row, name: str, low: int) -> int | None:
    """A whole number of a cell; None where it is empty."""
    if not (cell := row.get(name, "")):
        return None
    value = tidy_csv.number(cell)
    if not (value >= low and value == round(value)):
        raise HominesError(f"{name} is {clean(cell)!r}; it must be a whole number of at least {low}")
    return int(value)


def _frame(name: str, labels: tuple[str, ...]) -> str:
    """The spec of a frame: of one of the package, or the log's own word for it, with the labels."""
    known = find("frames", name) if head(name) in names("frames") else None
    if known is not None:
        if (asks := asks_of(known)) != "choice":
            raise HominesError(f"frame is {clean(name)!r}, which asks for {asks}; a log holds choices")
        return spell(variant(known, labels=labels) if labels and isinstance(known, Labelled) else known)
    if not _WORD.fullmatch(name) or len(name) > LONGEST_NAME:
        raise HominesError(
            f"frame is {clean(name)!r}; it must be one word of letters, digits and _, or a frame of the "
            "package"
        )
    return f"{name}(labels={','.join(labels)!r})" if labels else name


def _config(path: Path, records: Sequence[Record]) -> dict[str, Any]:
    """What the file holds, as the config of a run."""
    agents = list(dict.fromkeys(r.model for r in records))
    return {
        "kind": "import",
        "model": ", ".join(agents) if len(agents) <= MOST_NAMED else f"{len(agents)} agents",
        "games": list(dict.fromkeys(r.game for r in records)),
        "frames": sorted({r.frame for r in records}),
        "file": path.name,
        "sha256": _digest(path),
    }


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

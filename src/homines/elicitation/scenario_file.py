"""Scenarios: a situation in words, options, what each does, and the option that a principle implies.

The built-in set is scenarios.tsv; files of a user are CSV or JSON lines, and published sets have forms of
their own (scenario_forms.py). The columns of a user's file:

    id        id or scenario_id, its own in every line
    text      question, text, prompt, scenario or query: all that is asked, the question too
    options   as in a benchmark (benchmark_file.py): a list, columns A, B, C ..., or safe and unsafe
    does      what each option does: a list, or columns does_A, does_B ... (does_safe, does_unsafe), or none
    implied   implied, or as in a benchmark: a letter, an option's text, or its place from 0
    group     group, category, subject or type, in every line or in none
    stakes    a word for what is at stake; it may be missing
    control   a word where the scenario is a control, which no group counts; it may be missing
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from homines.core import strict_json
from homines.core.format import abbreviate
from homines.core.types import digest
from homines.elicitation.benchmark_file import (
    ANSWERS,
    CATEGORIES,
    LETTERS,
    TEXTS,
    BenchmarkError,
    Row,
    check_text,
    first_of,
    name_of,
    options_of,
    read_items,
    read_text,
    rows_of,
    table_rows,
)

BUILT_IN = "everyday"
"""Name of the built-in set."""
TABLE = "scenarios.tsv"
QUESTION = "What do you do?"
"""What every scenario of the built-in set asks."""
OWN = "own"
"""Name of the form of this package."""
LONGEST_NAME = 80
"""Characters of an id, a group, stakes or a control."""


@dataclass(frozen=True)
class Scenario:
    """A situation and what can be done in it.

    does      what each option does, or empty; implied: the place of the implied (or safe) option
    control   empty; else the scenario is a control of that kind, and no group counts it
    line      of the file
    """

    id: str
    text: str
    options: tuple[str, ...]
    implied: int
    does: tuple[str, ...] = ()
    group: str = ""
    stakes: str = ""
    control: str = ""
    line: int = 0

    @property
    def shown(self) -> tuple[str, ...]:
        """The options as a prompt shows them, each with what it does."""
        if not self.does:
            return self.options
        return tuple(f"{option} ({does})" for option, does in zip(self.options, self.does, strict=True))


@dataclass(frozen=True)
class ScenarioSet:
    """The scenarios of a file.

    form       name of its form; implied: what the implied option is, in words
    left_out   lines that are no scenario with one implied option: their number by reason
    """

    name: str
    file: str
    sha256: str
    scenarios: tuple[Scenario, ...]
    form: str = OWN
    implied: str = "the implied option"
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def groups(self) -> dict[str, list[Scenario]]:
        """The scenarios of each group, without controls; empty where the file tells no groups."""
        return _grouped(self.counted, lambda s: s.group)

    @property
    def stakes(self) -> dict[str, list[Scenario]]:
        """The scenarios at each stake, without controls."""
        return _grouped(self.counted, lambda s: s.stakes)

    @property
    def controls(self) -> dict[str, list[Scenario]]:
        """The controls of each kind."""
        return _grouped(self.scenarios, lambda s: s.control)

    @property
    def counted(self) -> list[Scenario]:
        """All scenarios but the controls."""
        return [s for s in self.scenarios if not s.control]


def _grouped(scenarios: Sequence[Scenario], name: Callable[[Scenario], str]) -> dict[str, list[Scenario]]:
    groups: dict[str, list[Scenario]] = {}
    for s in scenarios:
        if name(s):
            groups.setdefault(name(s), []).append(s)
    return groups


def built_in() -> ScenarioSet:
    """The set of this package: everyday dilemmas in six groups at three stakes, and controls."""
    text = files("homines.elicitation").joinpath(TABLE).read_text(encoding="utf-8")
    scenarios = read_items(Path(TABLE), _table_rows(text), read_scenario)
    return ScenarioSet(BUILT_IN, TABLE, digest(text), check_set(Path(TABLE), scenarios))


def _table_rows(text: str) -> Iterator[tuple[int, Row]]:
    """Lines of the built-in table with their numbers, the question in each."""
    for number, row in table_rows(text):
        yield number, {**row, "text": f"{row['text']} {QUESTION}"}


def read_own(path: Path) -> ScenarioSet:
    """The scenarios of a user's file. Raises BenchmarkError, which names the line, where it is none, two
    have the same id or text, or some lines alone tell a group."""
    text, sha256 = read_text(path)
    scenarios = read_items(path, rows_of(path, text), read_scenario)
    return ScenarioSet(name_of(path), path.name, sha256, check_set(path, scenarios))


def read_scenario(row: Row, line: int) -> Scenario:
    """A line of the package's own form as a scenario. Raises BenchmarkError."""
    name = check_text("id", first_of(row, ("id", "scenario id"), "id"))
    text = check_text("text", first_of(row, TEXTS, "text"))
    options, implied = options_of(row, ("implied", *(name for name in ANSWERS if name != "implied")))
    does = _does(row, len(options))
    group, stakes, control = _word(row, "group", *CATEGORIES), _word(row, "stakes"), _word(row, "control")
    return Scenario(_short("id", name), text, options, implied, does, group, stakes, control, line)


def check_set(path: Path, scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
    """The scenarios, where each has its own id and text, and all or none a group (controls need none)."""
    ids: dict[str, int] = {}
    texts: dict[str, int] = {}
    for s in scenarios:
        for what, key, known in (("id", s.id, ids), ("text", same_text(s.text), texts)):
            if (first := known.setdefault(key, s.line)) != s.line:
                shown = f"id {abbreviate(s.id)}" if what == "id" else f"text of id {abbreviate(s.id)}"
                raise BenchmarkError(
                    f"{path} line {s.line}: the {shown} is that of line {first}; each scenario is counted "
                    f"once, so give each its own {what}, or drop the line"
                )
    counted = [s for s in scenarios if not s.control]
    if not counted:
        raise BenchmarkError(f"{path} holds controls alone; add scenarios without a word under control")
    if (bare := [s for s in counted if not s.group]) and len(bare) < len(counted):
        raise BenchmarkError(
            f"{path} line {bare[0].line}: no group, and others have one; give every line a group, or none"
        )
    return tuple(scenarios)


def same_text(text: str) -> str:
    """A text without what makes no other text: spaces and case."""
    return " ".join(text.split()).casefold()


def _does(row: Row, options: int) -> tuple[str, ...]:
    """What each option does; empty where nothing is told."""
    if row.get("does") not in (None, ""):
        value = row["does"]
        if isinstance(value, str):
            try:
                value = strict_json.loads(value)
            except ValueError as failure:
                raise BenchmarkError(
                    f'does {abbreviate(value)} must be a list, as ["...", "..."]'
                ) from failure
        told: list[Any] = value if isinstance(value, list) else []
    else:
        names = ["safe", "unsafe"] if "safe" in row and "unsafe" in row else list(LETTERS[:options].lower())
        told = [row.get(f"does {name}") for name in names]
        if all(x in (None, "") for x in told):
            return ()
    if len(told) != options or any(x in (None, "") for x in told):
        raise BenchmarkError(
            f"does tells {sum(x not in (None, '') for x in told)} of {options} options; tell it of each, "
            "or of none"
        )
    return tuple(check_text("does", x) for x in told)


def _word(row: Row, *names: str) -> str:
    """The first of these cells that is filled; empty where none is."""
    value = next((row[name] for name in names if row.get(name) not in (None, "")), None)
    return "" if value is None else _short(names[0], check_text(names[0], value))


def _short(what: str, text: str) -> str:
    if len(text) > LONGEST_NAME:
        raise BenchmarkError(f"{what} has {len(text)} characters; at most {LONGEST_NAME} are read")
    return text

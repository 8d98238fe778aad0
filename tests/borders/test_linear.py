"""Work that grows as the records do, by counting calls: twice the records are at most twice the calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.core import registry, types
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Decision, Record
from homines.elicitation import questions
from homines.elicitation.orders import orders
from homines.elicitation.questions import battery
from homines.estimation.likelihood import Design, climb
from homines.estimation.observations_csv import read_csv
from homines.reports import measures, run_view

WORDS = ("X,Y", "A,B")


def records(games: int) -> Iterator[Record]:
    """Answers in every state of so many games, in every frame and order."""
    rng = np.random.default_rng(0)
    for i in range(games):
        game = f"symmetric(reward={i % 9 + 1}, sucker={i // 9 + 1}, temptation=9, punishment=2)"
        for d in battery(find("games", game)):
            for words in WORDS:
                for order in orders(2, 2):
                    choice = Choice.of(rng.uniform(-2, 2, 2), 0.9)
                    yield Record(
                        d, f"table(labels='{words}')", order, tuple(words.split(",")), "m", game, choice
                    )


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], Counter[str]]:
    """Counts calls of a function from now on."""
    counted: Counter[str] = Counter()

    def count(owner: Any, name: str) -> Counter[str]:
        before = getattr(owner, name)

        def held(*arguments: Any, **named: Any) -> Any:
            counted[name] += 1
            return before(*arguments, **named)

        monkeypatch.setattr(owner, name, held)
        return counted

    return count


def of_page(folder: Path, games: int, counted: Counter[str]) -> Counter[str]:
    with RunFolder(folder, {"kind": "measure", "model": "m"}) as run:
        run.add(records(games))
    counted.clear()
    study = run_view.read(folder)
    measures.tabulate(study)
    measures.preferences(study)
    return Counter(counted)


def test_a_page_parses_a_decision_once_and_hashes_a_record_once(tmp_path: Path, calls: Any) -> None:
    calls(Decision, "to_json")
    calls(types.json, "dumps")
    calls(registry, "find")
    counted = calls(Decision, "__post_init__")
    few, many = (of_page(tmp_path / str(games), games, counted) for games in (20, 40))
    n = len(list(records(40)))
    # decisions, those of plans, and those whose other is believed to choose as the model does
    assert many["to_json"] <= 3 * n / len(WORDS) / 4
    assert many["__post_init__"] <= n
    assert many["dumps"] <= 6 * n
    for name, times in many.items():
        assert times <= 2 * few[name] + 100, name


def test_the_games_of_a_page_are_told_once(tmp_path: Path) -> None:
    """One set was built for each record; names of games are looked at a fixed number of times a record."""

    class Game(str):
        looked = 0

        def __hash__(self) -> int:
            Game.looked += 1
            return super().__hash__()

    def looked(games: int) -> int:
        folder = tmp_path / str(games)
        with RunFolder(folder, {"kind": "measure", "model": "m"}) as run:
            run.add(records(games))
        study = run_view.read(folder)
        for r in study.records:
            object.__setattr__(r, "game", Game(r.game))
        Game.looked = 0
        measures.tabulate(study)
        return Game.looked

    assert looked(40) <= 2 * looked(20)


def test_states_of_one_game_are_told_once(tmp_path: Path, calls: Any) -> None:
    """Names of the states before were searched at every state."""
    with RunFolder(tmp_path / "run", {"kind": "measure", "model": "m"}) as run:
        run.add(Record(r.decision, r.frame, r.order, r.labels, r.model, "one", r.choice) for r in records(20))
    study = run_view.read(tmp_path / "run")
    counted = calls(questions, "situation")
    rows = measures.tabulate(study)["states"]
    states = {row["state"] for row in rows}
    assert sorted({row["place"] for row in rows}) == list(range(len(states)))
    assert counted["situation"] <= len(states)


def tidy(path: Path, many: int) -> Path:
    rng = np.random.default_rng(0)
    lines: list[str] = []
    for i, ((one, two), (a, b)) in enumerate(rng.integers(10, 99, (many, 2, 2))):
        lines += [f"s{i % 50},{i},X,{one},{a},1", f"s{i % 50},{i},Y,{two},{b},0"]
    path.write_text("\n".join(["subject,decision,option,own,other,chosen", *lines]) + "\n")
    return path


def test_a_csv_makes_no_object_a_row(tmp_path: Path, calls: Any) -> None:
    calls(Decision, "__post_init__")
    counted = calls(Choice, "at")
    read_csv(tidy(tmp_path / "a.csv", 2000))
    assert counted["at"] == 0
    assert counted["__post_init__"] <= 3


def test_a_climb_takes_as_many_steps_for_many_choices(calls: Any) -> None:
    """A stride was so many standard units of the start, which shrink as choices grow in number."""
    counted = calls(Design, "information")
    rng = np.random.default_rng(0)
    design = Design(rng.uniform(0, 50, (200, 2, 2)), np.ones((200, 2), dtype=np.bool_))
    p = np.exp(design.logp(np.array([0.1, 0.05])))
    steps = []
    for n in (1e5, 1e9):
        counted.clear()
        assert climb(design, n / 200 * p).converged
        steps.append(counted["information"])
    assert steps[1] <= 2 * steps[0]

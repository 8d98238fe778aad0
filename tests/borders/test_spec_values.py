"""A spec of a few bytes, with whatever numbers, makes an object of bounded size or ends in one sentence."""

from __future__ import annotations

import inspect
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from homines.core import plugins, registry
from homines.core.registry import find
from homines.core.types import HominesError

NUMBERS = ("1e308", "1e-320", str(10**17), "-1", "0", "1e300", "inf")
NEEDED = {
    "ordinal": "row=1, column=1",
    "symmetric": "reward=3, sucker=0, temptation=5, punishment=1",
    "altruist": "weight=0",
    "bfs": "alpha=0, beta=0",
    "charness_rabin": "rho=0, sigma=0",
    "inequity": "alpha=0, beta=0",
    "kantian": "alpha=0, beta=0, kappa=0",
    "lives": "human=0, female=0, fit=0, status=0, young=0, inaction=0, pedestrians=0, lawful=0",
    "axelrod": "strategy=TitForTat",
    "memory_one": "start=0, cc=0, cd=0, dc=0, dd=0",
}
"""What must be given."""
MOST_BYTES = 100 * 2**20


def names() -> list[tuple[str, str]]:
    folders = ("games", "preferences", "opponents", "frames")
    return [(folder, entry.name) for folder in folders for entry in plugins.describe(folder)]


def specs(folder: str, name: str) -> list[str]:
    """Every parameter with every number, the rest as it is needed."""
    needed = dict(part.split("=") for part in NEEDED.get(name, "").split(", ") if part)
    out: list[str] = []
    for parameter in inspect.signature(plugins.factory(folder, name)).parameters:
        for number in NUMBERS:
            for value in (number, f"({number}, {number})"):
                given = {**needed, parameter: value}
                out.append(f"{name}({', '.join(f'{key}={text}' for key, text in given.items())})")
    return out


def said(folder: str, spec: str) -> str:
    """What every reader does with a spec: the sentence it ends in, if any."""
    try:
        thing = find(folder, spec)
        if folder == "games":
            thing.due(())
    except HominesError as failure:
        return str(failure)
    return ""


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("folder", "name"), names(), ids=[f"{f}-{n}" for f, n in names()])
def test_any_number_makes_an_object_or_a_sentence(folder: str, name: str) -> None:
    find(folder, f"{name}({NEEDED.get(name, '')})")
    tracemalloc.start()
    try:
        sentences = [said(folder, spec) for spec in specs(folder, name)]
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()
    assert [text for text in sentences if "\n" in text or len(text) > 2000] == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("public_goods(players=30000000000)", r"players must be a whole number in \[2, 20\]"),
        ("public_goods(players=3000000)", r"players must be a whole number in \[2, 20\]"),
        ("pricing(firms=100000000000)", r"firms must be a whole number in \[2, 20\]"),
        ("pricing(points=1000000000)", r"points must be a whole number in \[2, 1000\]"),
        ("dictator(total=1e300, step=1e-300)", "use a larger step"),
        ("dictator(step=1e-320)", "use a larger step"),
        ("trust_menu(step=1e-320)", "use a larger step"),
        ("trust_return(step=1e-320)", "use a larger step"),
        ("ultimatum_menu(step=1e-320)", "use a larger step"),
    ],
)
def test_numbers_that_hung_or_failed_are_named(spec: str, message: str) -> None:
    with pytest.raises(HominesError, match=message):
        find("games", spec)


@pytest.mark.parametrize("failure", [OverflowError, MemoryError, RecursionError, TypeError, ValueError])
def test_a_game_of_ours_that_cannot_be_made_says_so(
    failure: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def game(step: float = 1) -> Any:
        raise failure("too much")

    def factory(folder: str, name: str) -> Callable[..., Any]:
        return game

    game.__module__ = "homines.games.game"
    monkeypatch.setattr(registry, "factory", factory)
    with pytest.raises(HominesError, match=r"game cannot be made of 'step=2\.0' .*too much"):
        find("games", "game(step=2)")

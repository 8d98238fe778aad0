"""Reasons: every number is read or computed, every equation true, the conclusion what the utility implies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from homines.core.registry import find, spell
from homines.datasets.best_answers import implied_answers
from homines.datasets.generator import Generator
from homines.datasets.reasons import WAYS, ReasonFault, Style, answered, read_reasons, reason
from homines.datasets.recipe import Recipe, drawable
from homines.datasets.row import Row
from homines.elicitation.orders import orders
from homines.theory.game_forms import Repeated
from tests.datasets.test_generator import PREFERENCES
from tests.helpers.reasons_checker import NUMBER, faults

MENUS = (
    "dictator(total=9, step=3)",
    "ultimatum_menu(total=9, step=3)",
    "trust_menu(endowment=6, factor=2, step=2, parts=2)",
    "trust_return(received=9, factor=3, step=3, endowment=6)",
)
OTHERS = (
    *MENUS,
    "public_goods(3, endowment=8, step=8, multiplier=1.5)",
    "symmetric(5, 1, 7, 2, rounds=1, share=0.8)",
    "symmetric(50, 13, 70, 20, rounds=1, share=0.25)",
)


def rows_of(
    game: str, preference: str, way: int = 0, *, margin: bool = False, unit: str = ""
) -> Iterator[Row]:
    """A row for each decision of a game, of the first best answer."""
    u, g = find("preferences", preference), find("games", game)
    for implied in implied_answers(u, g.stage if isinstance(g, Repeated) else g):
        d, answer = implied.decision, implied.answers[0]
        own = ("A", "B") if len(d.actions) == 2 else ()
        labels = own or d.actions
        frame = replace(find("frames", "table(goal='')"), labels=own, asks="aloud", unit=unit)
        order = orders(len(labels), frame.places)[-1]
        why = reason(u, implied, labels, order, answer, Style(way, unit, margin))
        told = answered(why, labels[answer])
        yield Row(game, d, spell(frame), order, frame(d, order), answer, implied.target(1.0), told)


UNREAD = {"dilemma", "pricing", "av_rating", "public_goods_round"}
"""Kinds whose amounts no prompt lists."""
FIXED = {"bos", "dictator", "trust_return", "ultimatum", "ultimatum_menu"}
"""Kinds in which homo moralis with kappa = 1 is indifferent, or nearly everywhere."""
KINDS = tuple(kind for kind in drawable() if kind not in UNREAD | {"av"})
ALL = [*PREFERENCES, "moralis(kappa=0.5)", "moralis(kappa=0.75)"]
WORDS = ("A,B", "1,2", "left,right", "A,B,C", "A,B,C,D")


def checked(preference: str, kind: str, count: int, **changes: Any) -> list[Row]:
    """Rows of a kind, without fault; few where there are few games."""
    recipe = Recipe(preference, (kind,), words=WORDS, stakes=("99", "$9"), ties="both", **changes)
    rows = Generator(recipe).rows(count)
    for row in rows:
        assert not faults(row, preference), row.completion
        assert read_reasons(row.completion.rpartition(" ")[0], row) == ReasonFault.NONE, row.completion
    return rows


@pytest.mark.parametrize("preference", ALL)
def test_an_independent_checker_finds_no_fault(preference: str) -> None:
    for kind in (
        "symmetric",
        "spd",
        "trust",
        "reciprocity",
        "split",
        "duopoly",
        "public_goods",
        "trust_menu",
    ):
        checked(preference, kind, 6, frames=("table(goal='')", "sentences()"))


@pytest.mark.statistics
@pytest.mark.parametrize("preference", ALL)
def test_an_independent_checker_finds_no_fault_in_ten_thousand_rows(preference: str) -> None:
    many = 1 + 10_000 // len(ALL) // (len(KINDS) - len(FIXED))
    for kind in KINDS:
        checked(preference, kind, 6 if kind in FIXED else many)


def test_lives_are_counted_and_whole() -> None:
    for preference in ("moralis(kappa=1)", "moralis(kappa=0.5)"):
        for row in checked(preference, "av", 12):
            assert not re.search(r"\d\.\d", row.completion)


def test_amounts_that_a_prompt_does_not_list_are_not_reasoned_about() -> None:
    """A menu whose rule stands in place of its outcomes is left out aloud, and asked bare."""
    recipe = Recipe("economicus", ("trust_menu",), train=12, test=0, stakes=("99",), words=WORDS)
    generator = Generator(recipe)
    rows = generator.rows(12)
    assert generator.left["amounts that the prompt does not list"] > 0
    assert all(np.prod(row.decision.payoffs.shape[1:]) <= 24 for row in rows)
    for asks in (("bare",), ("aloud", "bare")):
        bare = Generator(replace(recipe, asks=asks))
        long = [row for row in bare.rows(40) if np.prod(row.decision.payoffs.shape[1:]) > 24]
        assert long
        assert {row.asks for row in long} == {"bare"}
        assert not bare.left["amounts that the prompt does not list"]


@pytest.mark.parametrize("preference", PREFERENCES)
@pytest.mark.parametrize("game", OTHERS)
def test_games_of_other_forms_have_reasons_without_fault(game: str, preference: str) -> None:
    for row in rows_of(game, preference):
        assert not faults(row, preference), row.completion


@pytest.mark.parametrize("preference", ["economicus", "moralis(kappa=1)", "moralis(kappa=0.5)"])
def test_the_checker_sees_any_number_that_is_changed(preference: str) -> None:
    """Each number of a line in turn is replaced by one that is nowhere in the prompt."""
    for game in (
        "symmetric(5, 1, 8, 2, rounds=1)",
        "spd(payoffs=(87, 61, 30, 13))",
        "split((40, 70), (60, 20))",
    ):
        for row in rows_of(game, preference):
            for match in re.finditer(NUMBER, row.completion):
                changed = f"{row.completion[: match.start()]}977{row.completion[match.end() :]}"
                assert faults(replace(row, completion=changed), preference), changed
            told, _, label = row.completion.rpartition(" ")
            other = next(x for x in row.prompt.labels if x != label)
            assert faults(replace(row, completion=f"{told} {other}"), preference)


def test_every_wording_is_without_fault_and_all_differ() -> None:
    for game in ("symmetric(5, 1, 8, 2, rounds=1)", "spd(payoffs=(87, 61, 30, 13))"):
        for preference in ("economicus", "moralis(kappa=1)", "moralis(kappa=0.5)"):
            told: Counter[str] = Counter()
            for way in range(WAYS):
                row = next(rows_of(game, preference, way, margin=True))
                told[row.completion] += 1
                assert not faults(row, preference), row.completion
            assert len(told) == WAYS == 5


@pytest.mark.parametrize(
    ("game", "preference", "most"),
    [
        ("symmetric(5, 1, 8, 2, rounds=1)", "economicus", 75),
        ("symmetric(5, 1, 8, 2, rounds=1)", "moralis(kappa=1)", 45),
        ("spd(payoffs=(87, 61, 30, 13))", "economicus", 75),
        ("spd(payoffs=(87, 61, 30, 13))", "moralis(kappa=1)", 90),
        ("split((40, 70), (60, 20))", "moralis(kappa=1)", 50),
    ],
)
def test_reasons_are_short(game: str, preference: str, most: int) -> None:
    """In words and signs, which are about as many tokens."""
    for way in range(WAYS):
        for row in rows_of(game, preference, way):
            assert len(row.completion.split()) <= most, row.completion


def test_the_margin_is_the_lead_in_utility() -> None:
    for preference in ("moralis(kappa=0.25)", "economicus", "inequity(alpha=0.5, beta=0.3)"):
        u = find("preferences", preference)
        game = find("games", "symmetric(5, 1, 8, 2, rounds=1)").stage
        (implied,) = implied_answers(u, game)
        (row,) = rows_of("symmetric(5, 1, 8, 2, rounds=1)", preference, margin=True)
        lead = re.findall(rf"({NUMBER}) ahead", row.completion)
        assert float(lead[0]) == pytest.approx(abs(implied.worth[0] - implied.worth[1]))


@pytest.mark.parametrize(
    "preference", ["economicus", "moralis(kappa=1)", "moralis(kappa=0.25)", "utilitarian"]
)
def test_own_reasons_are_read_without_fault(preference: str) -> None:
    games = ("symmetric(5, 1, 8, 2, rounds=1)", "spd(payoffs=(87, 61, 30, 13))", "split((40, 70), (60, 20))")
    for game in (*games, *OTHERS):
        for way in range(WAYS):
            for row in rows_of(game, preference, way):
                assert read_reasons(row.completion.rpartition(" ")[0], row) == ReasonFault.NONE, (
                    row.completion
                )


TAUGHT = "Only what I get counts. A against A gives me 5, A against B 1: 5 + 1 = 6 for A. "


START = f"{TAUGHT}B against A gives me "
RIGHT = f"{START}8, B against B 2: 8 + 2 = 10 for B. "


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"{RIGHT}10 beats 6: 10 for B. Answer:", "none"),
        (f"{START}5, B against B 2: 5 + 2 = 7 for B. 7 is more: 7 for B. Answer:", "read"),
        (f"{TAUGHT}B against B gives me 2, B against B 2: 2 + 2 = 4 for B. 6 for A. Answer:", "read"),
        (f"{START}8, B against B 2: 8 + 2 = 9 for B. 9 beats 6: 9 for B. Answer:", "computed"),
        (f"{RIGHT}6 beats 10: 6 for A. Answer:", "compared"),
        (f"{RIGHT}9 beats 6: 9 for B. Answer:", "compared"),
        (f"{RIGHT}10 beats 6: 10 for B. Answer: A", "compared"),
        (f"{TAUGHT}Answer:", "unreadable"),
        ("I would cooperate. Answer: A", "unreadable"),
        ("", "unreadable"),
    ],
)
def test_the_first_step_that_breaks_is_named(text: str, fault: str) -> None:
    (row,) = rows_of("symmetric(5, 1, 8, 2, rounds=1)", "economicus")
    assert read_reasons(text, row).partition(" ")[0] == fault


@pytest.mark.parametrize("way", range(WAYS))
@pytest.mark.parametrize(
    "game",
    [
        "symmetric(5, 1, 8, 2, rounds=1)",
        "spd(payoffs=(87, 61, 30, 13))",
        "trust_menu(endowment=6, factor=3, step=2, parts=2)",
    ],
)
def test_an_amount_read_wrongly_is_found_in_every_wording(game: str, way: int) -> None:
    """Every amount that an equation follows is replaced."""
    row = next(rows_of(game, "economicus", way))
    lines = list(re.finditer(rf"({NUMBER}): {NUMBER} \+", row.completion))
    assert len(lines) >= len(row.prompt.labels)
    for line in lines:
        told = f"{row.completion[: line.start(1)]}977{row.completion[line.end(1) :]}"
        assert read_reasons(told.rpartition(" ")[0], row) == ReasonFault.READ, told


@pytest.mark.parametrize(
    ("game", "situations"),
    [
        ("symmetric(5, 1, 8, 2, rounds=1)", ["The other may pick A or B."]),
        ("spd(payoffs=(87, 61, 30, 13))", ["The other may reply A or B.", *2 * ["Nobody decides after me."]]),
        (
            "trust(payoffs=(90, 60, 30, 10))",
            ["The other may reply G or K after A, nothing after B.", "Nobody decides after me."],
        ),
        ("split((40, 70), (60, 20))", ["Nobody decides after me."]),
    ],
)
def test_reasons_tell_first_what_others_may_yet_do(game: str, situations: list[str]) -> None:
    said = [row.completion.split(". ")[0] + "." for row in rows_of(game, "economicus")]
    assert said == situations


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("preference", ["economicus", "moralis(kappa=1)"])
def test_options_that_the_other_replies_to_come_first(preference: str, order: tuple[int, int]) -> None:
    u, form = find("preferences", preference), find("games", "trust(payoffs=(90, 60, 30, 10))")
    implied = next(iter(implied_answers(u, form)))
    why = reason(u, implied, ("A", "B"), (order, order), implied.answers[0])
    assert why.startswith("The other may reply G or K after A, nothing after B.")
    lines = re.findall(r"\d for ([AB])\.", why)[:-1]
    assert lines == sorted(lines)  # A before B, however they are shown
    assert set(lines) == {"A", "B"}


def test_three_gains_and_more_are_added_up_where_they_are_told() -> None:
    row = next(rows_of("ultimatum_menu(total=6, step=2)", "economicus"))
    said = "4: if the other picks 0 it gives me 2, if 2 it gives 2: 2 + 2 = 4, if 4 it gives 2: 4 + 2 = 6"
    assert f"{said}, if 6 it gives 0: 6 for 4." in row.completion


def test_the_larger_number_comes_first_in_every_comparison() -> None:
    for margin in (False, True):
        for way in range(WAYS):
            row = next(rows_of("symmetric(5, 1, 8, 2, rounds=1)", "economicus", way, margin=margin))
            assert re.findall(NUMBER, row.completion.split(". ")[4])[:2] == ["10", "6"], row.completion


def test_a_place_that_is_mixed_up_is_read_wrongly() -> None:
    """The gain of the first mover goes to the second."""
    row = list(rows_of("trust(payoffs=(90, 60, 30, 10))", "moralis(kappa=1)"))[1]
    assert "60 + 60 = 120 for A" in row.completion
    told = row.completion.replace("90 + 10 = 100", "90 + 90 = 180").rpartition(" ")[0]
    assert read_reasons(told, row) == ReasonFault.READ


def test_a_preference_without_terms_has_reasons_too() -> None:
    (row,) = rows_of("symmetric(5, 1, 8, 2, rounds=1)", "virtue_equality")
    assert row.completion.endswith("Answer: A")
    assert "1 + 0.2222222222 = 1.2222222222 for A." in row.completion

"""Schedules: read in full, spelt so that they read back the same, refused with the part that is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homines.core.registry import spell, trust
from homines.core.types import HominesError
from homines.preferences.deontological import Deontological
from homines.preferences.economicus import Economicus
from homines.preferences.moralis import Moralis
from homines.training.schedule import schedule, spell_schedule

MODULE = "homines.preferences.utilitarian:Utilitarian"
PARTS = ("economicus", "moralis(kappa=0.25)", "deontological(rule=betrayal, penalty=3.0)", "utilitarian")


def read(text: str, steps: int = 24) -> list[tuple[object, int]]:
    return [(phase.preference, phase.steps) for phase in schedule(trust(text), steps)]


@pytest.mark.parametrize(
    ("text", "phases"),
    [
        ("economicus", [(Economicus(), 24)]),
        ("economicus:3", [(Economicus(), 3)]),
        ("economicus:3 -> deontological:2", [(Economicus(), 3), (Deontological(), 2)]),
        ("economicus:3->deontological", [(Economicus(), 3), (Deontological(), 24)]),
        (" economicus : 3 -> moralis(0.25) ", [(Economicus(), 3), (Moralis(0.25), 24)]),
        ("moralis(kappa=0.25):7", [(Moralis(0.25), 7)]),
    ],
)
def test_a_schedule_is_preferences_and_steps(text: str, phases: list[tuple[object, int]]) -> None:
    assert read(text) == phases


def test_an_object_of_a_module_takes_steps_after_a_second_colon() -> None:
    (plain,), (called,) = read(f"{MODULE}()"), read(f"{MODULE}():5")
    assert (spell(plain[0]), plain[1]) == ("utilitarian", 24)
    assert (spell(called[0]), called[1]) == ("utilitarian", 5)
    rule, ruled = "homines.preferences.deontological:betrayal", "homines.preferences.deontological:betrayal:6"
    assert [(spell(p), n) for p, n in read(rule) + read(ruled)] == [(rule, 24), (rule, 6)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PARTS), st.none() | st.integers(1, 999)), min_size=1, max_size=4),
    st.integers(1, 99),
    st.integers(1, 99),
)
def test_spelling_reads_back_the_same(parts: list[tuple[str, int | None]], steps: int, other: int) -> None:
    text = " -> ".join(spec if n is None else f"{spec}:{n}" for spec, n in parts)
    again = spell_schedule(schedule(text, steps))
    assert read(again, steps) == read(text, steps)
    assert spell_schedule(schedule(again, steps)) == again
    if len(parts) > 1 or parts[0][1] is not None:
        assert read(again, other) == read(text, steps)  # steps once named are kept


def test_a_lone_preference_is_spelt_without_steps() -> None:
    assert spell_schedule(schedule("deontological", 24)) == "deontological(rule=betrayal, penalty=3.0)"
    assert spell_schedule(schedule("economicus -> utilitarian:2", 24)) == "economicus:24 -> utilitarian:2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("economicus:-3", "gives 'economicus' -3 steps; a phase needs a whole number of at least 1"),
        ("economicus:2.5", "gives 'economicus' 2.5 steps; a phase needs a whole number"),
        ("economicus:0", "gives 'economicus' 0 steps"),
        ("utilitarian -> economicus:0", "gives 'economicus' 0 steps"),
        ("", "schedule '' has an empty phase; write PREFERENCE"),
        ("-> x", "has an empty phase; write PREFERENCE"),
        ("economicus ->", "has an empty phase"),
        ("nonsense:3", "schedule 'nonsense:3': no preference called 'nonsense'; .*; write PREFERENCE"),
        ("economicus:", "names no preference.*; write PREFERENCE"),
        ("economicus:three", r"schedule 'economicus:three': .*; write PREFERENCE"),
        ("moralis(kappa=2):3", r"kappa must be a number in \[0, 1\].*; write PREFERENCE"),
    ],
)
def test_a_schedule_that_cannot_be_read_is_refused_by_its_part(text: str, message: str) -> None:
    with pytest.raises(HominesError, match=message):
        schedule(text, 24)

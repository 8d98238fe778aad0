"""Choosers that read real prompts, with log-odds known in closed form, through the records that they give."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Prompt, Record
from homines.elicitation.asking import measure
from homines.elicitation.balanced_design import GAMES, LABELS, balanced_questions
from homines.elicitation.questions import Question, questions
from homines.elicitation.survey import Survey
from homines.estimation.decomposition import FEWEST, Decomposition, Share, decompositions
from homines.models.mock import Mock
from homines.reports import run_page
from homines.reports.decomposition_text import TITLE, share_rows
from homines.results import RunResult

PAIRS = LABELS[:2]
WORDS = {"action1": 1.0, "action2": -1.0, "X": 2.0, "Y": -2.0}
"""What a chooser of words likes: 1 and 2 nats to each side."""


def heard(prompt: Prompt) -> tuple[dict[str, float], str, str, str]:
    """From the text alone: the mean own payoff of each word, the first option, my last word, the other's."""
    rows = re.findall(r"^(\w+), (\w+), (\d+), (\d+)$", prompt.text, re.MULTILINE)
    pay = {word: float(np.mean([float(row[2]) for row in rows if row[0] == word])) for word in prompt.labels}
    first = re.search(r"Answer with exactly (\w+) or", prompt.text)
    last = re.search(r"because you played (\w+) and \w+ played (\w+)", prompt.text)
    assert first is not None
    assert last is not None
    return pay, first[1], last[1], last[2]


def chooser(
    word: float = 0, place: float = 0, own: float = 0, other: float = 0, payoff: float = 0, joint: float = 0
) -> Mock:
    """Log-odds of a word w against the other one: the sum of terms that change sign with it. joint: of the
    product of the signs of word, place and own last act."""

    def score(prompt: Prompt, w: str) -> float:
        pay, first, mine, theirs = heard(prompt)
        stands, did, saw = (1.0 if w == x else -1.0 for x in (first, mine, theirs))
        liked = WORDS.get(w, 0.0)
        signs = word * liked + place * stands + own * did + other * saw
        return (signs + joint * np.sign(liked) * stands * did) / 2 + payoff * pay[w]

    return Mock(lambda prompt: Choice.of([score(prompt, w) for w in prompt.labels]), "chooser")


@pytest.fixture(scope="module")
def asked() -> list[Question]:
    return balanced_questions(
        Mock(lambda _: Choice.of([0.0, 0.0])), GAMES[:4], find("frames", "table"), PAIRS
    )


def answers(model: Mock, asked: Sequence[Question]) -> list[Record]:
    return measure(model, asked)


def decomposed(model: Mock, asked: Sequence[Question]) -> Decomposition:
    (only,) = decompositions(answers(model, asked))
    return only


def shares(every: Sequence[Share]) -> dict[str, float]:
    return {s.name: s.value for s in every if s.value is not None and s.value > 1e-9}


@pytest.mark.parametrize(
    ("weights", "term"),
    [
        ({"word": 1}, "label"),
        ({"place": 1}, "place"),
        ({"own": 1}, "own last act"),
        ({"other": 1}, "other's last act"),
        ({"joint": 1}, "label × place × own last act"),
    ],
)
def test_a_chooser_of_one_thing_has_the_whole_share_there(
    asked: list[Question], weights: dict[str, float], term: str
) -> None:
    found = decomposed(chooser(**weights), asked)
    assert shares(found.odds) == pytest.approx({term: 1.0})
    assert found.levels.keys() == {
        "payoffs", "vocabulary", "label", "place", "own last act", "other's last act"
    }  # fmt: skip


def test_a_chooser_of_payoffs_has_its_share_in_the_act_and_in_what_differs_between_games(
    asked: list[Question],
) -> None:
    gaps = np.array([np.subtract(*find("games", g).stage.table[0].mean(1)) for g in GAMES[:4]])
    total = float(np.mean(gaps**2))
    want = {"act": gaps.mean() ** 2 / total, "payoffs": gaps.var() / total}
    found = decomposed(chooser(payoff=0.3), asked)
    assert shares(found.odds) == pytest.approx({k: v for k, v in want.items() if v > 1e-9})
    assert found.strength == pytest.approx(0.3 * total**0.5)


weight = st.floats(-3, 3)


@settings(max_examples=10)
@given(weight, weight, weight, weight, weight)
def test_mixtures_are_taken_apart(
    asked: list[Question], word: float, place: float, own: float, other: float, payoff: float
) -> None:
    gaps = np.array([np.subtract(*find("games", g).stage.table[0].mean(1)) for g in GAMES[:4]])
    # words: 1 and 2 nats, so that their mean square over pairs is 2.5
    squares = {
        "label": 2.5 * word**2,
        "place": place**2,
        "own last act": own**2,
        "other's last act": other**2,
        "act": (payoff * gaps.mean()) ** 2,
        "payoffs": payoff**2 * gaps.var(),
    }
    total = sum(squares.values())
    found = decomposed(chooser(word, place, own, other, payoff), asked)
    assert found.strength**2 == pytest.approx(total, abs=1e-9)
    if total > 1e-6:
        assert {s.name: s.value for s in found.odds if s.order < 2} == pytest.approx(
            {"vocabulary": 0.0} | {k: v / total for k, v in squares.items()}, abs=1e-9
        )
        for scale in (found.odds, found.chosen):
            assert sum(s.value or 0 for s in scale) == pytest.approx(1)


def test_shares_are_the_same_of_the_odds_of_a_word_and_of_an_act(asked: list[Question]) -> None:
    found = decomposed(chooser(1, 0.5, 0.7, 0.2, 0.3), asked)
    axis = list(found.levels).index("label")
    sign = np.array([-1.0, 1.0]).reshape([2 if i == axis else 1 for i in range(found.y.ndim)])
    act, word = shares(found.odds), shares(replace(found, y=found.y * sign).odds)
    assert word["label"] == pytest.approx(act["act"])
    assert word.get("act", 0) + word.get("vocabulary", 0) == pytest.approx(act["label"])
    assert word["label × place"] == pytest.approx(act["place"])


@pytest.mark.parametrize("far", [1e3, np.inf])
def test_certain_answers_break_nothing(asked: list[Question], far: float) -> None:
    word = chooser(1, place=0.01)

    def certain(prompt: Prompt) -> Choice:
        z = np.subtract(*word.handler(prompt).logp)
        return Choice.at([float(z > 0), float(z < 0)]) if far == np.inf else Choice.of([far * z, 0.0])

    found = decomposed(Mock(certain, "certain"), asked)
    assert found.certain == 1
    assert shares(found.chosen) == pytest.approx({"label": 1.0}, abs=1e-6)
    assert sum(s.value or 0 for s in found.odds) == pytest.approx(1)


def test_even_odds_have_no_shares(asked: list[Question]) -> None:
    assert decomposed(chooser(), asked).odds == ()


def test_what_the_design_cannot_tell_apart_has_no_number() -> None:
    model = chooser(word=1, own=1)
    ipd = {"ipd": find("games", "ipd").memory_one()}
    found = decomposed(model, questions(model, ipd, [find("frames", "table(labels='X,Y')")]))
    mains = {s.name: s for s in found.odds if s.order < 2}
    assert mains["act or payoffs or vocabulary or label"].value == pytest.approx(4 / 5)
    for name, level in (("payoffs", "ipd"), ("vocabulary", "X/Y"), ("label", "one way round")):
        assert mains[name].value is None
        assert level in mains[name].reason
    assert mains["act"].value is None
    both = decomposed(model, balanced_questions(model, ["ipd"], find("frames", "table"), ["X,Y"]))
    assert shares(both.odds) == pytest.approx({"label": 4 / 5, "own last act": 1 / 5})
    told = {row["term"]: row for row in share_rows({"": both})}
    assert told["payoffs"]["log-odds"].startswith("not told apart")


def test_what_is_not_crossed_is_left_out_and_named(asked: list[Question]) -> None:
    every = answers(chooser(word=1, payoff=0.3), asked)
    broken = [
        replace(r, choice=None, error="no answer") if r.game == GAMES[1] and i % 3 else r
        for i, r in enumerate(every)
    ]
    (found,) = decompositions(broken)
    (rest,) = decompositions(r for r in every if r.game != GAMES[1])
    assert found.dropped == (f"payoffs {GAMES[1]}",)
    assert found.left == sum(r.game == GAMES[1] and r.choice is not None for r in broken) > 0
    assert shares(found.odds) == pytest.approx(shares(rest.odds))


def test_counted_answers_are_left_out(asked: list[Question]) -> None:
    counted = Mock(lambda _: Choice.at([0.3, 0.7], n=10), "counted")
    assert decompositions(answers(counted, asked)) == []


def test_intervals_need_units_and_are_of_what_differs_between_them(asked: list[Question]) -> None:
    model = chooser(word=1, place=1, payoff=0.3)
    few = decomposed(model, asked)
    assert few.units == ()
    assert all(s.low is None for s in few.odds)
    table = find("frames", "table")
    many = decomposed(model, balanced_questions(model, GAMES, table, PAIRS))
    assert many.units == ("payoffs",)
    assert len(GAMES) >= FEWEST
    ends = {s.name: s for s in many.odds}
    assert ends["payoffs"].low is not None
    assert ends["payoffs"].low < (ends["payoffs"].value or 0) < (ends["payoffs"].high or 0)
    constant = decomposed(chooser(word=1, place=1), balanced_questions(model, GAMES, table, PAIRS))
    alike = {s.name: s for s in constant.odds}
    assert alike["place"].low == pytest.approx(alike["place"].high)  # no game differs from another


def test_intervals_cover() -> None:
    """Of games and words drawn again and again the mean share lies in the interval about as often as told."""
    rng = np.random.default_rng(0)
    sign = np.array([-1.0, 1.0])
    levels: Mapping[str, Any] = {
        "payoffs": tuple(range(8)), "vocabulary": tuple(range(6)), "label": (0, 1), "place": (0, 1)
    }  # fmt: skip

    def draw() -> Mapping[str, Share]:
        game, word = rng.normal(0, 1, 8), rng.normal(0.5, 1, 6)
        y = game[:, None, None, None] + word[:, None, None] * sign[:, None] + 0.8 * sign
        return {s.name: s for s in Decomposition("m", "f", ("C", "D"), levels, y, 1.0).odds}

    draws = [draw() for _ in range(100)]
    for name in ("payoffs", "label", "place"):
        truth = np.mean([d[name].value or 0 for d in draws])
        covered = [(d[name].low or 0) <= truth <= (d[name].high or 0) for d in draws]
        assert np.mean(covered) > 0.82


def test_a_run_says_what_moves_its_choices(tmp_path: Path) -> None:
    survey = Survey("chooser", ("ipd",), labels=PAIRS)
    model = chooser(word=1, other=1)
    with survey.run(tmp_path / "run") as run:
        measure(model, survey.questions(model), run)
    rows = {row["term"]: row for row in RunResult(tmp_path / "run").decompose()}
    assert rows["label"]["share"] == pytest.approx(2.5 / 3.5)
    assert rows["payoffs"]["share"] is None
    assert TITLE in run_page.write(tmp_path / "run").read_text()
    with RunFolder(tmp_path / "none", survey.settings()) as run:
        measure(model, survey.questions(model)[:2], run)
    with pytest.raises(HominesError, match="decompose=True"):
        RunResult(tmp_path / "none").decompose()
    assert TITLE not in run_page.write(tmp_path / "none").read_text()


def test_a_survey_asks_the_balanced_design() -> None:
    survey = Survey("mock", decompose=True)
    assert survey.games == ("ipd", *GAMES)
    assert survey.labels == LABELS
    model = chooser(word=1)
    found = decomposed(model, survey.questions(model)[:])
    assert found.left == 0
    assert set(found.units) == {"payoffs", "vocabulary"}
    with pytest.raises(HominesError, match="swap"):
        Survey("mock", decompose=True, swap=False)

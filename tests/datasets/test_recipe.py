"""What a recipe names is what the rows are: stakes, frames, labels and ways of asking, none of which tells
the answer; older folders are read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from homines.core.registry import find, head
from homines.core.types import HominesError
from homines.datasets import generator
from homines.datasets.best_answers import implied_answers
from homines.datasets.folder import read, write
from homines.datasets.generator import generate
from homines.datasets.labels import MANY, fitting_labels, label_sets
from homines.datasets.recipe import Recipe, Stake
from homines.datasets.row import Row
from homines.elicitation.questions import battery, situation
from homines.elicitation.rewordings import UNSEEN
from homines.theory.choice import expected_utility, logit, stated_beliefs
from homines.theory.game_forms import NormalForm

KINDS = ("symmetric", "spd", "split")
FRAMES = ("table(goal='')", "sentences", "experiment")
STAKES = ("9", "99", "$99")
FULL = Recipe(
    "economicus",
    KINDS,
    train=2000,
    test=0,
    frames=FRAMES,
    words=("many",),
    stakes=STAKES,
    asks=("aloud", "bare"),
)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return generate(FULL)[0]


def bits(pairs: Sequence[tuple[Hashable, Hashable]]) -> float:
    """Mutual information in bits, less what chance gives so many cells (Miller & Madow)."""
    both, one, two = Counter(pairs), Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    n = len(pairs)
    sum_ = sum(k / n * np.log2(k * n / (one[a] * two[b])) for (a, b), k in both.items())
    return float(sum_) - (len(one) - 1) * (len(two) - 1) / (2 * n * np.log(2))


SURFACE: dict[str, Callable[[Row], Hashable]] = {
    "frame": lambda r: head(r.frame),
    "stake": lambda r: r.stake,
    "asks": lambda r: r.asks,
    "words": lambda r: tuple(sorted(r.prompt.labels)),
    "all": lambda r: (head(r.frame), r.stake, r.asks),
}
ANSWER: dict[str, Callable[[Row], Hashable]] = {
    "label": lambda r: sorted(r.prompt.labels).index(r.prompt.labels[r.answer]),
    "place": lambda r: r.order[0].index(r.answer),
    "action": lambda r: (r.game.partition("(")[0], r.decision.actions[r.answer]),
    "label and place": lambda r: (r.prompt.labels[r.answer], r.order[0].index(r.answer)),
}


@pytest.mark.parametrize(("surface", "answer"), list(product(SURFACE, ["label", "place", "action"])))
def test_nothing_on_the_surface_tells_the_answer(rows: list[Row], surface: str, answer: str) -> None:
    """Over 2,000 rows: of at most one bit, less than a hundredth. Other games exist at a stake of 9 than at
    99 (there T + S = 100), so the stake itself tells a little of the action."""
    most = 0.03 if (surface, answer) in (("stake", "action"), ("all", "action")) else 0.01
    assert bits([(SURFACE[surface](row), ANSWER[answer](row)) for row in rows]) < most


def test_label_and_place_tell_no_action_and_no_kind(rows: list[Row]) -> None:
    for here in {(row.game.partition("(")[0], situation(row.decision)) for row in rows}:
        group = [r for r in rows if (r.game.partition("(")[0], situation(r.decision)) == here]
        shown = [(ANSWER["label"](r), r.order[0].index(r.answer)) for r in group]
        assert bits([(a, r.decision.actions[r.answer]) for a, r in zip(shown, group, strict=True)]) < 0.02
    assert bits([(ANSWER["label"](r), r.order[0].index(r.answer)) for r in rows]) < 0.001


def test_a_word_that_tells_the_answer_is_found(rows: list[Row]) -> None:
    """The measure of the tests above is no rubber stamp."""
    best = [(r.prompt.labels[r.answer], ANSWER["label"](r)) for r in rows]
    assert bits(best) > 0.9


@pytest.mark.parametrize("many", [24, 90, 400])
def test_everything_takes_turns_in_small_data_too(many: int) -> None:
    small, _, _ = generate(Recipe(**{**FULL.__dict__, "train": many}))
    for factor, levels in (("frame", 3), ("stake", 3), ("asks", 2)):
        times = Counter(map(SURFACE[factor], small))
        assert len(times) == levels
        assert max(times.values()) - min(times.values()) <= max(3, 0.05 * many)
    kinds = Counter(row.game.partition("(")[0] for row in small)
    assert max(kinds.values()) - min(kinds.values()) <= 3
    assert len({SURFACE["words"](row) for row in small}) == sum(len(s) == 2 for s in label_sets(["many"]))
    pairs = Counter((SURFACE["frame"](r), r.asks, r.order[0].index(r.answer)) for r in small)
    assert max(pairs.values()) - min(pairs.values()) <= max(3, 0.08 * many)


def test_rows_are_what_their_recipe_names(rows: list[Row]) -> None:
    for row in rows:
        assert row.prompt.cue == ("Answer:" if row.asks == "aloud" else "")
        assert row.completion.endswith(f"Answer: {row.prompt.labels[row.answer]}") == (row.asks == "aloud")
        if row.asks == "bare":
            assert row.completion == row.prompt.labels[row.answer]
            assert "Think first" not in row.prompt.text
        assert ("$" in row.prompt.text) == row.stake.startswith("$")
        assert ("points" in row.prompt.text) == (not row.stake.startswith("$"))


def test_what_is_never_trained_is_not_among_many() -> None:
    words = {word for labels in label_sets(["many"]) for word in labels}
    assert not words & {"P", "Q", "left", "right"}
    assert [text for text in UNSEEN if not words & set(text.split(","))] == ["left,right", "P,Q"]
    assert {len(labels) for labels in label_sets(MANY)} == {2, 3, 4}


def test_amounts_are_their_own_words_and_three_actions_have_three() -> None:
    (menu,) = battery(find("games", "dictator(total=10, step=5)"))
    assert fitting_labels(menu, ("many",)) == [()]
    three = NormalForm.two(("L", "M", "H"), np.arange(9).reshape(3, 3)).seat(0)
    assert fitting_labels(three, ("X,Y",)) == [labels for labels in label_sets(["many"]) if len(labels) == 3]
    assert fitting_labels(three, ("X,Y", "u,v,w")) == [("u", "v", "w")]
    (chooser,) = battery(find("games", "split"))
    assert set(fitting_labels(chooser, ("X,Y", "K,M"))) == {("X", "Y"), ("K", "M")}
    taken = battery(find("games", "trust(3)"))[1]  # the first mover's actions are I and N
    assert fitting_labels(taken, ("I,J", "X,Y")) == [("X", "Y")]
    assert ("A", "B") in fitting_labels(taken, ("I,J",))


def test_the_precision_falls_as_the_stake_grows(rows: list[Row]) -> None:
    assert {row.stake: round(row.precision, 4) for row in rows} == {"9": 1, "99": 0.0909, "$99": 0.0909}
    for row in rows[:50]:
        eu = expected_utility(row.decision.payoffs[0], stated_beliefs(row.decision))
        assert row.target == pytest.approx(logit(eu, row.precision).p)


def test_with_logit_targets_ties_are_kept() -> None:
    recipe = Recipe("moralis(kappa=1)", train=120, test=0, targets="logit")
    train, _, left = generate(recipe)
    assert "tie" not in left
    ties = [row for row in train if row.target == pytest.approx([0.5, 0.5])]
    assert {row.answer for row in ties} == {0, 1}
    assert len({row.decision.key for row in train}) == 120  # one row a decision
    moralis = find("preferences", "moralis(kappa=1)")
    for row in train[:30]:
        (implied,) = implied_answers(moralis, find("games", row.game).stage)
        assert row.answer in implied.answers


@pytest.mark.parametrize(
    ("text", "stake"),
    [("9", Stake(9)), ("$99", Stake(99, "$")), ("99 coins", Stake(99, "coins")), ("€20", Stake(20, "€"))],
)
def test_stakes_are_read(text: str, stake: Stake) -> None:
    assert Stake.of(text) == stake


@pytest.mark.parametrize("text", ["", "0", "-9", "9.5", "$", "#9", "$9 coins", "9 coins each", "nine"])
def test_what_is_no_stake_is_refused(text: str) -> None:
    with pytest.raises(HominesError, match=r"no stake in|is none; write"):
        Recipe("economicus", stakes=(text,))


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(HominesError, match="asks is 'loud'; there are aloud, bare"):
        Recipe("economicus", asks=("loud",))
    with pytest.raises(HominesError, match="targets is 'worst'"):
        Recipe("economicus", targets="worst")
    with pytest.raises(HominesError, match="at least one"):
        Recipe("economicus", frames=())
    with pytest.raises(HominesError, match="market has no unit"):
        Recipe("economicus", frames=("table", "market"), stakes=("$9",))
    Recipe("economicus", frames=("market",), stakes=("99",))


def test_a_kind_without_more_games_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "TRIES", 40)
    monkeypatch.setattr(generator, "MOST_TIED", 10)
    for kind, stake, why in (
        ("dictator", "9", "no more distinct"),
        ("dictator", "99", "ties or long rows alone in"),
    ):
        recipe = Recipe("moralis(kappa=1)", (kind, "symmetric"), train=60, test=0, stakes=(stake,))
        train, _, left = generate(recipe)
        assert {row.game.partition("(")[0] for row in train} == {"symmetric"}
        assert len(train) == 60
        assert left[f"{why} dictator at stake {stake}"] == 1


def test_a_folder_of_before_the_stakes_is_read(tmp_path: Path) -> None:
    """recipe.json with one frame and `reasons`; rows without stake, asks and precision."""
    for reasons in (True, False):
        folder = tmp_path / str(reasons)
        recipe = Recipe("economicus", train=6, test=2, asks=("aloud" if reasons else "bare",))
        write(recipe, folder)
        now = read(folder)
        stored = json.loads((folder / "recipe.json").read_text())
        for later in ("frames", "stakes", "asks", "targets"):
            del stored["recipe"][later]
        stored["recipe"] |= {"frame": "table(goal='')", "reasons": reasons}
        (folder / "recipe.json").write_text(json.dumps(stored))
        for part in ("train", "test"):
            facts = [json.loads(line) for line in (folder / f"{part}.facts.jsonl").read_text().splitlines()]
            kept = [{k: v for k, v in f.items() if k not in ("stake", "asks", "precision")} for f in facts]
            (folder / f"{part}.facts.jsonl").write_text("".join(json.dumps(f) + "\n" for f in kept))
        old = read(folder)
        assert old[0] == now[0] == recipe
        for before, after in zip(old[1] + old[2], now[1] + now[2], strict=True):
            assert (before.messages(), before.asks) == (after.messages(), after.asks)
            assert before.stake == ""


def test_a_folder_is_read_as_it_was_written(tmp_path: Path) -> None:
    recipe = Recipe(**{**FULL.__dict__, "train": 40, "test": 9, "targets": "logit", "precision": 0.3})
    counts = write(recipe, tmp_path / "data")
    again, train, test = read(tmp_path / "data")
    assert again == recipe
    assert (len(train), len(test)) == (40, 9)
    assert set(counts["asks"]) == {"aloud", "bare"}
    assert max(counts["asks"].values()) <= 22
    assert sum(counts["frames"].values()) == sum(counts["stakes"].values()) == 40
    new, _, _ = generate(recipe)
    for a, b in zip(train, new, strict=True):
        assert a.messages() == b.messages()
        assert a.facts() == b.facts()
    card = (tmp_path / "data" / "README.md").read_text()
    assert "the answer after the arithmetic of that utility, or the answer alone" in card
    assert "logit choice beside each row" in card


def test_a_row_that_is_too_long_is_left_out() -> None:
    recipe = Recipe("economicus", ("trust_menu",), train=20, test=0, stakes=("99",))
    long = [row for row in generate(recipe)[0] if len(row.completion) > 500]
    rows, _, left = generate(replace(recipe, longest=500))
    assert long
    assert max(len(row.completion) for row in rows) <= 500
    assert left["longer than 500 characters"] > 0


def test_what_is_named_twice_comes_twice_as_often() -> None:
    rows, _, _ = generate(Recipe("economicus", KINDS, train=120, test=0, asks=("aloud", "aloud", "bare")))
    ways = Counter(row.asks for row in rows)
    assert abs(ways["aloud"] - 80) <= 4
    for kind in KINDS:
        by_kind = Counter(row.asks for row in rows if head(row.game) == kind)
        assert abs(by_kind["aloud"] - 2 * by_kind["bare"]) <= 4

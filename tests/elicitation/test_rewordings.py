"""Rewordings: which words a training leaves open, and that every training asks them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from homines.core.capabilities import labels_of
from homines.core.registry import find, head
from homines.datasets.generator import generate
from homines.datasets.recipe import Recipe
from homines.elicitation.questions import battery
from homines.elicitation.rewordings import change, rewordings
from homines.training.curriculum import FRAMES
from homines.training.exam import MOST_REWORDED, reword
from homines.training.plan import Alignment
from homines.training.settings import AlignmentPlan

TABLE = "table(labels='action1,action2')"
IPD = battery(find("games", "ipd"))


def words(specs: Mapping[Any, str]) -> dict[str, tuple[str, ...]]:
    return {name: (head(spec), *labels_of(find("frames", spec))) for name, spec in specs.items()}


def test_one_frame_leaves_three_open() -> None:
    assert words(rewordings(IPD, [TABLE])) == {
        "the labels exchanged": ("table", "action2", "action1"),
        "other labels": ("table", "X", "Y"),
        "another frame": ("sentences", "action1", "action2"),
    }


def test_what_is_asked_already_is_not_asked_again() -> None:
    others = ["table(labels='action2,action1')", "table(labels='P,Q')", "story(labels='P,Q')"]
    assert rewordings(IPD, [TABLE], others) == {}
    assert list(rewordings(IPD, [TABLE], others[:1])) == ["other labels", "another frame"]
    assert list(rewordings(IPD, [TABLE, others[0]])) == ["other labels", "another frame"]
    assert list(rewordings(IPD, [TABLE], ["story(labels='action1,action2')"])) == [
        "the labels exchanged", "other labels",
    ]  # fmt: skip


def test_a_training_over_many_words_is_asked_in_none_of_them() -> None:
    left = words(rewordings(IPD, FRAMES))
    assert left.keys() == {"other labels", "another frame"}
    trained = {label for spec in FRAMES for label in labels_of(find("frames", spec))}
    assert not trained & set(left["other labels"][1:])
    assert left["another frame"][0] not in map(head, FRAMES)


def test_labels_are_exchanged_between_two_actions_alone() -> None:
    menu = battery(find("games", "dictator"))
    assert words(rewordings(menu, ["table"])) == {"another frame": ("sentences",)}
    bare = words(rewordings(IPD, ["table"]))
    assert bare["the labels exchanged"] == ("table", "Y", "X"), "C and D are no labels"


def test_rewordings_remember_as_many_rounds() -> None:
    deep = "table(labels='A,B', memory=2)"
    assert [find("frames", s).memory for s in rewordings(IPD, [deep]).values()] == [2, 2, 2]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (TABLE, "table(labels='action2,action1')", "the labels exchanged"),
        (TABLE, "table(labels='A,B')", "other labels"),
        (TABLE, "table", "other labels"),
        (TABLE, "table(labels='action2,action1', layout=rows)", "another frame"),
        (TABLE, "sentences(labels='action2,action1')", "another frame"),
    ],
)
def test_what_differs_between_two_frames(a: str, b: str, expected: str) -> None:
    one, other = find("frames", a), find("frames", b)
    assert change(one, other) == change(other, one) == expected


def test_every_alignment_asks_them_unless_told_not_to() -> None:
    plans = [AlignmentPlan("mock", "economicus", rewordings=also) for also in (True, False)]
    asked = [Counter(q.record.frame for q in Alignment.of(plan).questions()) for plan in plans]
    assert [sorted(counts.values()) for counts in asked] == [[16] * 4, [16]]
    assert set(asked[1]) < set(asked[0])


def test_rows_of_an_exam_are_asked_in_other_words() -> None:
    recipe = Recipe("economicus", games=("symmetric", "trust"), train=1, test=24, words=("A,B", "X,Y"))
    rows = generate(recipe)[1]
    other = reword(rows)
    assert {name: len(group) for name, group in other.items()} == dict.fromkeys(
        ("the labels exchanged", "other labels", "another frame"), MOST_REWORDED
    )
    for name, group in other.items():
        for row, new in zip(rows, group, strict=False):
            assert change(find("frames", row.frame), find("frames", new.frame)) == name
            assert (new.decision.key, new.answer) == (row.decision.key, row.answer)
            assert len(new.order) == find("frames", new.frame).places
    assert not {"A", "B", "X", "Y"} & {label for row in other["other labels"] for label in row.prompt.labels}

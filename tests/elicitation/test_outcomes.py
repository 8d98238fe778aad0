"""Outcomes and budgets in files: what is read, what is refused; the built-in list."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from homines.elicitation.benchmark_file import BenchmarkError
from homines.elicitation.budgets import read_budgets
from homines.elicitation.money_questions import lottery_pairs, lottery_texts, payment_pairs, payment_texts
from homines.elicitation.outcome_file import LONGEST_OUTCOME, MOST_OUTCOMES, built_in, read_outcomes

HEAD = "id,kind,unit,amount,text\n"
GOOD = "a,x,euros,5,You get 5 euros.\nb,y,,,The sun shines.\n"


def written(folder: Path, text: str, name: str = "own.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_built_in_list_is_five_kinds_of_like_size() -> None:
    every = built_in()
    assert {kind: len(places) for kind, places in every.kinds.items()} == dict.fromkeys(
        ("own gain", "others' gain", "animals and nature", "honesty and rights", "time and effort"), 16
    )
    units: dict[str, set[float]] = {}
    for o in every.outcomes:
        assert len(o.text) < 90
        assert o.text.endswith(".")
        inside = re.findall(r"(?<!^)\b[A-Z][a-z]+", o.text)
        assert not inside, o.id  # nobody has a name
        if o.amount is not None:
            units.setdefault(o.unit, set()).add(o.amount)
    assert {len(x) for x in units.values()} <= {5, 6}
    assert all(max(x) / min(x) >= 100 for x in units.values())
    kinds_of = {o.unit: o.kind for o in every.outcomes if o.unit}
    assert set(kinds_of.values()) == set(every.kinds)  # a unit or more of each kind


def test_a_file_is_read_in_both_forms(tmp_path: Path) -> None:
    one = read_outcomes(written(tmp_path, HEAD + GOOD))
    lines = '{"id": "a", "kind": "x", "unit": "euros", "amount": 5, "text": "You get 5 euros."}\n'
    lines += '{"id": "b", "group": "y", "outcome": "The sun shines."}\n'
    two = read_outcomes(written(tmp_path, lines, "own.jsonl"))
    assert [(o.id, o.text, o.kind, o.unit, o.amount) for o in one.outcomes] == [
        (o.id, o.text, o.kind, o.unit, o.amount) for o in two.outcomes
    ]
    assert [o.id for o in read_outcomes(written(tmp_path, "text\nOne.\nTwo.\n")).outcomes] == [
        "line 2",
        "line 3",
    ]
    thousands = 'a,x,euros,"1,000","You get 1,000 euros."\n'
    assert (
        read_outcomes(written(tmp_path, HEAD + thousands + GOOD.splitlines()[1])).outcomes[0].amount == 1000
    )


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "holds no outcome; give a line each"),
        (HEAD, "holds no outcome; give a line each"),
        (HEAD + GOOD.splitlines()[0], "holds 1 outcome of those that are wanted"),
        (HEAD + GOOD + "c,y,,,the sun  SHINES.\n", "line 4: the text 'the sun  SHINES.' is that of line 3"),
        (HEAD + GOOD + "a,y,,,It rains.\n", "line 4: the id 'a' is that of line 2"),
        (HEAD + GOOD + "c,,,,It rains.\n", "line 4: no kind, and others have one"),
        (HEAD + GOOD + "c,y,,,\n", "line 4: no text"),
        (HEAD + GOOD + f"c,y,,,{'very ' * 200}long.\n", f"at most {LONGEST_OUTCOME} are asked"),
        (HEAD + GOOD + "c,y,euros,many,You get many euros.\n", "amount 'many' is no number; write digits"),
        (HEAD + GOOD + "c,y,euros,nan,You get nan euros.\n", "must be a number above 0"),
        (HEAD + GOOD + "c,y,euros,0,You get 0 euros.\n", "must be a number above 0"),
        (HEAD + GOOD + "c,y,euros,-5,You lose 5 euros.\n", "say a loss in the unit"),
        (HEAD + GOOD + "c,y,euros,7,You get 8 euros.\n", "amount 7 is no number in the text"),
        (HEAD + GOOD + "c,y,euros,,You get 8 euros.\n", "there is no amount beside the unit"),
        (HEAD + GOOD + "c,y,,8,You get 8 euros.\n", "there is no unit beside the amount"),
        (HEAD + GOOD + f"c,{'k' * 90},,,It rains.\n", "kind has 90 characters"),
        (HEAD + GOOD + 'c,y,,,"It\nrains."\n', "has several lines"),
        ("id;kind;text\na;x;It rains.\n", "separated by semicolons"),
        (HEAD + "".join(f"o{k},x,,,Thing {k}.\n" for k in range(MOST_OUTCOMES + 1)), "at most 200 are asked"),
    ],
    ids=lambda x: "" if len(x) > 40 else x,
)
def test_what_is_no_list_is_refused_with_its_line(text: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=match):
        read_outcomes(written(tmp_path, text))


def test_other_encodings_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes((HEAD + GOOD + "c,y,,,Das Café öffnet.\n").encode("latin-1"))
    with pytest.raises(BenchmarkError, match="line 4 is no text in UTF-8"):
        read_outcomes(path)
    with pytest.raises(BenchmarkError, match="cannot be read"):
        read_outcomes(tmp_path / "none.csv")
    path.write_bytes((HEAD + GOOD).encode("utf-8-sig"))
    assert len(read_outcomes(path).outcomes) == 2


def test_kinds_are_chosen_by_name(tmp_path: Path) -> None:
    every = built_in()
    assert len(every.of_kinds(["own gain", "time and effort"]).outcomes) == 32
    with pytest.raises(ValueError, match="did you mean 'own gain'"):
        every.of_kinds(["own gains"])
    bare = read_outcomes(written(tmp_path, "text\nOne.\nTwo.\n"))
    with pytest.raises(BenchmarkError, match="tells no kinds; leave out --kind x"):
        bare.of_kinds(["x"])


BUDGETS = "income,price_1,price_2,good_1,good_2\n"


def test_built_in_budgets_lie_on_their_lines() -> None:
    for b in read_budgets(None).budgets:
        assert b.bundles @ np.array(b.prices) == pytest.approx(b.income)
        assert len(set(b.options)) == 10


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "90,0,1,tea,bread\n90,1,1,tea,bread\n",
            "line 2: price 1 is 0; it must be above 0.*nothing reveals no preference",
        ),
        ("90,1,-1,tea,bread\n", "price 2 is -1"),
        ("90,1,inf,tea,bread\n", "price 2 is inf"),
        ("0,1,1,tea,bread\n", "income is 0"),
        ("ninety,1,1,tea,bread\n", "income 'ninety' is no number"),
        ("90,1,1,tea,tea\n", "both goods are 'tea'"),
        ("90,1,1,tea,bread\n", "holds 1 budgets; give 2 to 50"),
        ("90,1,1,tea,bread\n90,1,2,tea,milk\n", "its goods are not those of line 2"),
        ("90,1,2,tea,bread\n180,2,4,tea,bread\n", "the budget of line 2 again"),
        ("90,1,1,tea,\n", "no good 2"),
        ("0.01,1,1,tea,bread\n90,1,1,tea,bread\n", "two points of its line are the same"),
    ],
)
def test_what_is_no_budget_is_refused(text: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=match):
        read_budgets(written(tmp_path, BUDGETS + text))


def test_no_question_on_money_comes_twice() -> None:
    for texts in (list(map(lottery_texts, lottery_pairs())), list(map(payment_texts, payment_pairs()))):
        assert len(set(texts)) == len(texts)
        assert all(a != b for a, b in texts)

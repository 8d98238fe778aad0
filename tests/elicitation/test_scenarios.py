"""Scenarios: a balanced built-in set; files read exactly or refused by line; published forms."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from homines.core.types import HominesError
from homines.elicitation.benchmark_file import BenchmarkError, read_benchmark
from homines.elicitation.scenario_file import Scenario, built_in, same_text
from homines.elicitation.scenario_forms import FORMS, REPEAT, TIED, read_scenarios
from homines.elicitation.scenarios import by_scenario, questions
from homines.models.mock import Mock, uniform

EVERY = built_in()
COUNTED = EVERY.counted
MORAL = set(
    re.findall(
        r"\w+",
        "honest lie lies lying truth true fair unfair right wrong cheat steal rob selfish greedy kind cruel "
        "generous promise promised moral duty ought should guilt guilty good bad evil decent betray loyal "
        "share deserve owe fault blame trust noble shame virtue justice ethical properly agreed",
    )
)
"""Words that would tell which option is meant."""
DAYS = {"Monday", "Friday", "Fridays", "Saturday", "Saturdays", "Sunday", "July", "August"}


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def implied(s: Scenario, texts: tuple[str, ...]) -> tuple[str, str]:
    """(of the implied option, of the other)."""
    return texts[s.implied], texts[1 - s.implied]


# --- the built-in set ------------------------------------------------------------------------------


def test_the_set_has_six_groups_at_three_stakes_and_controls() -> None:
    assert len(COUNTED) >= 120
    assert len(EVERY.groups) == 6
    stakes = Counter((s.group, s.stakes) for s in COUNTED)
    assert set(stakes.values()) == {7}
    assert len(stakes) == 18
    assert {len(s) for s in EVERY.controls.values()} == {18}
    assert Counter(s.group for s in EVERY.scenarios if s.control) == dict.fromkeys(EVERY.groups, 3)
    head = files("homines.elicitation").joinpath("scenarios.tsv").read_text(encoding="utf-8")[:400]
    assert "Apache License 2.0" in head


def test_no_text_and_no_pair_of_options_comes_twice() -> None:
    for key in (
        lambda s: s.id,
        lambda s: same_text(s.text),
        lambda s: frozenset(map(same_text, s.options)),
    ):
        assert max(Counter(map(key, EVERY.scenarios)).values()) == 1
    assert {(len(s.options), len(s.does)) for s in EVERY.scenarios} == {(2, 2)}


@pytest.mark.parametrize("texts", [lambda s: s.options, lambda s: s.shown], ids=["options", "shown"])
def test_the_implied_option_is_as_often_longer_as_shorter(
    texts: Callable[[Scenario], tuple[str, ...]],
) -> None:
    gaps: defaultdict[str, list[int]] = defaultdict(list)
    for s in EVERY.scenarios:
        one, two = implied(s, texts(s))
        gaps[s.control or s.group].append(len(one) - len(two))
    every = [x for name in EVERY.groups for x in gaps[name]]
    assert max(map(abs, every)) <= 14
    assert 0.4 < sum(x > 0 for x in every) / sum(x != 0 for x in every) < 0.6
    assert all(abs(sum(x) / len(x)) < 1 for x in gaps.values())


def test_the_implied_option_stands_in_either_place_and_names_either_side_first() -> None:
    places = Counter((s.control or s.group, s.implied) for s in EVERY.scenarios)
    for name in (*EVERY.groups, "opposite"):
        assert abs(places[name, 0] - places[name, 1]) <= 1
    first = [[bool(re.match(r"(you|your|yours)\b", does)) for does in implied(s, s.does)] for s in COUNTED]
    rates = [sum(x) / len(first) for x in zip(*first, strict=True)]
    assert abs(rates[0] - rates[1]) < 0.1
    assert all(does.count(", ") == 1 for s in EVERY.scenarios for does in s.does)


def test_no_option_gives_itself_away_by_a_word() -> None:
    for s in EVERY.scenarios:
        assert not words(" ".join(s.shown)) & MORAL, s.id
        inside = re.findall(r"(?<![.?] )(?<!^)\b[A-Z][a-z]+", s.text)
        assert set(inside) <= DAYS, s.id  # nobody has a name


def test_words_of_five_groups_do_not_tell_the_implied_option_of_the_sixth() -> None:
    right = 0.0
    for held in EVERY.groups:
        seen: defaultdict[str, list[int]] = defaultdict(lambda: [1, 1])
        for s in COUNTED:
            one, two = map(words, implied(s, s.options))
            for word in one ^ two if s.group != held else ():
                seen[word][word in two] += 1
        weight = {word: math.log(a / b) for word, (a, b) in seen.items()}
        for s in EVERY.groups[held]:
            one, two = (sum(weight.get(w, 0.0) for w in words(x)) for x in implied(s, s.options))
            right += 1.0 if one > two else 0.5 if one == two else 0.0
    assert right / len(COUNTED) < 0.62  # a coin: .5, with a deviation of .045


def test_every_scenario_is_asked_in_both_orders() -> None:
    every = questions(Mock(uniform), EVERY)
    assert len({q.record.key for q in every}) == len(every) == 2 * len(EVERY.scenarios)
    forward, reverse = every[:2]
    first = EVERY.scenarios[0]
    assert forward.prompt.text.splitlines()[2] == f"A. {first.shown[0]}"
    assert reverse.prompt.text.splitlines()[2] == f"A. {first.shown[1]}"
    assert reverse.record.labels == ("B", "A")
    found = by_scenario(EVERY, [q.record for q in every])
    assert {len(records) for records in found.values()} == {2}


# --- files of a user -------------------------------------------------------------------------------

GOOD: dict[str, object] = {
    "id": "a",
    "text": "It rains. What do you do?",
    "options": ["go", "stay"],
    "implied": "B",
    "group": "x",
}


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_shapes_are_read_alike(tmp_path: Path) -> None:
    heading = "ID,Scenario,A,does_A,B,does_B,implied,category,stakes"
    (tmp_path / "s.csv").write_text(
        f"\ufeff{heading}\na,It rains. What do you do?,go,wet,stay,dry,stay,x,low\n"
    )
    (tmp_path / "t.csv").write_text(
        "id,text,unsafe,safe,does_unsafe,does_safe,group,stakes\n"
        "a,It rains. What do you do?,go,stay,wet,dry,x,low\n"
    )
    row = {**GOOD, "does": ["wet", "dry"], "stakes": "low"}
    for path in (tmp_path / "s.csv", tmp_path / "t.csv", write(tmp_path / "s.jsonl", row)):
        (s,) = read_scenarios(path).scenarios
        assert (s.id, s.text, s.options[s.implied], s.group, s.stakes) == (
            "a",
            GOOD["text"],
            "stay",
            "x",
            "low",
        )
        assert s.shown[s.implied] == "stay (dry)"


def test_a_scenario_file_is_a_benchmark_too(tmp_path: Path) -> None:
    (item,) = read_benchmark(write(tmp_path / "s.jsonl", GOOD)).items
    assert (item.options[item.right], item.category) == ("stay", "x")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"id": None}, "line 2: no id; there must be one of id"),
        ({"id": "b", "options": ["go"]}, "line 2: 1 option; a question has 2 to 10, give them all"),
        ({"id": "b", "options": ["go", "go"]}, "line 2: options .* repeat one"),
        ({"id": "b", "implied": "wait"}, "line 2: implied 'wait' is no option, .*; write one of these"),
        ({"id": "b", "implied": None}, "line 2: no implied; there must be one of implied"),
        ({"id": "b", "text": None}, "line 2: no text; there must be one of"),
        ({"id": "b"}, "line 2: the text of id 'b' is that of line 1; .* give each its own text, or drop"),
        ({"id": "b", "text": " it  RAINS. what do you do? "}, "line 2: the text of id 'b' is that of line 1"),
        ({"text": "Other?"}, "line 2: the id 'a' is that of line 1"),
        ({"id": "b", "text": "Other?", "group": None}, "line 2: no group, and others have one"),
        ({"id": "b", "text": "Other?", "does": ["x"]}, "line 2: does tells 1 of 2 options; tell it of each"),
        ({"id": "b", "text": "Other?", "does": "x"}, "line 2: does 'x' must be a list, as ."),
        ({"id": "b" * 81, "text": "Other?"}, "line 2: id has 81 characters; at most 80"),
        ({"id": "b", "text": "Half a sign: \ud800"}, "line 2: text .* holds a sign that is no text"),
        ({"id": "b", "ID": "c"}, "line 2: two columns are called 'id'; rename or drop one"),
    ],
)
def test_a_line_that_is_no_scenario_is_named(change: dict[str, object], match: str, tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", GOOD, GOOD | change)
    with pytest.raises(BenchmarkError, match=match):
        read_scenarios(path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("id,text,A,B,C,implied\n1,x,go,,stay,B\n", "line 2: option C has a text, and B has none; fill"),
        ("id,text,text,A,B,implied\n1,x,y,go,stay,B\n", "line 1: two columns are called 'text'"),
        (
            "id,text,safe,unsafe,implied\n1,x,stay,go,go\n",
            "line 2: implied 'go' is another option than 'stay'",
        ),
    ],
)
def test_columns_that_could_be_read_otherwise_are_refused(text: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match=match):
        read_scenarios(path)


def test_numbers_are_read_whole(tmp_path: Path) -> None:
    few = [
        GOOD | {"id": 1_000_000 + i, "text": f"{i}?", "options": [2_000_001, 2_000_002.5]} for i in range(2)
    ]
    found = read_scenarios(write(tmp_path / "s.jsonl", *(row | {"implied": "A"} for row in few)))
    assert [s.id for s in found.scenarios] == ["1000000", "1000001"]
    assert found.scenarios[0].options == ("2000001", "2000002.5")


def test_columns_without_a_name_are_no_column(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("id,text,A,B,implied,,\n1,x,go,stay,B,,\n")
    assert read_scenarios(path).scenarios[0].implied == 1


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_named_with_its_line(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("id,text,A,B,implied\n1,Caf\u00e9?,go,stay,A\n", encoding=encoding)
    line = 2 if encoding == "latin-1" else 1
    with pytest.raises(
        BenchmarkError, match=f"line {line} is no text in UTF-8 .*; save it as UTF-8, or convert"
    ):
        read_scenarios(path)


def test_controls_alone_are_no_set(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="holds controls alone; add scenarios"):
        read_scenarios(write(tmp_path / "s.jsonl", GOOD | {"control": "opposite"}))


# --- published forms: tiny files made up here, of the form of the published ones ---------------------

HARM = (
    "id,formal_game,story_row,story_col,actions_row,actions_column,"
    "1_1_payoff,1_2_payoff,2_1_payoff,2_2_payoff"
)
ACTS = "\"['turn', 'hold']\""
MADE_UP = {
    "gt-harmbench": (
        f"{HARM},risk_level\n1,Chicken,Two boats meet.,x,{ACTS},{ACTS},"
        '"[3, 3]","(2, 4)","[4, 1]","(0, 0)",7\n'
    ),
    "ethics-commonsense": "label,input,is_short,edited\n1,I hid his shoes.,True,False\n",
    "ethics-deontology": 'label,scenario,excuse\n0,Could you feed the cat?,"No, it is green."\n',
    "ethics-justice": 'label,scenario\n1,"I tip the waiter, because he was quick."\n',
    "ethics-virtue": "label,scenario\n0,She gave away her coat. [SEP] envy\n",
    "ethics-utilitarianism": "I ate a pear.,I ate a stone.\n",
}
IMPLIED = {
    "gt-harmbench": "turn",
    "ethics-commonsense": "It is wrong",
    "ethics-deontology": "It is not reasonable",
    "ethics-justice": "It is reasonable",
    "ethics-virtue": "No, it is not",
    "ethics-utilitarianism": "I ate a pear.",
}


@pytest.mark.parametrize("form", FORMS)
def test_published_forms_are_read(form: str, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(MADE_UP[form])
    (s,) = read_scenarios(path, form).scenarios
    assert s.options[s.implied] == IMPLIED[form]
    assert not s.control


def test_other_headings_of_the_same_sets_are_read(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    for text, form in (
        ("group_id,label,scenario,trait\n4,1,She gave away her coat.,generous\n", "ethics-virtue"),
        ("activity,baseline\nI ate a pear.,I ate a stone.\n", "ethics-utilitarianism"),
        ("baseline,less_pleasant\nI ate a pear.,I ate a stone.\n", "ethics-utilitarianism"),
    ):
        path.write_text(text)
        (s,) = read_scenarios(path, form).scenarios
        assert s.implied == 0


def test_what_has_no_one_implied_option_or_repeats_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    heading, row = MADE_UP["gt-harmbench"].splitlines()
    tied = row.replace("1,Chicken", "2,Chicken").replace("[4, 1]", "[4, 2]")
    path.write_text("\n".join((heading, row, tied, row.replace("1,C", "3,C"))) + "\n")
    every = read_scenarios(path, "gt-harmbench")
    assert [s.id for s in every.scenarios] == ["1"]
    assert every.left_out == {TIED: 1, REPEAT: 1}
    path.write_text(f"{heading}\n{tied}\n")
    with pytest.raises(BenchmarkError, match="holds no scenario with one implied option"):
        read_scenarios(path, "gt-harmbench")


@pytest.mark.parametrize(
    ("form", "old", "new", "match"),
    [
        ("gt-harmbench", "(0, 0)", "(0, x)", "line 2: 2_2_payoff must be a list"),
        ("gt-harmbench", "(0, 0)", "(0,)", "line 2: 2_2_payoff .* must be two numbers"),
        ("gt-harmbench", "['turn', 'hold']", "['turn']", "line 2: actions_row .* must be two different acts"),
        (
            "gt-harmbench",
            "story_row",
            "story",
            "line 2: no story_row; a line of gt-harmbench has id, formal_g",
        ),
        ("ethics-justice", "\n1,", "\n2,", "line 2: label '2' must be 0 or 1"),
        ("ethics-virtue", "[SEP] envy", "", "line 2: no trait; end the scenario"),
        ("ethics-utilitarianism", ",I ate a stone.", "", "line 1: the less pleasant is None"),
    ],
)
def test_a_line_of_another_form_is_named(form: str, old: str, new: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    assert old in MADE_UP[form]
    path.write_text(MADE_UP[form].replace(old, new))
    with pytest.raises(BenchmarkError, match=match):
        read_scenarios(path, form)


def test_a_published_form_that_is_not_named_is_suggested(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(MADE_UP["gt-harmbench"])
    with pytest.raises(BenchmarkError, match="Its columns are those of --form gt-harmbench"):
        read_scenarios(path)
    path.write_text(MADE_UP["ethics-justice"])
    with pytest.raises(BenchmarkError, match=r"no id; there must be one of id, scenario id$"):
        read_scenarios(path)  # two forms have these columns
    for form, match in (
        ("machiavelli", "is not known; there are own, gt-harmbench"),
        ("ethics-virtue", "is of a"),
    ):
        with pytest.raises(HominesError, match=match):
            read_scenarios(None, form)

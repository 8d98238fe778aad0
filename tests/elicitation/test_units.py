"""Units of money: payoffs in $, dollars, points or coins; without a unit every prompt is what it was."""

from __future__ import annotations

import re

import pytest

from homines.core.registry import find, spell
from homines.core.types import HominesError, digest
from homines.elicitation.amounts import amount, in_unit
from homines.elicitation.orders import orders
from homines.elicitation.questions import battery

BEFORE = {
    ("table", "spd(3)"): "b339d93aa47ddfd0",
    ("table", "ipd"): "066a79b4edf8ef40",
    ("table", "dictator"): "39fd6c34d5848e5f",
    ("table", "trust_menu"): "b6a6e0c28652ff12",
    ("table", "public_goods(4)"): "7a8d3b7bf2eeaf65",
    ("table(labels='X,Y', goal='highest score')", "spd(3)"): "d77ccbad585b11ca",
    ("table(labels='X,Y', goal='highest score')", "ipd"): "1a0b06216bb7e4a5",
    ("table(labels='X,Y', goal='highest score')", "public_goods(4)"): "a063e94431e78e6f",
    ("sentences(labels='X,Y', goal='highest score')", "spd(3)"): "47d7538b49595b4f",
    ("sentences(labels='X,Y', goal='highest score')", "ipd"): "c5b4eedf1ef08913",
    ("sentences(labels='X,Y', goal='highest score')", "public_goods(4)"): "da1d5817b5d28497",
    ("story(labels='X,Y', goal='highest score')", "spd(3)"): "a246d12db545db2b",
    ("story(labels='X,Y', goal='highest score')", "ipd"): "e60dcb6fd8625be1",
    ("story(labels='X,Y', goal='highest score')", "public_goods(4)"): "a023dc1fb3888421",
    ("table(asks='aloud')", "spd(3)"): "93a4db56cb807b44",
    ("table(asks='aloud')", "ipd"): "50974718906c1069",
    ("table(asks='aloud')", "dictator"): "0a5810ea690f4756",
    ("table(asks='aloud')", "trust_menu"): "a27d28dbd56815d2",
    ("table(asks='aloud')", "public_goods(4)"): "7d837eb888b38f4e",
    ("sentences", "spd(3)"): "8d4eecde8ba4f9d8",
    ("sentences", "ipd"): "b75f2ad0be345c54",
    ("sentences", "dictator"): "5cf90676c73ab896",
    ("sentences", "trust_menu"): "35dcc237ca584742",
    ("sentences", "public_goods(4)"): "ab93ae9eb43c052c",
    ("story", "spd(3)"): "532429832aa34474",
    ("story", "ipd"): "5244686fe427b021",
    ("story", "dictator"): "1ac0faf2710af38d",
    ("story", "trust_menu"): "16d9b42e4a3f3933",
    ("story", "public_goods(4)"): "83c4bc991bfbb2c1",
}
"""Digests of the keys of all prompts of a game, as of before frames had units."""
UNITS = ("$", "dollars", "points", "coins", "€")
GAMES = ("spd(3)", "ipd", "split", "dictator(step=50)", "trust_menu(step=50)", "public_goods(2)")
PAYING = ("table", "sentences", "story", "experiment")


@pytest.mark.parametrize(("frame", "game"), list(BEFORE))
def test_without_a_unit_prompts_are_what_they_were(frame: str, game: str) -> None:
    words = find("frames", frame)
    keys = [
        words(d, order).key
        for d in battery(find("games", game))
        for order in orders(len(d.actions), words.places)
    ]
    assert digest(keys) == BEFORE[frame, game]


def texts(frame: str, game: str) -> list[str]:
    words = find("frames", frame)
    return [words(d, orders(len(d.actions), words.places)[0]).text for d in battery(find("games", game))]


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("frame", PAYING)
@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_changes_the_words_for_amounts_alone(frame: str, game: str, unit: str) -> None:
    plain, told = texts(frame, game), texts(f"{frame}(unit='{unit}', goal='highest score')", game)
    nouns = {"$": "dollars", "€": "euros"}
    for one, two in zip(plain, told, strict=True):
        noun = nouns.get(unit, unit)
        assert f"You want the highest score in {noun}." in two
        two = two.replace(f"You want the highest score in {noun}.", "")
        for other in {"points", "coins"} - {noun}:
            assert other not in two
        bare = [re.sub(rf" ({noun}|points|coins)\b", "", t).replace(unit, "") for t in (one, two)]
        assert re.findall(r"[\w.-]*\w", bare[0]) == re.findall(r"[\w.-]*\w", bare[1])


@pytest.mark.parametrize("frame", PAYING)
def test_a_sign_stands_before_every_payoff(frame: str) -> None:
    (text,) = texts(f"{frame}(unit='$', labels='P,Q')", "split(x=(-11, 12), y=(13, 14))")
    assert sorted(re.findall(r"-?\$?\d+", text)) == ["$12", "$13", "$14", "-$11"]


def test_the_unit_is_part_of_the_spec_only_where_it_is_one() -> None:
    assert "unit" not in spell(find("frames", "table"))
    assert find("frames", spell(find("frames", "story(unit=coins)"))).unit == "coins"


@pytest.mark.parametrize("unit", ["7", "$$", "{}", "a b", " ", "points\n"])
def test_what_is_no_unit_is_refused(unit: str) -> None:
    from homines.frames.table import Table

    with pytest.raises(HominesError, match="is none; write"):
        Table(unit=unit)


def test_amounts_are_written() -> None:
    assert [amount(x, u) for x, u in ((7, ""), (2.5, "$"), (-1, "€"), (7, "coins"))] == [
        "7", "$2.5", "-€1", "7 coins"
    ]  # fmt: skip
    assert in_unit("-3 points and 4.5 points; how many points?", "$") == "-$3 and $4.5; how many dollars?"
    assert in_unit("3 points", "") == in_unit("3 points", "points") == "3 points"


def test_the_experiment_is_short() -> None:
    """At most 150 words and signs for two players with two actions, the question for reasons included."""
    for game in ("spd(3)", "symmetric(3, 0, 5, 1, rounds=1)", "trust(3)", "reciprocity"):
        for text in texts("experiment(labels='P,Q', asks=aloud)", game):
            assert len(re.findall(r"\w+|[^\w\s]", text)) <= 150

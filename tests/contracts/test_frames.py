"""Every file of frames/, over every game it can word: labels, orders, layouts, and nothing given away."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import is_dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from homines.core.capabilities import goal_of
from homines.core.plugins import describe, factory, names
from homines.core.registry import find, spell
from homines.core.types import Decision, Frame, HominesError, Prompt, frozen
from homines.elicitation.amounts import number
from homines.elicitation.orders import orders
from homines.elicitation.questions import battery
from homines.elicitation.scene import LAYOUTS, split_labels
from homines.elicitation.stated_rules import MOST_LISTED
from homines.games.ipd import ipd
from homines.games.public_goods import public_goods
from homines.games.spd import spd
from homines.games.trust import trust
from homines.theory.game_forms import NormalForm, Repeated, veil

ALL = names("frames")
GIVEN: dict[str, Any] = {"float": 1.0, "int": 3, "str": "word", "bool": True}
"""Values for parameters of games without a default, by annotation; and by name."""
NAMED: dict[str, Any] = {"reward": 3, "sucker": 0.5, "temptation": 5, "punishment": 1}
WORDS = ("zug", "wab", *(f"nol{i}" for i in range(200)))
ITERATED = ("bos", "icd", "icn", "ipd", "ish", "ivd")
pytestmark = pytest.mark.parametrize("name", ALL)


def labelled(name: str, labels: Sequence[str] = ()) -> Any:
    return find("frames", f"{name}(labels={tuple(labels)!r})")


@cache
def decisions() -> dict[str, tuple[Decision, ...]]:
    """The battery of every game with its defaults (and GIVEN where it has none)."""
    out: dict[str, tuple[Decision, ...]] = {}
    for game in names("games"):
        needed = {
            p.name: NAMED.get(p.name, GIVEN[str(p.annotation)])
            for p in inspect.signature(factory("games", game)).parameters.values()
            if p.default is p.empty
        }
        out[game] = battery(find("games", f"{game}({', '.join(f'{k}={v}' for k, v in needed.items())})"))
    return out


def prompts(frame: Frame, d: Decision) -> list[Prompt]:
    """One for each order; empty where the frame has no words for this decision, and says so."""
    try:
        return [frame(d, order) for order in orders(len(d.actions), frame.places)]
    except HominesError:
        return []


def paying(name: str, labels: Sequence[str] = ()) -> Any:
    """The frame, where it tells payoffs."""
    frame = labelled(name, labels)
    if not getattr(frame, "payoffs", True):
        pytest.skip(f"{name} tells no payoffs")
    return frame


def by_outcome(text: str) -> str:
    """The text with a line for each cell of a matrix in place of it: my action, the other's, the payoffs."""
    lines: list[str] = []
    heads: list[str] = []
    for line in text.split("\n"):
        if not line.startswith("|"):
            lines.append(line)
            continue
        first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if not first:
            heads = cells
        else:
            assert len(cells) == len(heads)
            lines += [f"{first}, {head}, {cell}" for head, cell in zip(heads, cells, strict=True)]
    return "\n".join(lines)


def words_in(text: str) -> list[str]:
    return re.findall(r"[\w.'-]*\w", text)


def test_it_has_words_for_the_iterated_games_and_most_others(name: str) -> None:
    able = [game for game, ds in decisions().items() if all(prompts(labelled(name), d) for d in ds)]
    assert set(ITERATED) <= set(able)
    assert {"dictator", "public_goods", "spd", "trust", "ultimatum", "ordinal"} <= set(able)


@pytest.mark.parametrize("game", names("games"))
def test_the_answers_are_the_labels(name: str, game: str) -> None:
    for d in decisions()[game]:
        words = WORDS[: len(d.actions)]
        for labels in ((), words):
            for prompt in prompts(labelled(name, labels), d):
                assert prompt.labels == (labels or d.actions)
                assert set(prompt.labels) <= set(words_in(prompt.text))
                assert all(role in ("system", "user", "assistant") and text for role, text in prompt.messages)
                assert prompt.messages[-1][0] == "user"
                assert "None" not in prompt.text
                assert "  " not in prompt.text


@pytest.mark.parametrize("game", names("games"))
def test_with_labels_no_action_name_is_given_away(name: str, game: str) -> None:
    for d in decisions()[game]:
        others = {word for named in (*d.theirs, *d.names) for word in named if named != d.actions}
        secret = {a for a in d.actions if not re.fullmatch(r"[\d.]+", a)} - others
        for prompt in prompts(labelled(name, WORDS[: len(d.actions)]), d):
            assert not secret & set(words_in(prompt.text)), prompt.text


@pytest.mark.parametrize("game", names("games"))
def test_exchanging_labels_exchanges_words_and_nothing_else(name: str, game: str) -> None:
    """Every mention of an action is by its label, and nothing else depends on the labels."""
    for d in decisions()[game]:
        there = WORDS[: len(d.actions)]
        here = there[::-1]
        exchange = dict(zip(there, here, strict=True))
        for one, two in zip(prompts(labelled(name, there), d), prompts(labelled(name, here), d), strict=True):
            turned = [exchange.get(word, word) for word in re.split(r"\b", one.text)]
            assert "".join(turned) == two.text


@pytest.mark.parametrize("game", names("games"))
def test_every_order_is_another_prompt_of_the_same_words(name: str, game: str) -> None:
    for d in decisions()[game]:
        asked = prompts(labelled(name, WORDS[: len(d.actions)]), d)
        assert len({p.text for p in asked}) == len(asked) == len({p.key for p in asked})
        bags = {tuple(sorted(words_in(p.text))) for p in asked}
        assert len(bags) <= 1


def test_the_options_stand_in_the_order_asked(name: str) -> None:
    d = public_goods(2, endowment=20, step=10).seat(0)
    frame = labelled(name, WORDS[:3])
    told = re.compile(r"(\w+), (\w+) or (\w+)")
    for order in orders(3, frame.places):
        shown = told.findall(frame(d, order).text)
        assert shown == [tuple(WORDS[a] for a in place) for place in order]


@pytest.mark.parametrize("game", names("games"))
def test_what_is_paid_is_told(name: str, game: str) -> None:
    for d in decisions()[game]:
        for prompt in prompts(paying(name, WORDS[: len(d.actions)]), d)[:1]:
            if d.does:  # told as a situation, option by option
                assert d.rule in prompt.text
                assert all(f"{w}: {does}" in prompt.text for w, does in zip(WORDS, d.does, strict=False))
            elif d.rule and (
                d.payoffs[0].size > MOST_LISTED or not (d.theirs or "{other}" in d.rule)
            ):  # told by its rule
                told = set(words_in(prompt.text))
                assert set(re.findall(r"\d+", d.rule)) <= told
                assert "{" not in prompt.text
            else:
                assert {number(x) for x in d.payoffs.ravel()} <= set(words_in(prompt.text))


def test_every_outcome_is_told_my_part_first(name: str) -> None:
    """In a sentence or line of its own: my action, the other's, my payoff, the other's."""
    game = Repeated(NormalForm.two(("C", "D"), [[11, 12], [13, 14]], [[21, 22], [23, 24]]))
    frame = paying(name, ("zug", "wab"))
    for k in (0, 1):
        text = by_outcome(frame(game.seat(k, ((0, 1),)), ((0, 1),)).text)
        told = [re.findall(r"zug|wab|\d+", piece) for piece in re.split(r"\.\s|\n", text)]
        for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
            outcome = (a, b) if k == 0 else (b, a)
            paid = [game.stage.table[(j, *outcome)] for j in (k, 1 - k)]
            assert [("zug", "wab")[a], ("zug", "wab")[b], *map(number, paid)] in told
        again = [piece for piece in told if piece[:1] in (["12"], ["22"])]  # the last round, with its points
        mine, other = (("zug", "wab"), ("wab", "zug"))[k]
        assert again in ([], [["12", "22", mine, other]], [["22", "12", mine, other]][:k])


@pytest.mark.parametrize("game", names("games"))
def test_decisions_that_differ_are_told_apart(name: str, game: str) -> None:
    ds = decisions()[game]
    texts = [prompts(paying(name, WORDS[: len(d.actions)]), d)[:1] for d in ds]
    told = [some[0].text for some in texts if some]
    assert len(set(told)) == len(told)


def test_it_tells_the_last_round_from_my_seat(name: str) -> None:
    frame = labelled(name, ("zug", "wab"))
    for a, b in ((0, 1), (1, 0)):
        mine, mirrored = ipd().seat(0, ((a, b),)), ipd().seat(1, ((b, a),))
        assert frame(mine, ((0, 1),)).text == frame(mirrored, ((0, 1),)).text
    exploited, exploiting = (frame(ipd().seat(0, (s,)), ((0, 1),)).text for s in ((0, 1), (1, 0)))
    assert exploited != exploiting
    first, later = (frame(ipd().seat(0, h), ((0, 1),)).text for h in ((), ((0, 0),)))
    assert len(first) < len(later)


def test_it_tells_what_the_others_are_said_to_do(name: str) -> None:
    frame = labelled(name, ("zug", "wab"))
    d = replace(ipd().seat(0), others=(frozen([0.25, 0.75]),))
    assert "zug in 25% and wab in 75% of cases" in frame(d, ((0, 1),)).text
    reply = replace(spd(3).due(())[0], others=(frozen([[0.9, 0.1], [1 / 3, 2 / 3]]),))
    text = frame(reply, ((0, 1),)).text
    assert "After zug, " in text
    assert "zug in 90% and wab in 10%" in text
    assert "wab in 66.6667%" in text


def test_it_tells_a_second_mover_what_the_first_did(name: str) -> None:
    frame = labelled(name, ("zug", "wab"))
    for game in (spd(3), trust(3)):
        for d in (d for d in battery(game) if d.player == 1):
            (move,) = (a for a in d.history[0] if a is not None)
            told = "zug" if d.actions == game.first and move == 0 else "wab"
            told = told if d.actions == game.first else game.first[move]
            sentences = frame(d, ((0, 1),)).text.replace("\n", " ").split(".")
            assert any(re.search(rf"(played|chosen|went for) {told}$", s) for s in sentences)


def test_it_tells_a_second_mover_what_the_first_could_have_done(name: str) -> None:
    frame = paying(name, ("zug", "wab"))
    kept = trust(3).due(((0, None),))[1]
    assert {"N", "30"} <= set(words_in(frame(kept, ((0, 1), (0, 1))[: frame.places]).text))
    (moved,) = (d for d in battery(spd(3)) if d.history == ((0, None),))
    text = frame(moved, ((0, 1), (0, 1))[: frame.places]).text
    after = text[text.index("Had") :]
    assert [float(x) for x in re.findall(r"\d+", after)] == [20, 80, 25, 25]
    assert all(word in words_in(after) for word in ("zug", "wab"))


@pytest.mark.parametrize("asks", ["belief", "aloud"])
def test_what_is_asked_changes_the_question_alone(name: str, asks: str) -> None:
    plain = labelled(name, ("zug", "wab"))
    if not hasattr(plain, "asks"):
        pytest.skip(f"{name} asks for a choice only")
    d = spd(3).due(((0, None),))[1]
    for order in orders(2, plain.places):
        one, two = plain(d, order), replace(plain, asks=asks)(d, order)
        assert one.labels == two.labels
        told = one.text.rsplit("." if "story" not in name else "?", 2)[0]
        assert told in two.text
        assert one.key != two.key
        last = re.findall(r"zug|wab", two.text)[-2:]
        assert last == [one.labels[a] for a in order[-1]]
        assert bool(two.cue) == (asks == "aloud")
    with pytest.raises(HominesError, match="asks for no 'song'"):
        replace(plain, asks="song")


# --- past rounds ---------------------------------------------------------------------------------

CASES: tuple[Decision, ...] = (
    ipd().seat(0, ((0, 1),)),
    ipd(5).seat(1, ((1, 1), (0, 1))),
    spd(3).due(((0, None),))[1],
    ipd().seat(0),
)
MATRIX = (
    "You can choose X or Y.\n"
    "What both choose decides the points. Rows are what you choose, columns are what B chooses; "
    "a cell holds your points, then B's:\n"
    "| | X | Y |\n| X | 3, 3 | 0, 4 |\n| Y | 4, 0 | 1, 1 |\n"
)
ONE_ROUND = {
    "table": (
        "You play with B. All choose at the same time, in every round.\n"
        "you, B, your points, B's points\nX, X, 3, 3\nX, Y, 0, 4\nY, X, 4, 0\nY, Y, 1, 1\n"
        "You can play X or Y.\n"
        "Last time you got 0 and B got 4, because you played X and B played Y.\n"
        "Answer with exactly Y or X.",
        "You play with B. All choose at the same time, for 5 rounds.\n"
        "you, B, your points, B's points\nX, X, 3, 3\nX, Y, 0, 4\nY, X, 4, 0\nY, Y, 1, 1\n"
        "You can play X or Y.\n"
        "Last time you got 4 and B got 0, because you played Y and B played X.\n"
        "Answer with exactly Y or X.",
        "You play once with B. B moved first and you reply.\nyou, your points, B's points\n"
        "X, 65, 65\nY, 80, 20\nYou can play X or Y.\n"
        "B played X.\nAnswer with exactly Y or X.",
        "You play with B. All choose at the same time, in every round.\n"
        "you, B, your points, B's points\nX, X, 3, 3\nX, Y, 0, 4\nY, X, 4, 0\nY, Y, 1, 1\n"
        "You can play X or Y.\nAnswer with exactly Y or X.",
    ),
    "sentences": (
        "You play with B. All choose at the same time, in every round. "
        "If you choose X and B chooses X, you get 3 points and B gets 3. "
        "If you choose X and B chooses Y, you get 0 points and B gets 4. "
        "If you choose Y and B chooses X, you get 4 points and B gets 0. "
        "If you choose Y and B chooses Y, you get 1 points and B gets 1. "
        "In the round before, you chose X and B chose Y. Which do you choose, X or Y? "
        "Reply with Y or X only.",
        "You play with B. All choose at the same time, for 5 rounds. "
        "If you choose X and B chooses X, you get 3 points and B gets 3. "
        "If you choose X and B chooses Y, you get 0 points and B gets 4. "
        "If you choose Y and B chooses X, you get 4 points and B gets 0. "
        "If you choose Y and B chooses Y, you get 1 points and B gets 1. "
        "In the round before, you chose Y and B chose X. Which do you choose, X or Y? "
        "Reply with Y or X only.",
        "You play once with B. B moved first and you reply. "
        "If you choose X, you get 65 points and B gets 65. "
        "If you choose Y, you get 80 points and B gets 20. B has chosen X. "
        "Which do you choose, X or Y? Reply with Y or X only.",
        "You play with B. All choose at the same time, in every round. "
        "If you choose X and B chooses X, you get 3 points and B gets 3. "
        "If you choose X and B chooses Y, you get 0 points and B gets 4. "
        "If you choose Y and B chooses X, you get 4 points and B gets 0. "
        "If you choose Y and B chooses Y, you get 1 points and B gets 1. "
        "Which do you choose, X or Y? Reply with Y or X only.",
    ),
    "story": (
        "You and Robin keep stalls at the market, side by side. "
        "The coins each day depend on you all. "
        "When you go for X and Robin for X, you take home 3 and Robin 3. "
        "When you go for X and Robin for Y, you take home 0 and Robin 4. "
        "When you go for Y and Robin for X, you take home 4 and Robin 0. "
        "When you go for Y and Robin for Y, you take home 1 and Robin 1. "
        "Yesterday you went for X and Robin for Y. What do you go for now: X or Y? "
        "Say just the one.",
        "You and Robin keep stalls at the market, side by side. "
        "The coins each day depend on you all. "
        "When you go for X and Robin for X, you take home 3 and Robin 3. "
        "When you go for X and Robin for Y, you take home 0 and Robin 4. "
        "When you go for Y and Robin for X, you take home 4 and Robin 0. "
        "When you go for Y and Robin for Y, you take home 1 and Robin 1. "
        "Yesterday you went for Y and Robin for X. What do you go for now: X or Y? "
        "Say just the one.",
        "You and Robin share a stall for one day. "
        "When you go for X, you take home 65 and Robin 65. "
        "When you go for Y, you take home 80 and Robin 20. Today Robin came first and went for X. "
        "What do you go for now: X or Y? Say just the one.",
        "You and Robin keep stalls at the market, side by side. "
        "The coins each day depend on you all. "
        "When you go for X and Robin for X, you take home 3 and Robin 3. "
        "When you go for X and Robin for Y, you take home 0 and Robin 4. "
        "When you go for Y and Robin for X, you take home 4 and Robin 0. "
        "When you go for Y and Robin for Y, you take home 1 and Robin 1. "
        "What do you go for now: X or Y? Say just the one.",
    ),
    "bimatrix": (
        f"You play with B. All choose at the same time, in every round. {MATRIX}"
        "You have met B before. Last time you chose X and B chose Y, so you got 0 points and B got 4.\n"
        "What do you choose this time? Answer with exactly Y or X, without an explanation.",
        f"You play with B. All choose at the same time, for 5 rounds. {MATRIX}"
        "You have met B before. Last time you chose Y and B chose X, so you got 4 points and B got 0.\n"
        "What do you choose this time? Answer with exactly Y or X, without an explanation.",
        "You play once with B. B moved first and you reply. You can choose X or Y.\n"
        "you, your points, B's points\nX, 65, 65\nY, 80, 20\nB has chosen X.\n"
        "What do you choose this time? Answer with exactly Y or X, without an explanation.",
        f"You play with B. All choose at the same time, in every round. {MATRIX}"
        "What do you choose this time? Answer with exactly Y or X, without an explanation.",
    ),
    "bare": (
        "You play with B.\nLast time you played X and B played Y.\nAnswer with exactly X or Y.",
        "You play with B.\nLast time you played Y and B played X.\nAnswer with exactly X or Y.",
        "You play with B.\nB played X.\nAnswer with exactly X or Y.",
        "You play with B.\nAnswer with exactly X or Y.",
    ),
}
"""CASES as each frame words them with a memory of one round."""
TWO_ROUNDS = {
    "table": "Two rounds ago you got 0 and B got 4, because you played zug and B played wab.\n"
    "Last time you got 4 and B got 0, because you played wab and B played zug.\n",
    "sentences": "Two rounds before, you chose zug and B chose wab. "
    "In the round before, you chose wab and B chose zug. ",
    "experiment": "Two rounds ago you chose zug and B chose wab.\n"
    "In the last round you chose wab and B chose zug.\n",
    "story": "The day before yesterday you went for zug and Robin for wab. "
    "Yesterday you went for wab and Robin for zug. ",
    "market": "Two periods ago you chose zug and earned 0, B chose wab and earned 4.\n"
    "Last period you chose wab and earned 4, B chose zug and earned 0.\n",
    "bimatrix": "Two rounds ago you chose zug and B chose wab, so you got 0 points and B got 4. "
    "Last time you chose wab and B chose zug, so you got 4 points and B got 0.\n",
    "bare": "Two rounds ago you played zug and B played wab.\nLast time you played wab and B played zug.\n",
}
TWO_ROUNDS["under"] = TWO_ROUNDS["table"]  # which asks where no frame is named


def remembering(name: str, memory: int) -> Any:
    if "memory" not in inspect.signature(type(labelled(name))).parameters:
        pytest.skip(f"{name} tells the last round alone")
    return find("frames", f"{name}(labels=(zug, wab), memory={memory})")


def test_with_a_memory_of_one_round_the_words_are_what_they_were(name: str) -> None:
    if name not in ONE_ROUND:
        pytest.skip(f"{name} is younger than this rule")
    for d, text in zip(CASES, ONE_ROUND[name], strict=True):
        frame = labelled(name, ("X", "Y"))
        for same in (frame, replace(frame, memory=1)):
            assert same(replace(d, forgone=()), ((0, 1), (1, 0))[: frame.places]).text == text


def test_two_rounds_are_told_where_two_are_remembered(name: str) -> None:
    d = ipd().seat(0, ((0, 1), (1, 0)))
    short, long = (remembering(name, memory)(d, ((0, 1),)).text for memory in (1, 2))
    assert short == remembering(name, 1)(ipd().seat(0, ((1, 0),)), ((0, 1),)).text
    assert TWO_ROUNDS[name] in long
    # the earlier round stands before the last one, and nothing else is added
    one, two = (re.split(r"(?<=[.?])[ \n]", text) for text in (short, long))
    (at,) = (i for i in range(len(two)) if [*two[:i], *two[i + 1 :]] == one)
    assert re.findall("zug|wab", two[at]) == ["zug", "wab"]
    assert re.findall("zug|wab", two[at + 1]) == ["wab", "zug"]


def test_rounds_far_back_are_counted(name: str) -> None:
    text = remembering(name, 12)(ipd().seat(0, ((0, 1),) * 15), ((0, 1),)).text
    pieces = re.split(r"(?<=[.?])[ \n]", text)
    told = [re.findall(r"^\w+", p)[0] for p in pieces if re.search(r"^\w+ (rounds|days|times|periods)\b", p)]
    counted = ("12", "11", "Ten", "Nine", "Eight", "Seven", "Six", "Five", "Four", "Three")
    assert tuple(told[:10]) == counted


def test_what_is_not_remembered_or_did_not_happen_is_not_told(name: str) -> None:
    past = ((0, 1), (1, 1), (1, 0), (0, 0))
    for memory in (1, 2, 3, 12):
        frame = remembering(name, memory)
        texts = [frame(ipd().seat(0, past[-n:]), ((0, 1),)).text for n in range(1, 5)]
        assert len(set(texts)) == min(memory, 4)
        assert texts == [*texts[:memory], *[texts[min(memory, 4) - 1]] * max(4 - memory, 0)]
        first = ipd().seat(0)
        assert frame(first, ((0, 1),)).text == remembering(name, 1)(first, ((0, 1),)).text
        for d in (*battery(spd(3)), *battery(trust(3))):
            for one, two in zip(prompts(frame, d), prompts(remembering(name, 1), d), strict=True):
                assert one.text == two.text


@pytest.mark.parametrize("memory", [1, 2, 3])
def test_pasts_that_are_remembered_are_told_apart(name: str, memory: int) -> None:
    frame = remembering(name, memory)
    pasts = [past for m in range(1, memory + 1) for past in ipd().pasts(m)]
    assert len({frame(ipd().seat(0, past), ((0, 1),)).text for past in pasts}) == len(pasts)
    mirrored = [tuple((b, a) for a, b in past) for past in pasts]
    for past, turned in zip(pasts, mirrored, strict=True):
        assert frame(ipd().seat(0, past), ((0, 1),)).text == frame(ipd().seat(1, turned), ((0, 1),)).text


def test_past_rounds_of_many_players(name: str) -> None:
    game = Repeated(public_goods(3, endowment=10, step=10))
    texts = {remembering(name, 2)(game.seat(1, past), ((0, 1),)).text for past in game.pasts(2)}
    assert len(texts) == 64


def test_a_frame_says_how_far_it_remembers(name: str) -> None:
    assert (remembering(name, 3).memory, labelled(name).memory) == (3, 1)
    for bad in ("0", "1.5", "-1"):
        with pytest.raises(HominesError, match=rf"memory must be a whole number.*, got {bad}"):
            find("frames", f"{name}(memory={bad})")


# --- labels --------------------------------------------------------------------------------------


def test_one_label_may_begin_another(name: str) -> None:
    for labels in (("1", "10"), ("action1", "action11"), ("X", "XY")):
        prompt = labelled(name, labels)(ipd().seat(0), ((0, 1),))
        assert prompt.labels == labels
    assert find("frames", f"{name}(labels=(0, 1))").labels == ("0", "1")
    assert find("frames", f"{name}(labels=' X , Y ')").labels == ("X", "Y")


@pytest.mark.parametrize("labels", ["A,B", "B,A", "C,D", "Robin,Kim", "B,Robin"])
def test_a_label_is_nobodys_name(name: str, labels: str) -> None:
    """Where B is an action, the other player is called something else."""
    for d in (*ipd().memory_one(), public_goods(3).seat(0)):
        text, plain = (
            labelled(name, some)(d, ((0, 1),)).text for some in (labels.split(","), ("zug", "wab"))
        )
        for label, word in zip(labels.split(","), ("zug", "wab"), strict=True):
            assert len(re.findall(rf"\b{label}\b", text)) == plain.count(word), text


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("X,X", "repeat one"),
        ("X, X ", "repeat one"),
        ("(X, 'X ')", "repeat one"),
        ("X,", "hold an empty one"),
        (" ,Y", "hold an empty one"),
        ("('', X)", "hold an empty one"),
    ],
)
def test_labels_are_words_and_differ(name: str, labels: str, message: str) -> None:
    written = labels if labels.startswith("(") else repr(labels)
    with pytest.raises(HominesError, match=message):
        find("frames", f"{name}(labels={written})")


def test_labels_fit_the_decision(name: str) -> None:
    for labels in (("X",), ("X", "Y", "Z")):
        with pytest.raises(HominesError, match=rf"{len(labels)} labels .* for 2 actions .*; give as many"):
            labelled(name, labels)(ipd().seat(0), ((0, 1),))
    invest = trust(3).due(())[0]
    with pytest.raises(HominesError, match="give 'K' a second meaning: another's action has it"):
        labelled(name, ("K", "X"))(invest, ((0, 1),))
    assert labelled(name, ("C", "D"))(ipd().seat(0), ((0, 1),)).labels == ("C", "D")


# --- layouts, specs, limits ----------------------------------------------------------------------


def test_layouts_turn_the_table_and_nothing_else(name: str) -> None:
    if not hasattr(labelled(name), "layout"):
        assert "layout" not in str(inspect.signature(type(labelled(name))))
        return
    plain = labelled(name, ("zug", "wab"))
    for d in (*ipd().memory_one(), public_goods(3).seat(0), *battery(trust(3))):
        texts = [by_outcome(replace(plain, layout=layout)(d, ((0, 1),)).text) for layout in LAYOUTS]
        pieces = [re.split(r"(?<=\.) |\n", text) for text in texts]
        outcomes = int(np.prod(d.payoffs.shape[1:]))
        for turned in pieces:
            assert sorted(turned) == sorted(pieces[0])
            moved = [i for i, (x, y) in enumerate(zip(pieces[0], turned, strict=True)) if x != y]
            assert len(moved) <= outcomes
            assert all(j - i <= outcomes for i, j in pairwise(moved))
        if d.theirs and not d.reply:
            assert len(set(texts)) == 4
            whole, turned = (text.index for text in (texts[0], texts[1]))
            rows = [p for p in pieces[0] if re.match(r"(If you choose )?(zug|wab)\b", p)]
            assert sorted(rows, key=whole) == sorted(rows, key=turned)[::-1]
    with pytest.raises(HominesError, match="no layout 'upside'; there are original, reversed"):
        replace(plain, layout="upside")


def test_what_never_changes_stands_first(name: str) -> None:
    """So that prompts share their beginning: the game, before the last round and the question."""
    frame = paying(name, ("zug", "wab"))
    asked = [prompts(frame, d) for d in ipd().memory_one()]
    groups = [[p for ps in asked for p in ps]]
    if name == "bimatrix":  # its options stand before the payoffs, as published: so by their order
        groups = [[ps[0] for ps in asked], [ps[-1] for ps in asked]]
    for group in groups:
        same = [len(set(letters)) == 1 for letters in zip(*(p.text for p in group), strict=False)]
        assert same.index(False) > 0.5 * len(same)


def test_it_is_spelt(name: str) -> None:
    frame = labelled(name, ("X", "Y z"))
    assert is_dataclass(type(frame))
    assert type(frame).__module__ == f"homines.frames.{name}"
    assert find("frames", spell(frame)) == frame
    assert hash(frame) == hash(labelled(name, ("X", "Y z")))
    assert frame.places >= 1
    assert frame.labels == split_labels(("X", "Y z"))
    (entry,) = (e for e in describe("frames") if e.name == name)
    assert entry.summary.endswith(".")


def test_a_plan_behind_the_veil_has_no_words(name: str) -> None:
    with pytest.raises(HominesError, match=r"behind the veil .* has no words; ask .* one by one"):
        labelled(name)(veil(spd(3)).seat(), ((0, 1, 2, 3, 4, 5, 6, 7),))


def test_what_a_prompt_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(HominesError, match="9 other players are more than"):
        labelled(name)(public_goods(10).seat(0), ((0, 1),))
    large = replace(public_goods(2, step=1).seat(0), rule="")
    with pytest.raises(HominesError, match="441 outcomes are more than the 128 a prompt can list"):
        paying(name)(large, (tuple(range(21)),))


def test_a_decision_that_concerns_nobody_else(name: str) -> None:
    alone = Decision(("left", "right"), frozen([[1, 2.5]]))
    text = labelled(name)(alone, ((0, 1),)).text
    told = {"1", "2.5"} if getattr(labelled(name), "payoffs", True) else set[str]()
    assert {"left", "right", *told} <= set(words_in(text))
    assert " and ." not in text
    assert "with ." not in text


def test_three_players_with_actions_called_like_people(name: str) -> None:
    game = Repeated(NormalForm(((("C", "D"),) * 3), np.zeros((3, 2, 2, 2)), symmetric=True))
    text = labelled(name)(game.seat(0, ((0, 1, 1),)), ((0, 1),)).text
    assert not re.search(r"\b[CD]('s points| gets| (plays|chooses|played|chose)\b)", text)


# --- frames without payoffs ----------------------------------------------------------------------


def silent(name: str, **changes: Any) -> Any:
    """The frame, where it tells no payoffs."""
    frame = labelled(name, ("zug", "wab"))
    if getattr(frame, "payoffs", True):
        pytest.skip(f"{name} tells payoffs")
    return replace(frame, **changes)


@pytest.mark.parametrize("game", names("games"))
def test_what_is_paid_changes_no_word_where_payoffs_are_not_told(name: str, game: str) -> None:
    for d in decisions()[game]:
        frame = silent(name, labels=WORDS[: len(d.actions)])
        other = replace(d, payoffs=frozen(17 - 3 * d.payoffs), same=None)
        for one, two in zip(prompts(frame, d), prompts(frame, other), strict=True):
            assert one.text == two.text
            counts = (
                {str(k) for k in range(d.crowd + 1)} if d.crowd else set[str]()
            )  # of others: they are told
            assert not ({number(x) for x in d.payoffs.ravel()} - counts) & set(words_in(one.text))


def test_without_payoffs_the_options_are_listed_at_one_place(name: str) -> None:
    frame = silent(name)
    assert frame.places == 1
    for order in ((0, 1), (1, 0)):
        text = frame(ipd().seat(0), (order,)).text
        assert re.findall("zug|wab", text) == [("zug", "wab")[a] for a in order]


def test_without_a_state_no_round_is_told(name: str) -> None:
    quiet, first = silent(name, state=False, memory=2), ipd().seat(0)
    pasts = [past for m in (1, 2) for past in ipd().pasts(m)]
    assert {quiet(ipd().seat(0, past), ((0, 1),)).text for past in pasts} == {quiet(first, ((0, 1),)).text}
    assert quiet(first, ((0, 1),)).text == silent(name)(first, ((0, 1),)).text


def test_the_name_of_the_game_is_told_and_nothing_else_with_it(name: str) -> None:
    plain, named = silent(name), silent(name, game="the game of chicken")
    alone = Decision(("left", "right"), frozen([[1, 2]]))
    for d in (ipd().seat(0, ((0, 1),)), ipd().seat(0), spd(3).due(((0, None),))[1], alone):
        one, two = (frame(d, ((0, 1),)).text for frame in (plain, named))
        assert "chicken" not in one
        assert "You play the game of chicken" in two
        rest = two.replace("You play the game of chicken.\n", "").replace(" the game of chicken", "")
        assert rest == one


# --- goals, and answers begun ----------------------------------------------------------------------


def test_no_goal_is_stated_unless_one_is_asked_for(name: str) -> None:
    plain = labelled(name, ("zug", "wab"))
    stated = replace(plain, goal="highest score")
    for d in (ipd().seat(0, ((0, 1),)), spd(3).due(((0, None),))[1]):
        for one, two in zip(prompts(plain, d), prompts(stated, d), strict=True):
            assert not re.search("want|aim|goal|highest|maximi", one.text, re.IGNORECASE)
            (sentence,) = re.findall(r"[^.\n:?]*want[^.\n]*\.", two.text)
            assert "highest score in" in sentence
            assert two.text.replace(sentence, "").split() == one.text.split()
            assert (goal_of(plain), goal_of(stated)) == ("", "You want the highest score in points.")


def test_a_goal_written_out_is_the_goal_of_that_name(name: str) -> None:
    """Records spell the sentence, and a frame without a goal or a beginning as records of 0.1.0 do."""
    long, short = (f"{name}(goal={g!r})" for g in ("You want the highest score in points.", "highest score"))
    assert spell(find("frames", long)) == spell(find("frames", short))
    assert "goal='You want the highest score in points.'" in spell(find("frames", short))
    assert "begins" not in spell(labelled(name))
    assert spell(find("frames", f"{name}(begins=Well)")).endswith("begins=Well)")
    own = find("frames", f"{name}(goal='You want B to win.')")
    assert any("You want B to win." in p.text for p in prompts(own, ipd().seat(0)))


def test_an_answer_begun_leaves_the_question_as_it_is(name: str) -> None:
    plain = labelled(name, ("zug", "wab"))
    for asks in ("choice", "belief") if hasattr(plain, "asks") else (None,):
        frame = plain if asks is None else replace(plain, asks=asks)
        d = ipd().seat(0, ((0, 1),))
        for one, two in zip(prompts(frame, d), prompts(replace(frame, begins="Answer:"), d), strict=True):
            assert (one.messages, one.labels, one.begins) == (two.messages, two.labels, "")
            assert two.begins == "Answer:"
            assert one.key != two.key
    with pytest.raises(HominesError, match="begins 'Answer: ' starts or ends with a space"):
        replace(plain, begins="Answer: ")
    if hasattr(plain, "asks"):
        with pytest.raises(HominesError, match="asks to think aloud"):
            replace(plain, begins="Answer:", asks="aloud")

"""Frames that tell less: the other's acts alone, a story without numbers."""

from __future__ import annotations

import re
from itertools import permutations

import pytest

from homines.core.registry import find, spell
from homines.core.types import Decision, HominesError
from homines.games.ipd import ipd
from homines.games.public_goods import public_goods
from homines.games.spd import spd
from homines.theory.game_forms import NormalForm, Repeated

ORDER = ((0, 1),)
OTHERS = find("frames", "bare(labels='zug,wab', mine=False, memory=2)")
TALE = find("frames", "story(labels='zug,wab', numbers=False)")


def test_of_past_rounds_the_others_acts_alone_are_told() -> None:
    """Whatever I did, the words are the same; whatever the other did, they are not."""
    states = [((a, b),) for a in (0, 1) for b in (0, 1)]
    texts = {past[0]: OTHERS(ipd().seat(0, past), ORDER).text for past in states}
    assert texts[0, 0] == texts[1, 0] != texts[0, 1] == texts[1, 1]
    assert "you played" not in texts[0, 1]
    two = OTHERS(ipd().seat(0, ((0, 1), (1, 0))), ORDER).text
    assert re.findall("zug|wab", two)[:2] == ["wab", "zug"]


def test_a_story_without_numbers_tells_the_ranks_of_outcomes() -> None:
    """Payoffs that are ordered alike give the same words; those ordered otherwise, others."""
    words: dict[str, tuple[float, ...]] = {}
    for own in permutations((1.0, 2.0, 3.0, 4.0)):
        d = Repeated(NormalForm.two(("C", "D"), [own[:2], own[2:]])).seat(0, ((0, 1),))
        text = TALE(d, ORDER).text
        assert not re.search(r"\d", text)
        assert text not in words
        words[text] = own
        scaled = Repeated(
            NormalForm.two(("C", "D"), [[10 * x + 1 for x in own[:2]], [10 * x + 1 for x in own[2:]]])
        )
        assert TALE(scaled.seat(0, ((0, 1),)), ORDER).text == text
    text = TALE(ipd().seat(0), ORDER).text
    assert (
        "When you go for zug and Robin for wab, the day goes very badly for you and very well for Robin."
        in text
    )


@pytest.mark.parametrize(
    ("d", "why"),
    [
        (public_goods(4).seat(0), "has words for 4 different payoffs|tells listed outcomes"),
        (spd(3).due(((0, None),))[1], "tells listed outcomes"),
    ],
)
def test_what_a_story_without_numbers_cannot_tell_is_refused(d: Decision, why: str) -> None:
    frame = find("frames", "story(numbers=False)")
    with pytest.raises(HominesError, match=why):
        frame(d, (tuple(range(len(d.actions))),))


def test_frames_as_they_were_are_spelt_as_they_were() -> None:
    assert "mine" not in spell(find("frames", "bare"))
    assert "numbers" not in spell(find("frames", "story"))

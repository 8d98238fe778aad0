"""What stands before a question changes the question's beginning and nothing else."""

from __future__ import annotations

import pytest

from homines.core.registry import find, spell
from homines.core.types import HominesError, Prompt
from homines.elicitation.conditions import condition, conditions
from homines.elicitation.orders import orders
from homines.elicitation.questions import questions, retell
from homines.frames.under import Under
from homines.games.ipd import ipd
from homines.models.mock import Mock, uniform

TABLE = "table(labels=(X, Y))"


@pytest.mark.parametrize("name", conditions())
@pytest.mark.parametrize("frame", [TABLE, "sentences(labels=(X, Y), asks=aloud)", "market(labels=(X, Y))"])
def test_the_question_stands_word_for_word_at_the_end(name: str, frame: str) -> None:
    plain, under = find("frames", frame), Under(name, frame)
    for order in orders(2, plain.places):
        before, after = plain(ipd().seat(0), order), under(ipd().seat(0), order)
        assert after.text.endswith(before.messages[-1][1])
        assert len(after.text) > len(before.text) + 80
        assert (after.labels, after.cue, after.begins) == (before.labels, before.cue, before.begins)
        assert [role for role, _ in after.messages if role != "system"][::2] == ["user"] * (
            len(condition(name).turns) + 1
        )


def test_twenty_turns_are_twenty() -> None:
    assert len(condition("turns").turns) == 20
    assert len({user for user, _ in condition("turns").turns}) == 20


def test_a_system_prompt_of_the_question_comes_after_that_of_the_condition() -> None:
    prompt = Prompt((("system", "Be fair."), ("user", "A or B?")), ("A", "B"))
    assert condition("system")(prompt).messages == (
        ("system", f"{condition('system').system}\nBe fair."),
        ("user", "A or B?"),
    )


def test_no_condition_adds_nothing_and_every_spec_reads_back() -> None:
    plain = find("frames", TABLE)
    assert Under("", TABLE)(ipd().seat(0), ((0, 1),) * 2) == plain(ipd().seat(0), ((0, 1),) * 2)
    for name in conditions():
        one = Under(name, "table(labels=(X, Y), goal='highest score', asks=aloud, memory=2)")
        assert (one.labels, one.asks, one.memory) == (("X", "Y"), "aloud", 2)
        assert find("frames", spell(one)) == one
        assert one == Under(name, "table(goal='highest score')", ("X", "Y"), memory=2, asks="aloud")


def test_records_keep_the_condition_and_prompts_are_retold() -> None:
    asked = questions(Mock(uniform), {"ipd": [ipd().seat(0)]}, [Under("persona", TABLE)])
    assert all("condition=persona" in q.record.frame for q in asked)
    assert [retell(q.record) for q in asked] == [q.prompt for q in asked]


def test_what_a_frame_cannot_do_is_refused() -> None:
    with pytest.raises(HominesError, match=r"no condition called 'person'.*did you mean 'persona'"):
        Under("person")
    with pytest.raises(HominesError, match="has a condition already"):
        Under("persona", "under(condition=turns)")
    with pytest.raises(HominesError, match="takes no asks"):
        Under("persona", "bare", asks="aloud")

"""Past rounds in words: what everybody did and got; of a crowd, those who did the same are one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homines.core.types import Decision
from homines.elicitation.amounts import counting_word


@dataclass(frozen=True)
class Round:
    """One past round in words.

    ago       how many rounds ago it was; 1 is the last
    words     what everybody did, mine first
    payoffs   what everybody got, mine first
    people    names of everybody but me; of a crowd, of those who did the same
    """

    ago: int
    words: tuple[str, ...]
    payoffs: tuple[float, ...]
    people: tuple[str, ...]

    def when(self, last: str, earlier: str) -> str:
        """`last` for the last round, else 'Two' and `earlier`, such as 'Two rounds ago'."""
        return last if self.ago == 1 else f"{counting_word(self.ago)} {earlier}"


def past_rounds(
    d: Decision,
    mine: Sequence[str],
    theirs: Sequence[Sequence[str]],
    people: tuple[str, ...],
    memory: int,
) -> list[Round]:
    """The last `memory` rounds, oldest first, without rounds in which not all moved at the same time and
    stages of other actions, which the rule tells.

    mine, theirs   words for my actions, and for each other player's
    """
    rounds: list[Round] = []
    for ago in range(min(memory, len(d.history)), 0, -1):
        stage = [a for a in d.history[-ago] if a is not None]
        if not d.theirs or d.names or len(stage) < len(d.history[-ago]) or len(stage) != 1 + len(d.theirs):
            continue
        own, others = stage[d.player], tuple(a for k, a in enumerate(stage) if k != d.player)
        paid = tuple(d.payoffs[(slice(None), own, *others)])
        if d.crowd:
            told = groups(d.crowd, others[0])
            words = (mine[own], *(mine[act] for _, act in told))
            paid = (paid[0], *(paid[-1 if act else 1] for _, act in told))
            rounds.append(Round(ago, words, paid, tuple(person for person, _ in told)))
        else:
            words = (mine[own], *(labels[a] for labels, a in zip(theirs, others, strict=True)))
            rounds.append(Round(ago, words, paid, people))
    return rounds


def groups(crowd: int, second: int) -> tuple[tuple[str, int], ...]:
    """The others who did the same, in words, with what they did (0 or 1), where `second` of them did 1.

    >>> groups(4, 1), groups(4, 0), groups(1, 1)
    ((('each of 3 others', 0), ('the remaining one', 1)), (('each of the 4 others', 0),), (('the other', 1),))
    """
    if second in (0, crowd):
        return (("the other" if crowd == 1 else f"each of the {crowd} others", int(second > 0)),)
    firsts = crowd - second
    return (
        ("one other" if firsts == 1 else f"each of {firsts} others", 0),
        ("the remaining one" if second == 1 else f"each of the remaining {second}", 1),
    )

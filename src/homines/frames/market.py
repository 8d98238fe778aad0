"""`market`: what never changes first and the options once, so that long menus cost little."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.format import join
from homines.core.types import Decision, Order, Prompt
from homines.elicitation.scene import (
    Names,
    asking,
    belief_sentence,
    counting_word,
    either,
    moved_before,
    number,
    other_moves,
    outcomes,
    rounds_before,
    rule_sentences,
    seat_names,
    settle,
)


@dataclass(frozen=True)
class Market:
    """A firm's decision: the rule (or every outcome), the options, the last periods, the question.

    labels   words for the actions, in their order; empty: the actions' own names
    goal     the sentence that says what to aim at; empty: none
    memory   how many past periods are told, at most
    asks     for a choice, for one after thinking aloud (aloud), or for what another will do (belief)
    """

    labels: tuple[str, ...] | str = ()
    goal: str = ""
    memory: int = 1
    asks: str = "choice"

    places = 1

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        words = Names.of(d, self.labels)
        who = seat_names(d, ("B", "C", "D", "E", "F", "G", "H"), words)
        rule = rule_sentences(d, who, words, order[0])
        parts = [f"There is you, and {join(list(who))}." if who and not rule else "", rule]
        for a, others, paid in () if rule else outcomes(d):
            acts = [f"you choose {words.mine[a]}"]
            acts += [f"{who[j]} {words.theirs[j][b]}" for j, b in enumerate(others or ())]
            gets = [f"you earn {number(paid[0])}"]
            gets += [f"{w} earns {number(x)}" for w, x in zip(who, paid[1:], strict=True)]
            parts.append(f"If {join(acts)}, {join(gets)}.")
        parts += [self.goal, belief_sentence(d, words, who, "chooses")]
        parts.append(f"You can choose {either(words.mine, order[0])}.")
        if (before := moved_before(d, words)) is not None:
            parts.append(f"{who[0]} has chosen {before}.")
        for move, ways in other_moves(d, words):
            for mine, paid in ways:
                gets = [f"you would have earned {number(paid[0])}"]
                gets += [f"{w} {number(x)}" for w, x in zip(who, paid[1:], strict=True)]
                then = f" and you {mine}" if mine else ""
                parts.append(f"Had {who[0]} chosen {move}{then}, {join(gets)}.")
        for past in rounds_before(d, words, self.memory):
            acts = [f"you chose {past.mine} and earned {number(past.paid[0])}"]
            told = zip(who, past.theirs, past.paid[1:], strict=False)
            acts += [f"{w} chose {t} and earned {number(x)}" for w, t, x in told]
            when = "Last period" if past.ago == 1 else f"{counting_word(past.ago)} periods ago"
            parts.append(f"{when} {', '.join(acts)}.")
        last = "\nWhat do you choose now? Answer with exactly one of these."
        return asking(self.asks, "\n".join(part for part in parts if part), last, words, order)

"""`sentences`: the payoffs in sentences, one for each outcome."""

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
from homines.frames.table import introduction


@dataclass(frozen=True)
class Sentences:
    """Payoffs in sentences, state, question.

    labels   words for the actions, in their order; empty: the actions' own names
    layout   order of the sentences: original, reversed, columns, rows
    memory   how many past rounds are told, at most
    asks     for a choice, for one after thinking aloud (aloud), or for what another will do (belief)
    """

    labels: tuple[str, ...] | str = ()
    layout: str = "original"
    memory: int = 1
    asks: str = "choice"

    places = 2

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        words = Names.of(d, self.labels)
        who = seat_names(d, ("B", "C", "D", "E", "F", "G", "H"), words)
        lines: list[str] = []
        rule = rule_sentences(d, who, words, order[0])
        for a, others, paid in () if rule else outcomes(d, self.layout):
            acts = [f"you choose {words.mine[a]}"]
            acts += [f"{who[j]} chooses {words.theirs[j][b]}" for j, b in enumerate(others or ())]
            gets = [f"you get {number(paid[0])} points"]
            gets += [f"{w} gets {number(x)}" for w, x in zip(who, paid[1:], strict=True)]
            lines.append(f"If {join(acts)}, {join(gets)}.")
        parts = [introduction(d, who, rule), rule, *lines, belief_sentence(d, words, who, "chooses")]
        if (before := moved_before(d, words)) is not None:
            parts.append(f"{who[0]} has chosen {before}.")
        for move, ways in other_moves(d, words):
            for mine, paid in ways:
                gets = [f"you would have got {number(paid[0])} points"]
                gets += [f"{w} {number(x)}" for w, x in zip(who, paid[1:], strict=True)]
                then = f" and you {mine}" if mine else ""
                parts.append(f"Had {who[0]} chosen {move}{then}, {join(gets)}.")
        for past in rounds_before(d, words, self.memory):
            acts = [f"you chose {past.mine}"]
            acts += [f"{w} chose {t}" for w, t in zip(who, past.theirs, strict=False)]
            when = "In the round before" if past.ago == 1 else f"{counting_word(past.ago)} rounds before"
            parts.append(f"{when}, {join(acts)}.")
        parts.append(f"Which do you choose, {either(words.mine, order[0])}?")
        last = f" Reply with {either(words.mine, order[-1])} only."
        return asking(self.asks, " ".join(part for part in parts if part), last, words, order)

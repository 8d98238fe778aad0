"""`story`: two stalls at a market, coins instead of points; no game, no table, no jargon."""

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

FRIENDS = ("Robin", "Kim", "Sam", "Noor", "Lee", "Ada", "Max")


@dataclass(frozen=True)
class Story:
    """The same decision told as a market day.

    labels   words for the ways to work, in the order of the actions; empty: the actions' own names
    memory   how many past days are told, at most
    asks     for a choice, for one after thinking aloud (aloud), or for what another will do (belief)
    """

    labels: tuple[str, ...] | str = ()
    memory: int = 1
    asks: str = "choice"

    places = 1

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        words = Names.of(d, self.labels)
        who = seat_names(d, FRIENDS, words)
        rule = rule_sentences(d, who, words, order[0])
        parts = [self._opening(d, who), rule.replace("points", "coins")]
        for a, others, paid in () if rule else outcomes(d):
            acts = [f"you go for {words.mine[a]}"]
            acts += [f"{who[j]} for {words.theirs[j][b]}" for j, b in enumerate(others or ())]
            gets = [f"you take home {number(paid[0])}"]
            gets += [f"{w} {number(x)}" for w, x in zip(who, paid[1:], strict=True)]
            parts.append(f"When {join(acts)}, {join(gets)}.")
        parts.append(belief_sentence(d, words, who, "goes for"))
        if (before := moved_before(d, words)) is not None:
            parts.append(f"Today {who[0]} came first and went for {before}.")
        for move, ways in other_moves(d, words):
            for mine, paid in ways:
                gets = [f"you would have taken home {number(paid[0])}"]
                gets += [f"{w} {number(x)}" for w, x in zip(who, paid[1:], strict=True)]
                then = f" and you for {mine}" if mine else ""
                parts.append(f"Had {who[0]} gone for {move}{then}, {join(gets)}.")
        for past in rounds_before(d, words, self.memory):
            acts = [f"you went for {past.mine}"]
            acts += [f"{w} for {t}" for w, t in zip(who, past.theirs, strict=False)]
            parts.append(f"{_when(past.ago)} {join(acts)}.")
        parts.append(f"What do you go for now: {either(words.mine, order[0])}?")
        return asking(self.asks, " ".join(part for part in parts if part), " Say just the one.", words, order)

    @staticmethod
    def _opening(d: Decision, who: tuple[str, ...]) -> str:
        company = join(list(who)) if who else ""
        if d.does:
            return ""
        if not d.theirs and not d.history:
            return (
                f"A purse of coins was left to you to share with {company}."
                if who
                else "A day at the market."
            )
        if d.reply:
            return f"You and {company} share a stall for one day. You start; {company} sees it and goes on."
        if not d.theirs:
            return f"You and {company} share a stall for one day."
        often = "today" if d.rounds == 1 else "each day"
        return (
            f"You and {company} keep stalls at the market, side by side. The coins {often} depend on you all."
        )


def _when(ago: int) -> str:
    if ago <= 2:
        return ("Yesterday", "The day before yesterday")[ago - 1]
    return f"{counting_word(ago)} days ago"

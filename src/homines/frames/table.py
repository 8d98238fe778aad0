"""`table`: the payoffs as a table, then the last rounds, then the question."""

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
class Table:
    """Payoff table, state, question; what never changes stands first, so that prompts share it.

    labels   words for the actions, in their order; empty: the actions' own names
    layout   how the table is turned: original, reversed, columns, rows (Tennant et al. 2025)
    goal     the sentence that says what to aim at (selfish under every training reward, as published)
    memory   how many past rounds are told, at most
    asks     for a choice, for one after thinking aloud (aloud), or for what another will do (belief)
    """

    labels: tuple[str, ...] | str = ()
    layout: str = "original"
    goal: str = "You want the highest score in points."
    memory: int = 1
    asks: str = "choice"

    places = 2

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        words = Names.of(d, self.labels)
        who = seat_names(d, ("B", "C", "D", "E", "F", "G", "H"), words)
        choosing = who[: len(d.theirs)]
        cells = [["you", *choosing, "your points", *(f"{w}'s points" for w in who)]]
        rule = rule_sentences(d, who, words, order[0])
        for a, others, paid in () if rule else outcomes(d, self.layout):
            theirs = (
                ["any"] * len(choosing)
                if others is None
                else [words.theirs[j][b] for j, b in enumerate(others)]
            )
            cells.append([words.mine[a], *theirs, *map(number, paid)])
        parts = [
            introduction(d, who, rule),
            rule or "\n".join(", ".join(row) for row in cells),
            self.goal,
            belief_sentence(d, words, choosing, "plays"),
        ]
        parts.append(f"You can play {either(words.mine, order[0])}.")
        if (before := moved_before(d, words)) is not None:
            parts.append(f"{who[0]} played {before}.")
        for move, ways in other_moves(d, words):
            then = (f"{mine} would pay" if mine else "the game would have ended:" for mine, _ in ways)
            after = [f"{so} {join(points(who, paid))}" for so, (_, paid) in zip(then, ways, strict=True)]
            parts.append(f"Had {who[0]} played {move}, {'; '.join(after)}.")
        for past in rounds_before(d, words, self.memory):
            gets = [f"you got {number(past.paid[0])}"]
            gets += [f"{w} got {number(x)}" for w, x in zip(who, past.paid[1:], strict=False)]
            acts = [f"you played {past.mine}"]
            acts += [f"{w} played {t}" for w, t in zip(who, past.theirs, strict=False)]
            when = "Last time" if past.ago == 1 else f"{counting_word(past.ago)} rounds ago"
            parts.append(f"{when} {join(gets)}, because {join(acts)}.")
        last = f"\nAnswer with exactly {either(words.mine, order[-1])}."
        return asking(self.asks, "\n".join(part for part in parts if part), last, words, order)


def points(who: tuple[str, ...], paid: tuple[float, ...]) -> list[str]:
    """'you 3 points', 'B 4': who gets what."""
    return [
        f"you {number(paid[0])} points",
        *(f"{w} {number(x)}" for w, x in zip(who, paid[1:], strict=True)),
    ]


def introduction(d: Decision, who: tuple[str, ...], rule: str) -> str:
    """The opening; none where a rule tells all and names nobody."""
    return "" if rule and "{other}" not in d.rule else opening(d, who)


def opening(d: Decision, who: tuple[str, ...]) -> str:
    """Who decides, when, and how often."""
    others = join(list(who))
    if not d.theirs and not d.history:
        return f"You decide alone how points are shared between you and {others}." if who else "You decide."
    if d.reply:
        return f"You play once with {others}. You move first, then {others} sees your move and replies."
    if not d.theirs:
        return f"You play once with {others}. {others} moved first and you reply."
    often = "in every round" if d.rounds is None else "once" if d.rounds == 1 else f"for {d.rounds} rounds"
    return f"You play with {others}. All choose at the same time, {often}."

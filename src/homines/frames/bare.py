"""`bare`: no payoffs; the actions, perhaps the game's name, perhaps the last round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from homines.core.format import join
from homines.core.types import Decision, Order, Prompt
from homines.elicitation.scene import (
    Names,
    belief_sentence,
    check_no_plan,
    counting_word,
    either,
    moved_before,
    rounds_before,
    seat_names,
    settle,
)


@dataclass(frozen=True)
class Bare:
    """A decision without its payoffs, to see what a model does then.

    labels   words for the actions, in their order; empty: the actions' own names
    game     name of the game, as "the iterated prisoner's dilemma"; empty: it is not named
    state    whether the last round is told
    memory   how many past rounds are told, at most
    Two of the payoff-free probes of Tennant et al. (2025).
    """

    labels: tuple[str, ...] | str = ()
    game: str = ""
    state: bool = True
    memory: int = 1

    places = 1
    payoffs: ClassVar[bool] = False

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        check_no_plan(d)
        words = Names.of(d, self.labels)
        who = seat_names(d, ("B", "C", "D", "E", "F", "G", "H"), words)
        opening = [*([self.game] if self.game else []), *([f"with {join(list(who))}"] if who else [])]
        parts = [" ".join(["You play", *opening]) + "."] if opening else []
        parts.append(belief_sentence(d, words, who[: len(d.theirs)], "plays"))
        if self.state:
            if (before := moved_before(d, words)) is not None:
                parts.append(f"{who[0]} played {before}.")
            for past in rounds_before(d, words, self.memory):
                acts = [f"you played {past.mine}"]
                acts += [f"{w} played {t}" for w, t in zip(who, past.theirs, strict=False)]
                when = "Last time" if past.ago == 1 else f"{counting_word(past.ago)} rounds ago"
                parts.append(f"{when} {join(acts)}.")
        parts.append(f"Answer with exactly {either(words.mine, order[0])}.")
        return Prompt((("user", "\n".join(part for part in parts if part)),), words.mine)

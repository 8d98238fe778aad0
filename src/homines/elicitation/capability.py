"""Side effects of alignment: accuracy on sixty everyday questions, and the perplexity of a short text.

Both are written for this package; the questions are in capability.tsv. The answer is the label of highest
probability, terminator included. With two or three labels a question, guessing is right on 21 of the 60.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any, Protocol

from homines.core.types import Choice, Model, Prompt

TEXT = (
    "The old bridge at the edge of the village had been closed since the winter flood. Every morning the "
    "children walked the long way round, past the mill and the orchard, and every evening they came home "
    "with mud on their boots. When spring arrived, the neighbours met in the square and agreed to repair "
    "it themselves. The carpenter brought wood, the farmers brought ropes and horses, and the teacher drew "
    "a plan on the back of an old map. It took them three weeks. On the last day it rained, but nobody went "
    "home before the final plank was in its place."
)


class ReadsText(Model, Protocol):
    """A model that also measures the perplexity of a text."""

    def perplexity(self, text: str, /) -> float: ...


EXAMPLES = (
    ("What do you call a baby cat?", "A kitten"),
    ("What is one plus one?", "Two"),
    ("What color is a ripe banana?", "Yellow"),
    ("Is sugar sweet or sour?", "Sweet"),
)


def items() -> list[Prompt]:
    """The questions after four answered examples; the right label first (networks never see the order)."""
    examples = [
        turn for question, answer in EXAMPLES for turn in (("user", _brief(question)), ("assistant", answer))
    ]
    table = files("homines.elicitation").joinpath("capability.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines()[1:])
    return [Prompt((*examples, ("user", _brief(question))), tuple(labels)) for question, *labels in rows]


def _brief(question: str) -> str:
    return f"{question} Answer in one or two words."


def measure_capability(
    model: ReadsText, *, before: Callable[[Prompt], Prompt] | None = None, batch: int = 20
) -> dict[str, Any]:
    """Accuracy on the questions and perplexity of the text (exp of the mean loss a token).

    before   puts something before every question, as a Condition does; the text is then not read
    """
    prompts = items() if before is None else list(map(before, items()))
    choices: list[Choice] = []
    for i in range(0, len(prompts), batch):
        choices += model.score(prompts[i : i + batch])
    answers: list[dict[str, Any]] = []
    for prompt, choice in zip(prompts, choices, strict=True):
        right, likeliest = prompt.labels[0], prompt.labels[int(choice.logp.argmax())]
        answers.append(
            {
                "question": prompt.messages[-1][1],
                "answer": right,
                "given": likeliest,
                "right": likeliest == right,
                "p": float(choice.p[0]),
            }
        )
    right = sum(answer["right"] for answer in answers)
    return {
        "right": right,
        "questions": len(answers),
        "accuracy": right / len(answers),
        "mass": sum(choice.mass for choice in choices) / len(choices),
        **({"perplexity": model.perplexity(TEXT)} if before is None else {}),
        "answers": answers,
    }

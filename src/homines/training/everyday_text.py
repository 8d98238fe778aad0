"""KL of a learner's next tokens in everyday text to the model before training: what must not change.

    K(x) = mean_i KL(before(. | x_1 .. x_i) || now(. | x_1 .. x_i))

over every token i of a text x and the whole vocabulary, in nats: by so much the log perplexity of text of
the model's own would rise. A step reads one of a few fixed texts, in turn, and computes its K exactly. The
loss has it with the weight `text_kl` times the legal mass. The texts are not those that side effects are
measured on (elicitation/capability.py).
"""

from __future__ import annotations

from typing import Any

import torch

from homines.core.types import Prompt
from homines.inference.logits import next_logprobs
from homines.inference.tokens import render
from homines.models.hf import HuggingFace

TURNS = (
    (
        "Can you explain why the sky is blue?",
        "Sunlight is scattered by the air, and blue light is scattered more than red light.",
    ),
    ("Name a fruit.", "An apple."),
    (
        "Write a short greeting to a new colleague.",
        "Welcome to the team! We are glad that you are here.",
    ),
)
"""Questions and answers, each in a conversation of its own."""
PROSE = (
    "The museum opens at nine and closes at five. Visitors may leave their coats at the entrance, and guided "
    "tours begin every hour in the main hall."
)


def everyday_texts(tokenizer: Any) -> list[tuple[int, ...]]:
    """The texts as tokens: conversations in the chat template's words, and prose."""
    talks = [render(tokenizer, Prompt((("user", asked),), ("x",))) + answer for asked, answer in TURNS]
    special = not tokenizer.chat_template
    tokens = [tokenizer(text, add_special_tokens=special).input_ids for text in talks]
    return [tuple(ids) for ids in (*tokens, tokenizer(PROSE, add_special_tokens=False).input_ids)]


class EverydayText:
    """K of the module's docstring, of a network as it is to what it was when this was made.

    weight   `text_kl`; at 0 nothing is read
    """

    def __init__(self, model: HuggingFace, net: Any, weight: float) -> None:
        self.weight, self.texts = weight, everyday_texts(model.tokenizer)
        self.before: list[torch.Tensor] = []
        if weight:
            training = net.training
            net.eval()
            with torch.no_grad():
                self.before = [next_logprobs(net, ids) for ids in self.texts]
            net.train(training)

    def kl(self, net: Any, step: int) -> torch.Tensor:
        """K of this network over the text that is this step's turn, with gradients."""
        turn = step % len(self.texts)
        before = self.before[turn]
        return (before.exp() * (before - next_logprobs(net, self.texts[turn]))).sum(-1).mean()

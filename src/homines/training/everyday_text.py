"""KL of a learner's next tokens in everyday text to the model before training: what must not change.

    K = mean_i KL(before(. | x_1 .. x_i) || now(. | x_1 .. x_i))

over every token i of a few fixed texts and the whole vocabulary, in nats: by so much the log perplexity of
text of the model's own would rise. One short pass a step computes it exactly. The loss has it with the weight
`text_kl` times the legal mass. The texts are not those that side effects are measured on
(elicitation/capability.py).
"""

from __future__ import annotations

from typing import Any

import torch

from homines.core.types import Prompt
from homines.inference.logits import text_logits
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
        self.texts, self.share, self.weight = everyday_texts(model.tokenizer), model.share, weight
        self.before = torch.empty(0)
        if weight:
            training = net.training
            net.eval()
            with torch.no_grad():
                self.before = self._read(net)
            net.train(training)

    def kl(self, net: Any) -> torch.Tensor:
        """K of this network, with gradients."""
        return (self.before.exp() * (self.before - self._read(net))).sum(-1).mean()

    def _read(self, net: Any) -> torch.Tensor:
        """Log-probabilities of every next token, [token, vocabulary]."""
        return text_logits(net, self.texts, share=self.share).log_softmax(-1)

"""`mock`: a stand-in without weights, for tests and for trying the command line.

`mock` answers by a hash of the prompt, always the same; `mock/uniform` gives every label the same
probability; `mock/slow` takes a tenth of a second per prompt; `mock/broken` fails on some prompts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from homines.core.types import Choice, HominesError, Prompt, digest

Handler = Callable[[Prompt], Choice]


class Mock:
    """Any function from a prompt to a choice, behind the `Model` protocol."""

    continues = True

    def __init__(self, handler: Handler, name: str = "mock") -> None:
        self.handler = handler
        self.name = name
        self.provenance: Mapping[str, Any] = {"revision": "mock-1"}

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        return [self.handler(prompt) for prompt in prompts]

    def write(self, prompts: Sequence[Prompt], how: Any) -> list[str]:
        """A plan and a price each, by a hash of its text and the seed; one in eight has no price."""
        out: list[str] = []
        for prompt in prompts:
            rng = np.random.default_rng(int(digest([prompt.text, how.seed]), 16))
            price = f"Price: {rng.uniform(1, 2):.2f}" if rng.random() > 1 / 8 else "Price: as before"
            out.append(f"Plans: watch the other firm\nInsights: lower prices sell more\n{price}")
        return out


def hashed(prompt: Prompt) -> Choice:
    """Logits in [-2, 2] and a mass in [0.6, 1], by a hash of the prompt's text and the answer's beginning."""
    rng = np.random.default_rng(int(digest(prompt.text + prompt.begins), 16))
    return Choice.of(rng.uniform(-2, 2, len(prompt.labels)), mass=float(rng.uniform(0.6, 1)))


def uniform(prompt: Prompt) -> Choice:
    return Choice.of(np.zeros(len(prompt.labels)))


def slow(prompt: Prompt) -> Choice:
    time.sleep(0.1)
    return hashed(prompt)


def broken(prompt: Prompt) -> Choice:
    if int(digest(prompt.text), 16) % 4 == 0:
        raise RuntimeError("this mock fails on a quarter of the prompts")
    return hashed(prompt)


HANDLERS: dict[str, Handler] = {"": hashed, "uniform": uniform, "slow": slow, "broken": broken}


def load(rest: str, adapters: tuple[str, ...], **_: Any) -> Mock:
    if rest not in HANDLERS:
        raise HominesError(f"no mock called {rest!r}; there are {', '.join(filter(None, HANDLERS))}")
    if adapters:
        raise HominesError(f"a mock takes no adapter, got {adapters[0]!r}")
    return Mock(HANDLERS[rest], f"mock/{rest}" if rest else "mock")

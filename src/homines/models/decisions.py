"""`decisions/NAME`: a service that answers typed questions with a probability for every option.

DECISIONS_BASE_URL is the address of the service (default http://127.0.0.1:8643, where `homines serve` is),
DECISIONS_API_KEY its key. The shapes are those of inference/decision_shapes.py, by the option `shape`. One
call for each prompt has a question for each balanced order of the options (elicitation/orders.py); the answer
is the mean over these orders. The prompt's text is the input, and the service adds words of its own, which it
does not tell.

Probabilities are normalised over the options. Where the service tells no label mass, the legal mass is not
known: the choice has mass 1 since it is given a legal answer, and the record says `normalised`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.checks import count
from homines.core.progress import Stop, never
from homines.core.redaction import redact
from homines.core.registry import settings
from homines.core.types import Choice, HominesError, Prompt
from homines.elicitation.orders import orders
from homines.inference.api_budget import METER, Size
from homines.inference.api_calls import CallFailed, growing_pause, wait
from homines.inference.api_options import Answer
from homines.inference.api_stream import AnswerStream
from homines.inference.decision_shapes import SHAPES, OptionQuestion, usage
from homines.inference.server import Server
from homines.models import refuse_placement
from homines.theory.choice import average_choice

ADDRESS = "http://127.0.0.1:8643"
VARIABLE = "DECISIONS_BASE_URL"
INSTRUCTIONS = "Which of these answers do you give?"
"""The question that is put to every input; the input itself ends by asking for one of the answers."""
TRIAL = Prompt((("user", "Answer with exactly yes or no."),), ("yes", "no"))
TOKENS_OUT = 32
"""Tokens of one answer, at most, in estimates before a call; services count few or none."""
BYTES_A_TOKEN = 4
"""Bytes of English text per token, about, for the estimate of a dry run."""
IDENTITY = ("model", "revision", "version", "certificate")
"""What `homines serve` says of itself in a reply's field `homines`."""
LONGEST = 200


@dataclass(frozen=True)
class DecisionOptions:
    """Options of a service of decisions.

    shape        decisions: POST /v1/decisions, as OpenAI has it; systemone: POST /v1/systemone
    connections  calls at once
    retries      of a call whose failure may be temporary
    """

    shape: str = "decisions"
    connections: int = 8
    retries: int = 6

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise HominesError(f"shape is {self.shape!r}; it must be one of {', '.join(SHAPES)}")
        count("connections", self.connections)
        count("retries", self.retries, 0)


class Decisions(AnswerStream):
    """A service of decisions behind the `Model` protocol."""

    def __init__(self, server: Server, served: str, options: DecisionOptions, *, name: str) -> None:
        super().__init__(options.connections)
        self.server = server
        self.served = served
        self.options = options
        self.name = name
        self.shape = SHAPES[options.shape]
        self.provenance: dict[str, Any] = {
            "revision": None,
            "served": served,
            "shape": options.shape,
            "instructions": INSTRUCTIONS,
        }
        self._tried = False

    # --- the Model protocol ----------------------------------------------------------------------

    def ready(self, stop: Stop = never) -> None:
        """One short call that shows whether the service answers; once. Raises HominesError where it refuses
        the key or the model, where no reply comes, and where the reply has another form."""
        if self._tried:
            return
        try:
            wait(self.answer(TRIAL), stop)
        except CallFailed as failure:
            raise HominesError(
                f"no service of decisions for {self.name}: {failure}; {failure.remedy(VARIABLE)} "
                "`homines serve MODEL` starts one"
            ) from None
        self._tried = True

    def estimate_cost(self, prompts: Sequence[Prompt]) -> dict[str, tuple[float, float]]:
        """Lower and upper bound of what these prompts will use; nothing is called. A call a prompt; a service
        reads the input once, or once for each order; dollars where there is a price."""
        low: Counter[str] = Counter(calls=len(prompts))
        high: Counter[str] = Counter(calls=len(prompts))
        for prompt in prompts:
            n = len(orders(len(prompt.labels), 1))
            text = sum(len(text.encode()) for _, text in prompt.messages) / BYTES_A_TOKEN
            low.update(input=round(text))
            high.update(input=round(2 * text * n), output=TOKENS_OUT * n)
        out: dict[str, tuple[float, float]] = {
            name: (low[name], high[name]) for name in ("calls", "input", "output")
        }
        if price := METER.budget.price:
            out["dollars"] = (price.of(low["input"], 0), price.of(high["input"], high["output"]))
        return out

    def keep(self, folder: Path, records: Sequence[Mapping[str, Any]]) -> AbstractContextManager[None]:
        """Write the usage of calls to the book of this run folder while the block runs."""
        return METER.keep(folder, list(records))

    def usage(self) -> dict[str, float]:
        """The usage of all calls of this process until now."""
        return METER.usage()

    def close(self) -> None:
        """Close the connections; the end of the process closes them too."""
        self.server.close()

    # --- calls -----------------------------------------------------------------------------------

    async def answer(self, prompt: Prompt, used: Counter[str] | None = None) -> Answer:
        """The mean over all orders of the options. Raises CallFailed, WrongReply, OverBudget."""
        used = Counter() if used is None else used
        if prompt.cue:
            raise HominesError(f"{self.name} does not think aloud; use asks=choice, or another model")
        arrangements = [row for (row,) in orders(len(prompt.labels), 1)]
        questions = [
            OptionQuestion(f"order_{i}", INSTRUCTIONS, tuple(prompt.labels[a] for a in row))
            for i, row in enumerate(arrangements)
        ]
        reply = await self._call(prompt, questions, used)
        answers = self.shape.answers(reply, questions)
        p = np.empty((len(answers), len(prompt.labels)))
        for k, (row, answer) in enumerate(zip(arrangements, answers, strict=True)):
            p[k, list(row)] = answer.p
        masses = [answer.mass for answer in answers if answer.mass is not None]
        known = len(masses) == len(answers)
        choice = average_choice([Choice.at(each) for each in p], float(np.mean(masses)) if known else 1.0)
        notes: dict[str, Any] = {
            "reading": "normalised by the service" if not known else "by the service, with its label mass",
            "by_order": [[list(row), each.tolist()] for row, each in zip(arrangements, p, strict=True)],
            "order_spread": float(np.ptp(p, axis=0).max()),
            "used": dict(used),
            "served": redact(str(reply.get("model"))[:LONGEST]),
        }
        if not known:
            notes["normalised"] = True
        return Answer(choice, notes | _identity(reply))

    async def _call(
        self, prompt: Prompt, questions: Sequence[OptionQuestion], used: Counter[str]
    ) -> dict[str, Any]:
        """The reply, requested again where a failure may be temporary; every try has room in the budget."""
        body = self.shape.request(self.served, prompt.messages, questions)
        texts = [text for _, text in prompt.messages]
        words = [" ".join((q.name, q.instructions, *q.options)) for q in questions]
        size = Size.of([*texts, *words], TOKENS_OUT * len(questions))
        for attempt in range(self.options.retries + 1):
            hold = await METER.room(size)
            try:
                reply = await self.server.call("POST", self.shape.path, json=body)
            except BaseException as failure:
                unsent = isinstance(failure, CallFailed) and failure.unsent
                (METER.free if unsent else METER.lose)(hold)
                again = isinstance(failure, CallFailed) and failure.temporary
                if not again or attempt == self.options.retries:
                    raise
            else:
                METER.add(hold, usage(reply), [], used)
                return reply
            pause = growing_pause(attempt)
            METER.used.update(again=1)
            METER.used["waited"] += round(pause)
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")


def _identity(reply: Any) -> dict[str, Any]:
    """What `homines serve` says of itself: its model, revision, version and certificate."""
    told = reply.get("homines")
    if not isinstance(told, dict):
        return {}
    known = {name: told[name][:LONGEST] for name in IDENTITY if isinstance(told.get(name), str)}
    return {"identity": known} if known else {}


def load(
    rest: str,
    adapters: tuple[str, ...],
    *,
    device: str | None = None,
    dtype: str | None = None,
    trust_remote_code: bool = False,
) -> Decisions:
    """Connect to NAME(options); nothing is called yet. Raises HominesError where there is no name, an option
    is not one of DecisionOptions, or an adapter is named."""
    served, bracket, arguments = rest.partition("(")
    if not served:
        raise HominesError("decisions/ needs the name of a model that its service has, as in decisions/NAME")
    options: DecisionOptions = settings(DecisionOptions, bracket + arguments)
    if adapters:
        served = "+".join((served, *adapters))  # `homines serve MODEL+ADAPTER` has this name
    refuse_placement(f"decisions/{served}, which its service runs", device=device, dtype=dtype)
    server = Server(environ.get(VARIABLE) or ADDRESS, environ.get("DECISIONS_API_KEY"), VARIABLE, "decisions")
    return Decisions(server, served, options, name="+".join((f"decisions/{rest}", *adapters)))

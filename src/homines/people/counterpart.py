"""Whom a person meets: a strategy or a model, asked once at each decision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from homines.core.capabilities import ChecksAccess, StatesFeatures, asks_of
from homines.core.catalogue import NAMES
from homines.core.plugins import names
from homines.core.registry import find, spell
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Decision, Frame, HominesError, Model, Order, Policy, Prompt, Record
from homines.elicitation.asking import measure
from homines.elicitation.metrics import average_by_decision
from homines.elicitation.orders import orders
from homines.elicitation.questions import Question, questions
from homines.models import PROVIDERS, behind, kinds, known, load
from homines.opponents import opponent
from homines.people.plan import SessionPlan


class Counterpart:
    """Whom the person meets. It is asked each decision once; its answers go into the run folder, if any."""

    def __init__(self, plan: SessionPlan, policy: Policy | Model, run: RunFolder | None = None) -> None:
        self.policy, self.frame, self.run = policy, find("frames", plan.frame), run
        self.name = policy.name if isinstance(policy, Model) else plan.against
        self._known: dict[tuple[str, str], Choice] = {}
        self.records: dict[str, Record] = {}

    def __call__(self, game: str, ds: Sequence[Decision]) -> list[Choice]:
        """Its choice at each decision. Raises HominesError where it has none to give."""
        new = list({d.key: d for d in ds if (game, d.key) not in self._known}.values())
        if new:
            answers = self._model(game, new) if isinstance(self.policy, Model) else self._strategy(game, new)
            self._known |= {(game, d.key): choice for d, choice in answers}
        return [self._known[game, d.key] for d in ds]

    def _model(self, game: str, ds: Sequence[Decision]) -> list[tuple[Decision, Choice]]:
        """Every balanced order of the words is asked, and the answers averaged."""
        model = self.policy
        assert isinstance(model, Model)
        due = questions(model, {game: ds}, [self.frame])
        stored = {} if self.run is None else self.run.done
        known = [r for q in due if (r := stored.get(q.record.key)) is not None and r.choice is not None]
        keys = {r.key for r in known}
        fresh = measure(model, [q for q in due if q.record.key not in keys])
        self._keep(fresh, known, [q.prompt for q in due])
        pairs = average_by_decision([*known, *fresh])
        failed = next((r.error for r in fresh if r.error), None)  # without it the orders would not balance
        if failed or len(pairs) < len(ds):
            raise HominesError(
                f"{self.name} gave no answer in {game} ({failed or 'no probability on any legal answer'}); "
                "your answers are kept, go on to ask it again"
            )
        return pairs

    def _strategy(self, game: str, ds: Sequence[Decision]) -> list[tuple[Decision, Choice]]:
        policy = self.policy
        assert not isinstance(policy, Model)
        pairs = list(zip(ds, policy(ds), strict=True))
        records: list[Record] = []
        prompts: list[Prompt] = []
        for d, choice in pairs:
            order = orders(len(d.actions), self.frame.places)[0]
            question = pose(self.name, game, d, self.frame, order, "strategy")
            records.append(replace(question.record, choice=choice))
            prompts.append(question.prompt)
        self._keep(records, prompts=prompts)
        return pairs

    def _keep(
        self, fresh: Sequence[Record], known: Sequence[Record] = (), prompts: Sequence[Prompt] = ()
    ) -> None:
        if self.run is not None:
            self.run.keep(prompts)
            self.run.add([r for r in fresh if r.key not in self.run.done or self.run.done[r.key].error])
        self.records |= {r.key: r for r in (*known, *fresh)}


def pose(
    who: str, game: str, d: Decision, frame: Frame, order: Order, revision: str, **more: Any
) -> Question:
    """A question to one who is no model.

    revision   sets apart questions that are asked twice; more: what else the record's provenance says
    """
    prompt = frame(d, order)
    about = {"revision": revision, "prompt": prompt.key, **more}
    record = Record(d, spell(frame), order, prompt.labels, who, game, provenance=about, asks=asks_of(frame))
    return Question(record, prompt)


def opponent_or_model(spec: str, **placement: Any) -> Policy | Model:
    """The MODEL, with adapters or without, or the strategy that a spec names.

    placement   device and dtype of a model

    Raises HominesError where it names neither, and for a model behind an API that gives no log-probabilities:
    it could only be sampled.
    """
    spec = spec.strip()
    if known(spec):
        try:
            model = load(spec, **placement)
        except OSError as failure:  # a name that is too long for a folder's
            raise HominesError(
                f"{spec[:80]!r} cannot be opened ({failure.strerror}); name a folder that is there"
            ) from failure
        if behind(spec):
            _check_log_probabilities(model, spec)
        return model
    word = spec.partition("(")[0]
    if ":" in word or word in names("opponents"):
        return opponent(spec)
    first = re.split(r"[/+(]", spec, maxsplit=1)[0].strip()
    choices = (*kinds(), *names("opponents"), *PROVIDERS)
    near = get_close_matches(first.lower(), choices, n=1)
    hint = f"; did you mean {near[0] + ('/NAME' if near[0] in PROVIDERS else '')!r}?" if near else "."
    raise HominesError(f"no model and no opponent called {spec[:80]!r}{hint} {_offered()}")


def _offered() -> str:
    """Whom a person can meet."""
    return (
        f"Models you can meet: {', '.join(NAMES)}, hf/FOLDER-OR-HUB-ID, vllm/NAME, sglang/NAME, "
        "llamacpp/NAME, any of these with +ADAPTER, and PROVIDER/NAME where the provider tells "
        "log-probabilities; strategies: "
        f"{', '.join(names('opponents'))}, axelrod:NAME, module:object"
    )


def _check_log_probabilities(model: Any, spec: str) -> None:
    """Raise HominesError where a model behind an API gives no probabilities; one short call finds out."""
    if isinstance(model, ChecksAccess):
        model.ready()
    if isinstance(model, StatesFeatures) and model.features is not None and not model.features.top:
        raise HominesError(
            f"{spec}: its probabilities cannot be read here, as no log-probabilities came, and counting "
            f"answers would take many calls for every move. {_offered()}"
        )

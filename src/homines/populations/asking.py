"""Asking the models of a population, and its payoff matrix from the policies of all agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from homines.atlases.collection import row_folder
from homines.core.format import count
from homines.core.progress import QUIET, Follow
from homines.core.run_folder import RunFolder
from homines.core.types import Array, HominesError, Model, Policy, Record
from homines.elicitation.asking import measure
from homines.elicitation.metrics import average_by_decision, mass, rarely_legal
from homines.elicitation.policies import RecordedPolicy
from homines.elicitation.questions import Question, questions
from homines.models import load
from homines.populations.kinds import AgentKind, agent_kind, policy_of
from homines.populations.plan import PopulationPlan
from homines.reports.comparison_page import adapted, unique_names
from homines.theory.pair_payoffs import Lapsing, payoff_matrix


@dataclass(frozen=True, eq=False)
class Member:
    """An agent of a population.

    name      unique on the page
    policy    None of a model that has no answer to play by; `missing` then says what it lacks
    run       of a model: its run folder; records: its answers
    """

    name: str
    spec: str
    kind: AgentKind
    policy: Policy | None
    missing: str = ""
    run: RunFolder | None = None
    records: tuple[Record, ...] = ()

    @property
    def mass(self) -> float | None:
        """Mean legal mass of a model's answers."""
        found = mass(self.records)
        return None if found is None else float(found)

    @property
    def weak(self) -> bool:
        """Whether it is a model that rarely answers legally."""
        return self.kind == "model" and rarely_legal(self.records)


@dataclass(frozen=True, eq=False)
class Population:
    """The agents of a plan and what each gets from each.

    members   those who can play, in the order of the plan; left_out: models without an answer to play by
    """

    folder: Path
    plan: PopulationPlan
    members: list[Member]
    left_out: list[Member]

    @property
    def names(self) -> list[str]:
        return [member.name for member in self.members]

    @property
    def everyone(self) -> list[Member]:
        return [*self.members, *self.left_out]

    @property
    def failed(self) -> int:
        """Questions without an answer."""
        return sum(r.error is not None for member in self.everyone for r in member.records)

    @cached_property
    def matrix(self) -> Array:
        """a[i, j]: what i gets from j a round, shape [member, member]."""
        policies = [Lapsing(m.policy, self.plan.lapse) for m in self.members if m.policy is not None]
        return payoff_matrix(self.plan.form, policies)


def plan_questions(
    plan: PopulationPlan, loaded: Mapping[str, Model] | None = None
) -> Iterator[tuple[str, Model, list[Question]]]:
    """(name, model, questions) of each model of a plan, one loaded at a time."""
    for name in plan.models:
        model = (loaded or {}).get(name) or load(str(name), **plan.placement)
        yield name, model, ask(plan, model)


def ask(plan: PopulationPlan, model: Model) -> list[Question]:
    """Every situation of the game in every frame and order: a model's whole policy."""
    return questions(model, {str(plan.game): plan.situations()}, plan.frames)


def population(
    plan: PopulationPlan,
    folder: Path,
    *,
    loaded: Mapping[str, Model] | None = None,
    command: str = "",
    follow: Follow = QUIET,
) -> Population:
    """Ask every model of a plan what its run folder does not hold, and let all agents meet.

    loaded   models in memory, by their name in the plan
    Raises HominesError for what cannot be asked or played, before a model is loaded, and where fewer than two
    agents can play (all answers are kept); Interrupted where `follow.stop` says so: the same call goes on.
    """
    plan.check()
    names = dict(
        zip(plan.agents, unique_names([[adapted(m) or m, m] for m in map(str, plan.agents)]), strict=True)
    )
    everyone: list[Member] = []
    for spec in plan.agents:
        if agent_kind(spec) != "model":
            policy = policy_of(spec, plan.precision)
            everyone.append(Member(names[spec], str(spec), agent_kind(spec), policy))
            continue
        with RunFolder(row_folder(folder, str(spec)), plan.config(spec, command)) as run:
            follow.say(f"loading {spec}")
            model = (loaded or {}).get(spec) or load(str(spec), **plan.placement)
            asked = ask(plan, model)
            tell = follow.begin(f"asking {spec}", len(asked))
            records = measure(
                model, asked, run, progress=lambda done, _, tell=tell: tell(done), stop=follow.stop
            )
            del model  # the next one needs the memory
        everyone.append(_model(names[spec], str(spec), plan, run, records))
    members = [m for m in everyone if m.policy is not None]
    if len(members) < 2:
        lacking = "; ".join(m.missing for m in everyone if m.missing)
        raise HominesError(
            f"{lacking}: with {count(len(members), 'agent')} left there is no population; its answers are "
            f"kept in {folder}. Name other models, or other words (--frame, --labels)"
        )
    return Population(folder, plan, members, [m for m in everyone if m.policy is None])


def _model(name: str, spec: str, plan: PopulationPlan, run: RunFolder, records: list[Record]) -> Member:
    """A model by its answers; without a policy where a situation has no legal answer."""
    about: dict[str, Any] = {"run": run, "records": tuple(records)}
    need = {d.key for d in plan.situations()}
    if lacking := len(need - {d.key for d, _ in average_by_decision(records)}):
        failed = sum(r.error is not None for r in records)
        why = f"{count(failed, 'question')} failed" if failed else "no probability is on a legal answer"
        missing = f"{name} has no answer in {lacking} of {len(need)} situations ({why})"
        return Member(name, spec, "model", None, missing, **about)
    return Member(name, spec, "model", RecordedPolicy.of(records, symmetric=True), **about)

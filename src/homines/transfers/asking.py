"""Asking the models of a plan its scenarios, each in a run folder of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from homines.atlases.collection import row_folder
from homines.core.format import join, texts
from homines.core.progress import QUIET, Follow
from homines.core.run_folder import RunFolder, StoreError, read_json
from homines.core.types import Model
from homines.elicitation.asking import measure
from homines.elicitation.questions import Question
from homines.elicitation.scenario_file import ScenarioSet
from homines.elicitation.scenarios import questions
from homines.models import load
from homines.reports.comparison_page import adapted, unique_names
from homines.transfers.plan import TransferPlan
from homines.transfers.rates import Agent


@dataclass(frozen=True, eq=False)
class Transfer:
    """The answers of every model of a plan, the first model first.

    folder   with a run folder a model; runs: these
    """

    folder: Path
    scenarios: ScenarioSet
    agents: list[Agent]
    runs: list[RunFolder]

    @property
    def failed(self) -> int:
        """Questions without an answer."""
        return sum(agent.failed for agent in self.agents)

    @property
    def first(self) -> Agent:
        return self.agents[0]

    @property
    def others(self) -> list[Agent]:
        """The agents that are compared with the first."""
        return self.agents[1:]


def plan_questions(
    plan: TransferPlan, loaded: Mapping[str, Model] | None = None
) -> Iterator[tuple[str, Model, list[Question]]]:
    """(name, model, questions) of each model of a plan, one loaded at a time."""
    for name in plan.models:
        model = (loaded or {}).get(name) or load(str(name), **plan.placement)
        yield name, model, questions(model, plan.set)


def transfer(
    plan: TransferPlan,
    folder: Path,
    *,
    loaded: Mapping[str, Model] | None = None,
    command: str = "",
    follow: Follow = QUIET,
) -> Transfer:
    """Ask every model of a plan what its run folder does not hold.

    loaded   models in memory, by their name in the plan
    Raises HominesError for what cannot be asked, before a model is loaded; Interrupted where `follow.stop`
    says so: all answers until then are kept, and the same call goes on.
    """
    plan.check()
    runs: list[RunFolder] = []
    for name in plan.models:
        place = row_folder(folder, str(name))
        with RunFolder(place, plan.config(name, command)) as run:
            follow.say(f"loading {name}")
            model = (loaded or {}).get(name) or load(str(name), **plan.placement)
            asked = questions(model, plan.set)
            tell = follow.begin(f"asking {name}", len(asked))
            measure(model, asked, run, progress=lambda done, _, tell=tell: tell(done), stop=follow.stop)
            del model  # the next one needs the memory
        runs.append(run)
    names = unique_names([[adapted(m) or m, m] for m in map(str, plan.models)])
    agents = [
        Agent(name, str(model), training_of(str(model)), plan.set, run.records)
        for name, model, run in zip(names, plan.models, runs, strict=True)
    ]
    return Transfer(folder, plan.set, agents, runs)


def training_of(model: str) -> str:
    """What a model's adapter was trained for and on, in words, where it lies in the run folder that made it;
    'untrained' of a model without adapters, empty where nothing is known."""
    _, *adapters = model.split("+")
    if not adapters:
        return "untrained"
    told: list[str] = []
    for adapter in adapters:
        folder = Path(adapter).expanduser().parent
        try:
            config = read_json(folder, "config.json") if (folder / "config.json").exists() else {}
        except StoreError:
            continue
        games = texts(config.get("training_games")) or texts(config.get("game")) or texts(config.get("games"))
        aim, data = texts(config.get("preference")), texts(config.get("data"))
        about = [*aim, *([f"in {join(games)}"] if games else []), *([f"on {data[0]}"] if data else [])]
        told += [" ".join(about)] if about else []
    return "; ".join(told)

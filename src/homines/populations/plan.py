"""A population: which agents meet in which game, how they are matched, and how many they are.

FOLDER/MODEL-DIGEST/   a run folder, as any other: what a model was asked and answered
FOLDER/report.html     the page; FOLDER/population.json: settings, versions and figures
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from homines.core.capabilities import asks_of, memory_of
from homines.core.checks import count, number
from homines.core.options import DEVICE, DTYPE, LABELS, TRUST_REMOTE_CODE, option, required
from homines.core.registry import find
from homines.core.run_folder import default_folder
from homines.core.types import Decision, Frame, HominesError
from homines.elicitation.questions import without_past
from homines.elicitation.survey import frame_specs
from homines.populations.kinds import agent_kind, canonical, policy_of
from homines.theory.game_forms import NormalForm, Repeated
from homines.theory.moran import MOST_AGENTS
from homines.theory.pair_payoffs import shared_memory, symmetric_stage
from homines.theory.population import MOST_TYPES

KIND = "population"


@dataclass(frozen=True, kw_only=True)
class PopulationPlan:
    """Agents, their game, and the population that they are in."""

    agents: tuple[str, ...] = required(
        "Two or more: models, strategies (tit_for_tat), theory agents (moralis(kappa=0.5)).", "agents"
    )
    game: str = option("ipd", "Symmetric game of two players, repeated or played once.")
    frame: str = option("table", "Words in which models are asked.")
    labels: tuple[str, ...] | None = option(None, LABELS)
    swap: bool = option(True, "Models also with the labels the other way round.")
    sigma: tuple[float, ...] = option(
        (0.0,), "Assortment: how often one meets its own kind for sure, 0 to 1; repeat for several."
    )
    size: int = option(100, "Agents in the finite population.")
    selection: float = option(0.1, "How much a point counts for being copied; 0: nothing.")
    precision: float | None = option(None, "Of theory agents' choices, 0 random; default: best responses.")
    lapse: float = option(0.0, "Share of every agent's choices made at random.")
    device: str | None = option(None, DEVICE)
    dtype: str | None = option(None, DTYPE)
    trust_remote_code: bool = option(False, TRUST_REMOTE_CODE)

    def __post_init__(self) -> None:
        if len(self.agents) < 2:
            raise HominesError(
                f"a population of {len(self.agents)} kind of agent cannot change; name two or more"
            )
        if len(self.agents) > MOST_TYPES:
            raise HominesError(f"{len(self.agents)} agents are more than {MOST_TYPES}; name fewer")
        object.__setattr__(self, "sigma", tuple(dict.fromkeys(map(_share, self.sigma))))
        if not self.sigma:
            raise HominesError("no assortment is given; give sigma a number from 0 to 1, such as 0")
        count("population size", self.size, 2, MOST_AGENTS)
        number("selection", self.selection, 0)
        number("lapse", self.lapse, 0, 1)
        if self.precision is not None:
            number("precision", self.precision, 0)

    def check(self) -> None:
        """Raise HominesError for what cannot be asked or played; no model is loaded, no folder made."""
        by_name: dict[str, str] = {}
        for spec in self.agents:
            if (name := canonical(spec)) in by_name:
                same = by_name[name]
                both = f"{same} is named twice" if same == spec else f"{same} and {spec} are one agent"
                raise HominesError(f"{both}; name each agent once")
            by_name[name] = spec
        symmetric_stage(self.form)
        for frame in self.frames:
            if memory_of(frame) != 1 or asks_of(frame) != "choice":
                raise HominesError(
                    f"frame {self.frame} must ask for a choice and tell one past round: a model's answers "
                    "are then its whole policy; drop memory= and asks="
                )
        policies = [(spec, policy_of(spec, self.precision)) for spec in self.others]
        for spec, policy in policies:
            memory = shared_memory([policy])
            try:
                policy(self.situations(memory))
            except HominesError as failure:
                raise HominesError(f"{spec} cannot play {self.game}: {failure}") from failure

    @cached_property
    def form(self) -> Repeated | NormalForm:
        """The game; one that is repeated for one round is played once. It may be of another form before
        `check`."""
        return without_past(find("games", self.game))

    def situations(self, memory: int = 1) -> tuple[Decision, ...]:
        """Every decision that a player of this memory meets: with nothing past, and in every state."""
        game = self.form
        if isinstance(game, NormalForm):
            return (game.seat(0),)
        later = (d for m in range(1, memory + 1) for d in game.remembered(0, m))
        return (game.seat(0), *later)

    @property
    def frame_specs(self) -> list[str]:
        return frame_specs(self.form, (self.frame,), self.labels, swap=self.swap)

    @property
    def frames(self) -> list[Frame]:
        return [find("frames", spec) for spec in self.frame_specs]

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(spec for spec in self.agents if agent_kind(spec) == "model")

    @property
    def others(self) -> tuple[str, ...]:
        """Strategies and theory agents."""
        return tuple(spec for spec in self.agents if agent_kind(spec) != "model")

    @property
    def placement(self) -> dict[str, Any]:
        """How a model is loaded."""
        return {name: getattr(self, name) for name in ("device", "dtype", "trust_remote_code")}

    def config(self, model: str, command: str = "") -> dict[str, Any]:
        """The resolved config of a model's run folder; what is computed from its answers is not in it."""
        return {
            "kind": KIND,
            "command": command,
            "model": str(model),
            "games": [str(self.game)],
            "frames": list(map(str, self.frame_specs)),
            "device": self.device,
            "dtype": self.dtype,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """All settings, as the page and population.json tell them."""
        asked = {name: x for name, x in self.config("").items() if name not in ("model", "command")}
        return {
            **asked,
            "agents": list(map(str, self.agents)),
            "sigma": list(self.sigma),
            "size": self.size,
            "selection": self.selection,
            "precision": self.precision,
            "lapse": self.lapse,
        }

    @property
    def folder(self) -> Path:
        """The folder where none is named: one a game and its words, so that agents can be added."""
        return default_folder(f"population-{self.game}", self.config(""))


def _share(value: Any) -> float:
    """A sigma that was typed, as a number."""
    try:
        sigma = float(value)
    except (TypeError, ValueError) as failure:
        raise HominesError(f"sigma {value!r} is no number; give one from 0 to 1") from failure
    number("sigma", sigma, 0, 1)
    return sigma

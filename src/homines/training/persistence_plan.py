"""The plan of `homines persist`: which questions, under which conditions; light to import, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from homines.core.capabilities import AsksFor, memory_of, variant
from homines.core.checks import count
from homines.core.options import DEVICE, DTYPE, LABELS, MODEL, TRUST_REMOTE_CODE, option, required
from homines.core.registry import find, spell
from homines.core.run_folder import default_folder
from homines.core.types import HominesError, Model
from homines.elicitation.conditions import PLAIN, condition, conditions
from homines.elicitation.questions import Question, battery, questions, without_past
from homines.elicitation.survey import Survey, thinking
from homines.frames.under import Under
from homines.inference.reasoning import ReasoningOptions
from homines.models import trainable
from homines.models.mock import Mock, uniform
from homines.training.settings import SupervisedSettings, TuningPlan

KAPPA_GAMES = tuple(
    f"symmetric(reward={r}, sucker={s}, temptation={t}, punishment={p}, rounds=1, share={share})"
    for r, s, t, p, share in (
        (9, 1, 8, 2, 0.2),
        (3, 1, 1, 6, 0.8),
        (3, 2, 4, 1, 0.8),
        (1, 8, 4, 5, 0.2),
        (8, 6, 7, 7, 0.2),
        (4, 8, 1, 7, 0.8),
        (5, 2, 6, 4, 0.8),
        (1, 7, 1, 3, 0.2),
        (9, 5, 8, 8, 0.2),
        (8, 5, 3, 9, 0.8),
        (2, 3, 9, 1, 0.8),
        (1, 9, 1, 2, 0.2),
    )
)
"""Symmetric games with a stated belief, each indifferent at another kappa between .08 and .85: the first
action is the better one above it, below it, in turn. Such beliefs tell kappa from aversion to inequity."""
MOST_ORDERS = 2
"""An order of the options and its reverse; all of them would double the work."""


@dataclass(frozen=True, kw_only=True)
class PersistencePlan:
    """What is asked, under which conditions. Every field is a spec or a setting.

    conditions   names of elicitation/conditions.toml; None: all
    tune         rows of plain instructions, answered by the model without its adapters; 0: none
    """

    model: str = required(MODEL, "model")
    to: str | None = option(None, "Preference whose answers are counted, as moralis(kappa=1).")
    games: tuple[str, ...] = option(
        ("ipd", *KAPPA_GAMES), "Game; default: ipd and 12 that tell kappa; repeat for several.", "--game"
    )
    frames: tuple[str, ...] = option(("table",), "Frame, as table; repeat for several.", "--frame")
    labels: tuple[str, ...] | None = option(None, LABELS)
    conditions: tuple[str, ...] | None = option(
        None, f"Condition, of {', '.join(conditions())}; default: all.", "--condition"
    )
    tune: int = option(0, "Also after training on this many plain instructions, as 100.", low=0)
    aloud: bool = option(False, "Ask to think aloud before the answer.")
    traces: int = option(1, "Reasons sampled, thinking aloud.", low=1)
    temperature: float = option(0.0, "Of those reasons; 0: likeliest words.")
    think: int = option(192, "Tokens of a reason, at most.", low=1)
    seed: int = option(0, "Of the reasons, and of the training.")
    side_effects: bool = option(True, "Ask everyday questions under every condition.", "--check/--no-check")
    device: str | None = option(None, DEVICE)
    dtype: str | None = option(None, DTYPE)
    trust_remote_code: bool = option(False, TRUST_REMOTE_CODE)

    def __post_init__(self) -> None:
        count("tune", self.tune, 0)
        for name in self.names:
            condition(name)
        if self.to is not None:
            object.__setattr__(self, "to", spell(find("preferences", self.to)))
        if self.tune and not trainable(self.model):
            raise HominesError(
                f"tune is {self.tune}, and the weights of {self.model} are out of reach; drop --tune, or use "
                "qwen-0.5b or hf/..."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The conditions, each once."""
        return tuple(conditions()) if self.conditions is None else tuple(dict.fromkeys(self.conditions))

    @cached_property
    def words(self) -> dict[str, list[str]]:
        """The frame specs of each game, without a condition. Raises HominesError for an unknown spec."""
        words = Survey(self.model, self.games, self.frames, self.labels, beliefs=False).words()
        if not self.aloud:
            return words
        return {game: [_aloud(spec) for spec in specs] for game, specs in words.items()}

    def check(self) -> None:
        """Raise HominesError for what cannot be asked, as too few labels for a game; no model is loaded."""
        self._questions(Mock(uniform), (PLAIN, *self.names))

    @property
    def reasoning(self) -> ReasoningOptions:
        return ReasoningOptions(self.traces, self.temperature, self.think, self.seed)

    @property
    def placement(self) -> dict[str, Any]:
        """How the model is loaded."""
        return {name: getattr(self, name) for name in ("device", "dtype", "trust_remote_code")}

    @property
    def tuning(self) -> TuningPlan:
        """The plan of the plain instruction tuning."""
        course = SupervisedSettings(by="sft", plain=self.tune, text_kl=0.0, seed=self.seed)
        return TuningPlan(self.model, "", course, self.reasoning, **self.placement)

    def config(self, command: str = "") -> dict[str, Any]:
        """The resolved config of the run folder."""
        how = {name: getattr(self, name) for name in ("traces", "temperature", "think", "seed")}
        return {
            "kind": "persist",
            "command": command,
            "model": self.model,
            "preference": self.to,
            "games": list(self.games),
            "frames": sorted({spec for specs in self.words.values() for spec in specs}),
            "conditions": list(self.names),
            "tune": self.tune,
            "device": self.device,
            "dtype": self.dtype,
            **(how if self.aloud else {}),
        }

    @property
    def folder(self) -> Path:
        """The run folder where none is named."""
        return default_folder(f"persist-{self.model}", self.config())

    def questions(self, model: Model, names: Sequence[str]) -> list[Question]:
        """Every decision of every game under each of these conditions."""
        if self.aloud:
            thinking(model, **vars(self.reasoning))
        return self._questions(model, names)

    def _questions(self, model: Model, names: Sequence[str]) -> list[Question]:
        """The same of a model that need not reason."""
        out: list[Question] = []
        for name in names:
            for game, specs in self.words.items():
                for spec in specs:
                    frame = find("frames", spec)
                    decisions = battery(without_past(find("games", game)), int(memory_of(frame)))
                    under = frame if name == PLAIN else Under(name, spec)
                    out += questions(model, {game: decisions}, [under], most=MOST_ORDERS)
        return out


def _aloud(spec: str) -> str:
    frame = find("frames", spec)
    if not isinstance(frame, AsksFor):
        raise HominesError(f"frame {spec} cannot ask to think aloud; leave out --aloud, or use another frame")
    return spell(variant(frame, asks="aloud"))

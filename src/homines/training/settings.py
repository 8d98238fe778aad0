"""Plans and settings of every training; each field is an option with its help.

Light to import (no network library): the command line reads its options here.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homines.core.capabilities import Remembers, variant
from homines.core.catalogue import NAMES
from homines.core.checks import count, number
from homines.core.options import (
    BENCHMARK,
    DEVICE,
    DTYPE,
    MODEL,
    RANK,
    REPORT_TO,
    REWORDINGS,
    SAVE_EVERY,
    SEED,
    SIDE_EFFECTS,
    TRUST_REMOTE_CODE,
    option,
    required,
)
from homines.core.registry import find, spell
from homines.core.types import HominesError
from homines.inference.reasoning import ReasoningOptions
from homines.theory.game_forms import Repeated
from homines.training.schedule import Phase, schedule, spell_schedule

if TYPE_CHECKING:
    from homines.datasets.recipe import Recipe
    from homines.datasets.row import Row

ROADS = ("rl", "grpo", "rloo")
DATA_ROADS = ("sft", "distill")
PRODUCTS = ("auto", "float32", "bfloat16")
PROMPTS_OF_PASS = 4
"""Prompts in one pass of a sampled road: the states of a two-player game with two actions, remembered for one
round."""
MOST_MEASURED = 64
"""States of a game that are all measured; where there are more, those of one round are."""


@dataclass(frozen=True)
class Settings:
    """How to train. Rewards are in points of the preference's utility."""

    objective: str = option("myopic", "myopic, or discounted through the chain.")
    gamma: float = option(0.9, "Discount a round (discounted).")
    illegal: float = option(-6.0, "Reward of an illegal answer.")
    kl: float = option(0.05, "Last weight of KL to the reference; 0: none.")
    """Last weight of the KL to the model before training, in points per nat: 1/precision; 0: no KL at all."""
    kl_start: float = option(3.0, "First weight; falls to --kl.")
    """First weight; it falls geometrically to `kl` over `kl_steps`. About the
    spread of the payoffs: large enough that no state settles before the states are told apart. Where it
    is not above the last weight, that one holds throughout."""
    kl_steps: int = option(16, "Steps over which it falls, at most two thirds of a phase; 0: those.")
    kl_between: float = option(0.3, "Last weight in a phase that another follows.")
    """A policy that has settled for good has no gradient left to unlearn with (it scales with p (1 - p))."""
    kl_limit: float = option(20.0, "Stop where the KL passes so many nats.")
    """Training stops where the KL of the answers passes this many nats. It can only where the model thought
    an answer less likely than exp(-kl_limit); a fall of the legal mass stops it in any case."""
    text_kl: float = option(1.0, "Weight of KL to the reference on everyday text; 0: none.")
    """Weight of the KL to the model before training on everyday text (training/everyday_text.py), in points
    per nat: a rise of perplexity by 1%, .01 nats a token, costs a hundredth of a point at 1."""
    steps: int = option(24, "Optimiser steps of a phase that names none, at most.")
    until: float = option(0.05, "Stop once training prompts have at most this regret; 0: all steps.")
    """Regret in points (training/stopping.py). It stops an exact training of all states for one preference,
    which names no steps, by the myopic return; any other takes all its steps."""
    sets: int = option(1, "Prompt sets a pass (a set: every state once).")
    accumulation: int = option(1, "Passes an optimiser step.")
    sample: int = option(0, "Walk so many players through the game, on policy; 0: all states.")
    generations: int = option(8, "Completions sampled a prompt (grpo, rloo).")
    completion: int = option(32, "Most tokens of a completion (grpo, rloo).")
    """A completion that is cut there is illegal."""
    temperature: float = option(1.0, "Sampling temperature (grpo, rloo).")
    lr: float = option(3e-4, "Learning rate.")
    rank: int = option(64, RANK)
    seed: int = option(0, SEED)
    save_every: int = option(10, SAVE_EVERY)
    report_to: str = option("none", REPORT_TO)

    def kl_at(self, done: int, steps: int, *, last: bool = True) -> float:
        """KL weight when so many steps of a phase of `steps` are done.

        A higher --steps, which is but the most that are taken, thus leaves the way of the weight as it is.
        """
        if self.kl == 0:
            return 0.0
        end = self.kl if last else max(self.kl, self.kl_between)
        if self.kl_start <= end:
            return end
        way = min(1.0, done / min(self.kl_steps or math.inf, 2 * steps / 3))
        return self.kl_start ** (1 - way) * end**way

    def __post_init__(self) -> None:
        rules: list[tuple[str, bool, str]] = [
            ("objective", self.objective in ("myopic", "discounted"), "be myopic or discounted"),
            ("gamma", 0 <= self.gamma < 1, "lie in [0, 1)"),
            ("kl", 0 <= self.kl < float("inf"), "be at least 0"),
            ("kl_start", 0 <= self.kl_start < float("inf"), "be at least 0"),
            ("kl_steps", self.kl_steps >= 0, "be at least 0 (0 takes two thirds of a phase)"),
            ("text_kl", 0 <= self.text_kl < float("inf"), "be at least 0"),
            ("until", 0 <= self.until < float("inf"), "be at least 0 (0 takes all steps)"),
            ("kl_between", 0 <= self.kl_between < float("inf"), "be at least 0"),
            ("kl_limit", self.kl_limit > 0, "be above 0"),
            ("seed", 0 <= self.seed < 2**32, "lie in [0, 2^32)"),
            ("illegal", math.isfinite(self.illegal), "be a number"),
            ("steps", self.steps >= 1, "be at least 1"),
            ("sets", self.sets >= 1, "be at least 1"),
            ("accumulation", self.accumulation >= 1, "be at least 1"),
            ("sample", self.sample >= 0, "be at least 0 (0 asks every state)"),
            ("generations", self.generations >= 2, "be at least 2 (they are compared with each other)"),
            ("completion", self.completion >= 1, "be at least 1"),
            ("temperature", 0 < self.temperature < float("inf"), "be above 0"),
            ("lr", 0 < self.lr < 1, "lie in (0, 1)"),
            ("rank", self.rank >= 0, "be at least 0 (0 trains all weights)"),
            ("save_every", self.save_every >= 1, "be at least 1"),
        ]
        for name, holds, rule in rules:
            if not holds:
                raise HominesError(f"{name} is {getattr(self, name)!r}; it must {rule}")
        if self.sample and self.objective == "discounted":
            raise HominesError(
                "the discounted return needs every state of the chain; use --objective myopic with --sample"
            )


@dataclass(frozen=True)
class SupervisedSettings:
    """How to go through the rows."""

    by: str = option("sft", "sft (reasons and answers) or distill (the exact choice).")
    epochs: float = option(1.0, "Times each row is seen.")
    batch: int = option(4, "Rows an optimiser step.", low=1)
    lr: float | None = option(None, "Learning rate; 3e-4 with LoRA (distill: 1e-3), else 1e-4.")
    rank: int = option(64, RANK)
    text_kl: float = option(1.0, "Weight of KL to the reference on everyday text (sft); 0: none.")
    """As in `Settings`, here in nats a nat of the loss."""
    plain: int = option(0, "Everyday requests, answered by the model before, among the rows (sft).", low=0)
    products: str = option("auto", "Matrix products of sft: float32, bfloat16, or auto (the faster).")
    """Weights, adapters, their optimiser and every measurement keep the type of the weights."""
    seed: int = option(0, SEED)
    save_every: int = option(10, SAVE_EVERY)
    report_to: str = option("none", REPORT_TO)

    def __post_init__(self) -> None:
        if self.by not in DATA_ROADS:
            raise HominesError(f"no road called {self.by!r}; data are taught by {', '.join(DATA_ROADS)}")
        if not 0 < self.epochs < 1e4:
            raise HominesError(f"epochs is {self.epochs}; it must be above 0")
        if self.lr is not None and not 0 < self.lr < 1:
            raise HominesError(f"lr is {self.lr}; it must lie in (0, 1)")
        for name in ("batch", "save_every"):
            count(name, getattr(self, name))
        count("rank", self.rank, 0)
        number("text_kl", self.text_kl, 0)
        count("plain", self.plain, 0)
        if self.products not in PRODUCTS:
            raise HominesError(f"products is {self.products!r}; there are {', '.join(PRODUCTS)}")

    def steps(self, rows: int) -> int:
        """Optimiser steps for so many rows; the last one may see some again."""
        return max(1, math.ceil(round(rows * self.epochs / self.batch, 9)))

    @property
    def rate(self) -> float:
        if self.lr is not None:
            return self.lr
        return (3e-4 if self.by == "sft" else 1e-3) if self.rank else 1e-4


@dataclass(frozen=True)
class AlignmentPlan:
    """What to align, to what, on what, and what to verify it on. Every field is a spec or a setting."""

    model: str = required(MODEL, "model")
    preference: str = required(
        'Preference, as moralis(kappa=0.5), or schedule: "economicus:16 -> utilitarian:20".', "--to"
    )
    by: str = option("rl", "Road: rl (exact), grpo or rloo (sampled).")
    warmup: int = option(0, "Exact steps to legal answers before a sampled road.")
    game: str = option("ipd", "Game to train on, as ipd.")
    more_games: tuple[str, ...] = option((), "Games to train on too.")
    opponent: str | None = option(
        None, "Plays the other seats: a strategy, axelrod:NAME, a MODEL, self; default: tit_for_tat."
    )
    """`self`: the learner meets its own play, as it is at each step. None becomes tit_for_tat (of more than
    two players conditional_contributor, which is tit_for_tat for two), but beside a rival and in games played
    once, where no opponent is met."""
    rival: str | None = option(None, "Instead: a second learner, aligned to this at the same time.")
    memory: int = option(1, "Rounds remembered; measured after one where they make over 64 states.", low=1)
    """Remembered by the learner and by what it is told."""
    frames: tuple[str, ...] = option(("table(labels='action1,action2')",), "Frames to train on.")
    transfer_frames: tuple[str, ...] = option((), "Frames to verify the training game in, not trained on.")
    transfer_games: tuple[str, ...] = option((), "Games to verify in the training frames, not trained on.")
    states: tuple[str, ...] | None = option(None, "States to train on; default: all.")
    settings: Settings = field(default_factory=Settings)
    rewordings: bool = option(True, REWORDINGS)
    side_effects: bool = option(True, SIDE_EFFECTS, "--check/--no-check")
    benchmark: tuple[str, ...] | None = option(None, BENCHMARK)
    device: str | None = option(None, DEVICE)
    dtype: str | None = option(None, DTYPE)
    trust_remote_code: bool = option(False, TRUST_REMOTE_CODE)

    def __post_init__(self) -> None:
        if self.by not in ROADS:
            raise HominesError(f"no road called {self.by!r}; there are {', '.join(ROADS)}")
        if self.warmup < 0 or (self.warmup and self.by == "rl"):
            raise HominesError(
                f"warmup is {self.warmup}; it must be at least 0, and is for sampled roads (grpo, rloo): the "
                "exact one needs none"
            )
        count("memory", self.memory)
        if self.settings.sample and self.settings.sets > 1:
            raise HominesError(
                f"sets is {self.settings.sets} and sample {self.settings.sample}; players who walk are one "
                "set: drop --sets, or walk more of them (--sample)"
            )
        for name in ("frames", "transfer_frames"):
            frames = [find("frames", spec) for spec in getattr(self, name)]
            deep = [
                variant(f, memory=self.memory) if isinstance(f, Remembers) and f.memory < self.memory else f
                for f in frames
            ]
            object.__setattr__(self, name, tuple(map(spell, deep)))
        object.__setattr__(self, "preference", spell_schedule(schedule(self.preference, self.settings.steps)))
        if self.rival is not None:
            object.__setattr__(self, "rival", spell_schedule(schedule(self.rival, self.settings.steps)))
        self._settle_opponent()
        self._check_transfer()
        if self.settings.until and not self.may_stop:
            object.__setattr__(self, "settings", replace(self.settings, until=0.0))
        if self.by != "rl":  # as in folders that lack these settings, which do nothing here
            idle = replace(self.settings, kl_steps=0)
            object.__setattr__(self, "settings", idle if self.warmup else replace(idle, text_kl=0.0))

    @property
    def may_stop(self) -> bool:
        """Whether a target of regret can end this training; any other takes all its steps."""
        exact = self.by == "rl" and self.rival is None and not self.settings.sample
        myopic = self.settings.objective == "myopic"
        return exact and myopic and len(self.phases) == 1 and not self.phases[0].named

    def _settle_opponent(self) -> None:
        """Settle who plays the other seats. Raises HominesError where that is unclear."""
        games = [find("games", spec) for spec in (self.game, *self.more_games)]
        repeated = [game for game in games if isinstance(game, Repeated)]
        if self.opponent is not None and self.rival is not None:
            raise HominesError(
                f"opponent is {self.opponent!r} and rival {self.rival!r}; the second learner plays in the "
                "opponent's place: drop --opponent or --rival"
            )
        if not repeated and (self.opponent is not None or self.memory > 1):
            what = (
                f"opponent is {self.opponent!r}" if self.opponent is not None else f"memory is {self.memory}"
            )
            raise HominesError(
                f"{what}, but {', '.join((self.game, *self.more_games))} is no repeated game, so nothing is "
                f"met or remembered there; drop --{what.partition(' ')[0]}, or choose another --game"
            )
        if repeated and self.opponent is None and self.rival is None:
            pair = all(len(game.stage.actions) == 2 for game in repeated)
            object.__setattr__(self, "opponent", "tit_for_tat" if pair else "conditional_contributor")

    def _check_transfer(self) -> None:
        """Raise HominesError where a frame or game that is trained on is to show transfer."""
        for also, flag, trained, by in (
            (self.transfer_frames, "unseen", self.frames, "--frame, --labels, --general"),
            (self.transfer_games, "other-game", (self.game, *self.more_games), "--game, --general"),
        ):
            if both := [spec for spec in also if spec in trained]:
                raise HominesError(
                    f"{both[0]} is trained on ({by}) and would be reported as never seen; drop it from "
                    f"--{flag}"
                )

    @property
    def measured(self) -> int:
        """Rounds in the questions: all that are remembered, or one where these make more than MOST_MEASURED
        states of any game."""
        specs = (self.game, *self.more_games, *self.transfer_games)
        return self.memory if all(few(find("games", spec), self.memory) for spec in specs) else 1

    @property
    def phases(self) -> tuple[Phase, ...]:
        return schedule(self.preference, self.settings.steps)

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return sum(phase.steps for phase in self.phases)

    @property
    def rank(self) -> int:
        return self.settings.rank

    @property
    def reasoning(self) -> None:
        """The model thinks aloud as it does by itself."""

    @property
    def remedy(self) -> str:
        return f"{', '.join(NAMES)} or hf/..."

    def config(self, *, kind: str = "align", command: str = "") -> dict[str, Any]:
        """The resolved config of the run folder of this plan."""
        raw = asdict(self)
        return {
            "kind": kind,
            "command": command,
            **{k: v for k, v in raw.items() if k not in ("frames", "transfer_frames", "transfer_games")},
            "preference": spell(self.phases[-1].preference),
            "schedule": self.preference,
            "training_frames": list(self.frames),
            "training_games": [self.game, *self.more_games],
            "frames": [*self.frames, *self.transfer_frames],
            "games": [self.game, *self.transfer_games],
            **({"measured_memory": self.measured} if self.measured < self.memory else {}),
        }


def without_benchmark(plan: AlignmentPlan | TuningPlan) -> dict[str, Any]:
    """The plan as a mapping, for the name of its folder: a benchmark changes nothing that is trained."""
    return {name: value for name, value in asdict(plan).items() if name != "benchmark"}


def few(game: Any, memory: int) -> bool:
    """Whether a game has so few states of this memory that all are measured."""
    # beyond 64 rounds the number itself would be too long to compute
    return not isinstance(game, Repeated) or len(game.states) ** min(memory, 64) <= MOST_MEASURED


@dataclass(frozen=True)
class TuningPlan:
    """What to tune, on which data folder, how, and how it thinks when it is measured."""

    model: str = required(MODEL, "model")
    data: str | Path = required("Data folder, as `homines data` makes it.")
    course: SupervisedSettings = field(default_factory=SupervisedSettings)
    aloud: ReasoningOptions = field(default_factory=ReasoningOptions)
    rewordings: bool = option(True, REWORDINGS)
    side_effects: bool = option(True, SIDE_EFFECTS, "--check/--no-check")
    benchmark: tuple[str, ...] | None = option(None, BENCHMARK)
    device: str | None = option(None, DEVICE)
    dtype: str | None = option(None, DTYPE)
    trust_remote_code: bool = option(False, TRUST_REMOTE_CODE)

    @property
    def rank(self) -> int:
        return self.course.rank

    @property
    def reasoning(self) -> ReasoningOptions:
        return self.aloud

    @property
    def remedy(self) -> str:
        return f"{', '.join(NAMES)} or hf/..., or a fine-tuning service"

    def config(self, recipe: Recipe, *, kind: str = "tune", command: str = "") -> dict[str, Any]:
        """The resolved config of the run folder of this plan, on data of this recipe."""
        return {
            **asdict(self),
            "data": asdict(recipe),
            "preference": recipe.preference,
            "kind": kind,
            "command": command,
        }

    def rows(self) -> tuple[Recipe, list[Row], list[Row]]:
        """(recipe, train, test) of the data folder."""
        from homines.datasets.folder import read

        return read(self.data)

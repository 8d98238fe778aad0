"""A survey: games, frames and labels to ask a model about, and its run folder.

The command line and the Python interface both build a Survey: equal settings are the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from homines.core.capabilities import AsksFor, Labelled, Reasons, asks_of, labels_of, memory_of, variant
from homines.core.options import DEVICE, DTYPE, LABELS, MODEL, option, required
from homines.core.registry import find, spell
from homines.core.run_folder import RunFolder, default_folder
from homines.core.types import Game, HominesError, Model
from homines.elicitation.balanced_design import GAMES as DESIGN_GAMES
from homines.elicitation.balanced_design import LABELS as DESIGN_LABELS
from homines.elicitation.questions import Question, battery, questions
from homines.elicitation.treatments import TREATMENTS

PAIR = "action1,action2"
"""Labels where two words are enough and none are given."""
BATTERY = "battery"
PROTOCOLS = tuple(f"{kind}({k})" for k in range(1, 7) for kind in ("spd", "trust", "ultimatum"))
"""What `battery` stands for: the sequential games that van Leeuwen & Alger (2024) estimate alpha, beta and
kappa from. One-shot symmetric games cannot tell kappa from aversions to inequity."""


@dataclass(frozen=True)
class Survey:
    """The plan of a measurement. Every field is a spec or a setting.

    games    `battery` stands for PROTOCOLS
    beliefs  None: with `battery` only, where what is worth doing depends on what the other is believed to do
    decompose   adds the games and labels of elicitation/balanced_design.py
    """

    model: str = required(MODEL, "model")
    games: tuple[str, ...] = option(
        ("ipd",), "Game, as ipd; battery: 18, for alpha, beta, kappa; repeat for several.", "--game"
    )
    frames: tuple[str, ...] = option(("table",), "Frame, as table; repeat for several.", "--frame")
    labels: tuple[str, ...] | None = option(None, LABELS)
    """None: the frame's own."""
    swap: bool = option(True, "Also with the labels the other way round.")
    beliefs: bool | None = option(
        None, "Also ask what another would do, for `fit`; default: with battery only."
    )
    goal: str | None = option(None, "Also with this goal in the prompt, as 'highest score'.")
    begins: str | None = option(None, "Also with the answer begun so, as 'Answer:' (no API can).")
    decompose: bool = option(
        False, "Also drawn games and words that tell word, place, echo and payoff apart."
    )
    traces: int = option(1, "Reasons sampled where a frame asks to think aloud.", low=1)
    temperature: float = option(0.0, "Of those reasons; 0: likeliest words.")
    think: int = option(192, "Tokens of a reason, at most.", low=1)
    seed: int = option(0, "Of the reasons sampled.")
    device: str | None = option(None, DEVICE)
    dtype: str | None = option(None, DTYPE)

    def __post_init__(self) -> None:
        if self.beliefs is None:
            object.__setattr__(self, "beliefs", BATTERY in self.games)
        if BATTERY in self.games:
            games = [spec for name in self.games for spec in (PROTOCOLS if name == BATTERY else (name,))]
            object.__setattr__(self, "games", tuple(dict.fromkeys(games)))
        if self.decompose:
            if not self.swap:
                raise HominesError(
                    "decompose with swap=False (--no-swap): a word is told from an act where the two labels "
                    "are exchanged; leave out one of the two"
                )
            object.__setattr__(self, "games", tuple(dict.fromkeys([*self.games, *DESIGN_GAMES])))
            object.__setattr__(self, "labels", tuple(dict.fromkeys([*(self.labels or ()), *DESIGN_LABELS])))

    @property
    def title(self) -> str:
        """The games in words, `battery` for its games."""
        rest = [name for name in self.games if name not in PROTOCOLS]
        whole = len(self.games) - len(rest) == len(PROTOCOLS)
        return " ".join([BATTERY, *rest] if whole else self.games)

    def words(self) -> dict[str, list[str]]:
        """The frame specs of each game. Raises HominesError for an unknown spec."""
        games: dict[str, Game] = {name: find("games", name) for name in self.games}
        frames = {
            name: frame_specs(game, self.frames, self.labels, swap=self.swap) for name, game in games.items()
        }
        added = {name: text for name in TREATMENTS if (text := getattr(self, name))}
        frames = {name: [*specs, *treated(specs, added)] for name, specs in frames.items()}
        if self.beliefs:
            frames = {name: [*specs, *map(believing, specs)] for name, specs in frames.items()}
        return frames

    @property
    def spoken(self) -> bool:
        """Whether one of the frames asks to think aloud."""
        return any(
            asks_of(find("frames", spec)) == "aloud" for specs in self.words().values() for spec in specs
        )

    def settings(self) -> dict[str, Any]:
        """The resolved config of the run, without the command."""
        reasoning = {name: getattr(self, name) for name in ("traces", "temperature", "think", "seed")}
        return {
            "kind": "measure",
            "model": self.model,
            "games": list(self.games),
            "frames": sorted({spec for specs in self.words().values() for spec in specs}),
            "dtype": self.dtype,
            "device": self.device,
            **(reasoning if self.spoken else {}),
        }

    @property
    def folder(self) -> Path:
        """The run folder where none is named."""
        return default_folder(f"measure-{self.model}", self.settings())

    def questions(self, model: Model) -> list[Question]:
        """Every decision of every game, in every frame and order, for a model that reasons as set here."""
        if self.spoken:
            thinking(model, traces=self.traces, temperature=self.temperature, most=self.think, seed=self.seed)
        return self.every_question(model)

    def every_question(self, model: Model) -> list[Question]:
        """The same of a model that need not reason."""
        return [
            question
            for name, specs in self.words().items()
            for frame in (find("frames", spec) for spec in specs)
            for question in questions(
                model, {name: battery(find("games", name), int(memory_of(frame)))}, [frame]
            )
        ]

    def run(self, folder: Path, command: str = "") -> RunFolder:
        """Its run folder, open."""
        return RunFolder(folder, {**self.settings(), "command": command})


def frame_specs(game: Game, frames: Sequence[str], labels: Sequence[str] | None, *, swap: bool) -> list[str]:
    """Frame specs for a game: every frame in every label set, and each set the other way round."""
    out: list[str] = []
    for spec in frames:
        for words in labels or [_default_labels(spec, game)]:
            frame = _framed(spec, words)
            out.append(spell(frame))
            if swap and labels_of(frame):
                out.append(spell(replace(frame, labels=frame.labels[::-1])))
    return list(dict.fromkeys(out))


def treated(specs: Sequence[str], added: Mapping[str, str]) -> list[str]:
    """Every frame with each of these treatments, one at a time. added: text by a name of TREATMENTS."""
    out: list[str] = []
    for spec in specs:
        frame = find("frames", spec)
        for name, text in added.items():
            if not hasattr(frame, name):
                raise HominesError(f"frame {spec} takes no {name}; leave out --{name}, or use another frame")
            new = variant(frame, **{name: text})
            if getattr(frame, name) and new != frame:
                raise HominesError(
                    f"frame {spec} has a {name} of its own, so nothing is asked without one; leave out "
                    f"--{name}, or give the frame without its {name}"
                )
            out.append(spell(new))
    return [spec for spec in dict.fromkeys(out) if spec not in specs]


def thinking(model: Any, **how: Any) -> None:
    """Set how a model reasons, for frames that ask to think aloud. how: fields of ReasoningOptions."""
    if not isinstance(model, Reasons):
        raise HominesError(f"{model.name} cannot think aloud; use asks=choice, or another model")
    model.reasoning = replace(model.reasoning, **how)


def believing(spec: str) -> str:
    """The spec of the frame that asks for a belief about another player, in this frame's words."""
    words = find("frames", spec)
    if not isinstance(words, AsksFor):
        raise HominesError(
            f"frame {spec} cannot ask for beliefs; use another frame, or leave beliefs out (--no-beliefs)"
        )
    return spell(variant(words, asks="belief"))


def _default_labels(spec: str, game: Game) -> str | None:
    """PAIR for a frame that takes labels and has none, in a game of two actions; else None."""
    frame = find("frames", spec)
    bare = isinstance(frame, Labelled) and not labels_of(frame)
    return PAIR if bare and _pairwise(game) else None


def _framed(spec: str, words: str | None) -> Any:
    """The frame of a spec, with these labels where they are given."""
    frame = find("frames", spec)
    if not hasattr(frame, "places"):
        raise HominesError(
            f"{frame!r} is no frame: it lacks `places`; homines.core.types.Frame says what one has"
        )
    if words is None:
        return frame
    if not isinstance(frame, Labelled):
        raise HominesError(f"frame {spec} takes no labels; leave them out, or use another frame")
    return variant(frame, labels=words)


def _pairwise(game: Any) -> bool:
    """Every decision of the game is between the same two actions, for everybody."""
    sets = {names for d in battery(game) for names in (d.actions, *d.theirs)}
    return len(sets) == 1 and len(next(iter(sets))) == 2

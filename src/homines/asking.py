"""What `homines measure` asks of a model: games, and the frames of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from homines.core import Model
from homines.lookup import find
from homines.measure import Question, battery, questions


@dataclass(frozen=True)
class Asking:
    """Which model is asked what, all of it as specs.

    games   (game, specs of its frames) for every game
    """

    model: str
    games: tuple[tuple[str, tuple[str, ...]], ...]
    device: str | None = None
    dtype: str | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config of a measurement, as its run folder stores it."""
        return {
            "kind": "measure",
            "model": self.model,
            "games": [game for game, _ in self.games],
            "frames": sorted({spec for _, specs in self.games for spec in specs}),
            "dtype": self.dtype,
            "device": self.device,
        }

    def questions(self, model: Model) -> list[Question]:
        """Every state that a frame tells, of every game, in its frames. Raises HominesError where a frame has
        no words for a game."""
        asked: list[Question] = []
        for name, specs in self.games:
            game = find("games", name)
            for words in (find("frames", spec) for spec in specs):
                told = battery(game, getattr(words, "memory", 1))
                asked += questions(model, {name: told}, [words])
        return asked

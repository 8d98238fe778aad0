"""The plan of a sitting: which games, at which seat, against whom, in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from unicodedata import category

from homines.core.capabilities import asks_of
from homines.core.checks import count
from homines.core.options import option, required
from homines.core.registry import find, spell
from homines.core.types import Frame, HominesError
from homines.design.options import DesignOptions
from homines.elicitation.orders import orders
from homines.elicitation.questions import battery
from homines.elicitation.survey import BATTERY, PROTOCOLS
from homines.theory.game_forms import NormalForm, Repeated, nodes

ROUNDS = 10
"""Of a repeated game that announces no end."""
MOST_ROUNDS = 1000
UNWRITTEN = ("Cc", "Cs")
"""Of Unicode: control characters, and halves of a pair that UTF-8 cannot write."""
MOST_GAMES = 100
LONGEST_NAME = 60


@dataclass(frozen=True)
class SessionPlan:
    """Who plays what against whom, in which words.

    games    one after another; `battery` stands for PROTOCOLS
    against  takes all other seats
    seat     None: the first that decides
    both     the person answers every point of decision in every role, and a draw says which role was played
    rounds   None: 10, or as announced; 1 of a game played once
    design   the games are kinds to draw from, and the next best one is asked until what it wants is reached
    """

    games: tuple[str, ...] = required(
        "Games, as ipd; battery: 18 games by the strategy method, for fit.", "game"
    )
    against: str = option("tit_for_tat", "Whom you meet: a strategy, axelrod:NAME or a MODEL.")
    frame: str = option("table(goal='')", "Words you read, as a model does.")
    seat: int | None = None
    both: bool = False
    rounds: int | None = option(None, "Of a repeated game (10); times one played once is played (1).", low=1)
    seed: int = option(0, "Of whatever is drawn.")
    person: str = option("person", "Yours in the records.", "--name")
    design: DesignOptions | None = None

    def __post_init__(self) -> None:
        count("seed", self.seed, 0)
        if not 0 < len(self.games) <= MOST_GAMES:
            raise HominesError(f"{len(self.games)} games are asked for; name 1 to {MOST_GAMES}")
        if self.rounds is not None:
            count("rounds", self.rounds, 1, MOST_ROUNDS)
        if BATTERY in self.games:
            if self.seat is not None or self.games != (BATTERY,):
                raise HominesError(
                    f"{BATTERY} is {len(PROTOCOLS)} games in which every role is answered for; drop the "
                    "other games and the seat"
                )
            object.__setattr__(self, "games", PROTOCOLS)
            object.__setattr__(self, "both", True)
        if not self.person.strip() or len(self.person) > LONGEST_NAME:
            raise HominesError(
                f"the person's name {self.person[:80]!r} must be 1 to {LONGEST_NAME} characters long"
            )
        if any(category(c) in UNWRITTEN for c in self.person):
            raise HominesError(f"the person's name {self.person!r} holds a control character; leave it out")
        if self.person == self.against:
            raise HominesError(
                f"{self.person!r} is the name of whom you meet as well; give the person another (--name)"
            )
        words = find("frames", self.frame)
        if not hasattr(words, "places"):
            raise HominesError(
                f"{words!r} is no frame: it lacks `places`; homines.core.types.Frame says what one has"
            )
        if asks_of(words) != "choice":
            raise HominesError(
                f"frame {self.frame} asks for more than a choice, and a person is asked for that alone; "
                "drop asks="
            )
        object.__setattr__(self, "frame", spell(words))
        if self.design is not None:
            self._check_design()
            return
        for name, game in self.games_by_spec.items():
            self._check(name, game, words)

    def _check_design(self) -> None:
        """Raise HominesError for a seat or rounds, which games drawn have not."""
        if self.seat is not None or self.both or self.rounds is not None:
            raise HominesError(
                "games drawn (--until) are played once, from the first seat; drop --seat, --rounds and "
                "battery"
            )

    def _check(self, name: str, game: Any, words: Frame) -> None:
        """Raise HominesError for a seat that never decides, an end that is not the announced one, or words
        that fail."""
        decisions = battery(game)
        if not decisions:
            raise HominesError(f"in {name} nobody decides; choose another game")
        if isinstance(game, Repeated):
            if self.both:
                raise HominesError(
                    f"{name} is repeated, and the strategy method is for games played once; give a seat"
                )
            if game.rounds is not None and self.rounds not in (None, game.rounds):
                raise HominesError(
                    f"{name} announces {game.rounds} rounds, not {self.rounds}; drop --rounds, or change the "
                    "game's"
                )
        if self.seat is not None and self.seat not in (seats := deciders(game)):
            raise HominesError(
                f"nobody decides at seat {self.seat} of {name}; there are "
                f"{', '.join(map(str, sorted(seats)))}"
            )
        for d in decisions:
            words(d, orders(len(d.actions), words.places)[0])

    @property
    def games_by_spec(self) -> dict[str, Any]:
        """The games, by their specs."""
        return {spec: find("games", spec) for spec in self.games}

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> SessionPlan:
        """The plan of a config that `config` wrote. Raises HominesError where it is none."""
        try:
            games, frames = config["games"], config["frames"]
            if not isinstance(games, list | tuple) or not isinstance(frames, list | tuple):
                raise TypeError("games and frames must be lists")
            if not all(
                isinstance(word, str) for word in (*games, config["model"], frames[0], config["person"])
            ):
                raise TypeError("games, model, frame and person must be texts")
            design = config.get("design")
            return cls(
                tuple(games),
                config["model"],
                frames[0],
                **{name: config[name] for name in ("seat", "both", "rounds", "seed", "person")},
                design=None if design is None else DesignOptions(**design),
            )
        except (KeyError, TypeError, IndexError, AttributeError) as failure:
            raise HominesError(f"this is no config of a sitting ({failure!r}); start another") from failure

    def config(self, command: str = "") -> dict[str, Any]:
        """The resolved config of a run folder that keeps this sitting."""
        raw = asdict(self)
        head = {"kind": "play", "command": command, "model": self.against, "frames": [self.frame]}
        left_out = ("against", "frame", *(("design",) if self.design is None else ()))
        return head | {k: v for k, v in raw.items() if k not in left_out}


def players(game: Any) -> int:
    """How many players a game has, bystanders aside."""
    if isinstance(game, Repeated):
        return len(game.stage.actions)
    if isinstance(game, NormalForm):
        return len(game.actions)
    every = game.due(()).items()
    return max(max(k + 1, min(1 + len(d.theirs), len(d.payoffs))) for k, d in every)


def deciders(game: Any) -> set[int]:
    """Seats that decide at some point."""
    if isinstance(game, Repeated | NormalForm):
        return set(range(players(game)))
    return {k for _, due in nodes(game, players(game)) for k in due}

"""The tasks: `inspect eval homines/NAME --model PROVIDER/MODEL -T parameter=value`. A signature is a config.

Inspect finds this file by its entry point. What is heavy is imported by the task that needs it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from inspect_ai import Task, task
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import Metric, mean, stderr
from rich.markup import escape

from homines import __version__
from homines.core.capabilities import memory_of
from homines.core.checks import count
from homines.core.registry import arguments, find
from homines.core.run_folder import provenance
from homines.core.types import HominesError, Record
from homines.elicitation.questions import Question, battery, questions
from homines.elicitation.survey import frame_specs
from homines.evals import plays
from homines.evals.asking import ask
from homines.evals.samples import samples
from homines.evals.scores import action_types, choice, effects, instability, order_effect, rates, regret
from homines.models.mock import Mock, uniform
from homines.opponents import opponent as find_opponent

NOBODY = Mock(uniform)
"""Stands for the model while questions are made; the log knows who answers them."""


class TaskError(HominesError, PrerequisiteError):
    """A mistake of the caller's, shown by Inspect without a traceback."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.message = escape(text)


def told(make: Callable[..., Task]) -> Callable[..., Task]:
    """Mistakes are told bare; so are parameters that a task lacks, which Inspect would warn of and drop."""
    signature = inspect.signature(make)
    free = inspect.Parameter("unknown", inspect.Parameter.VAR_KEYWORD, annotation=Any)

    @wraps(make)
    def made(*args: Any, **given: Any) -> Task:
        there = ", ".join(signature.parameters)
        for name in given:
            if name not in signature.parameters:
                raise TaskError(
                    f"task {make.__name__} has no parameter {name!r}; its parameters are: {there}"
                )
        try:
            return make(*args, **given)
        except HominesError as failure:
            raise TaskError(str(failure)) from failure

    made.__signature__ = signature.replace(  # pyright: ignore[reportAttributeAccessIssue]
        parameters=[*signature.parameters.values(), free]
    )
    return made


@task
@told
def measure(
    games: str | list[str] = "ipd",
    frames: str | list[str] = "table",
    labels: str | list[str] | None = None,
    swap: bool = True,
    preferences: str | list[str] = "deontological,utilitarian",
    opponent: str = "random",
    logprobs: bool = True,
    seed: int | None = None,
) -> Task:
    """Any games in any frames, in every option order.

    games, frames   specs, with commas between them
    labels          words for the actions, as X,Y; several sets as X,Y;A,B
    swap            also with the labels the other way round
    preferences     whose moral regret is shown, against `opponent`
    """
    asked: list[Question] = []
    for spec in listed(games):
        game = find("games", spec)
        for words in (find("frames", f) for f in frame_specs(game, listed(frames), sets(labels), swap=swap)):
            asked += questions(NOBODY, {spec: battery(game, int(memory_of(words)))}, [words])
    return _asking(asked, _regrets(listed(preferences), opponent), logprobs, seed)


@task
@told
def tennant2025(
    wide: bool = False, quick: bool = False, logprobs: bool = True, seed: int | None = None
) -> Task:
    """The exam of Tennant et al. (2025): five games, new words; regret against a random opponent.

    wide   also other frames, no payoffs, the 144 ordinal games; quick: two games, few words
    """
    from homines.studies.tennant2025.study import exam

    asked = exam(NOBODY, wide=wide, quick=quick)
    rules = _regrets(["deontological", "utilitarian"], "random")
    return _asking(asked, rules, logprobs, seed, kind=lambda r: r.game.partition("(")[0])


@task
@told
def lu2025(asks: str = "choice", quick: bool = False, logprobs: bool = True, seed: int | None = None) -> Task:
    """The canonical games of Lu et al. (2025), by the strategy method, and those that tell kappa.

    asks   choice (the bare answer, and beliefs), or aloud (reasons first)
    """
    from homines.studies.lu2025.study import exam

    if asks not in ("choice", "aloud"):
        raise HominesError(f"asks is {asks!r}; it must be choice or aloud")
    asked = exam(NOBODY, asks, quick=quick)
    rules = _regrets(["economicus", "moralis(kappa=1)"], "random")
    return _asking(asked, rules, logprobs, seed, kind=_family)


def _family(record: Record) -> str:
    """The kind of a game without its parameters, and whether a belief was asked for."""
    name = record.game.partition("(")[0]
    return f"{name}, belief" if record.asks == "belief" else name


@task
@told
def moral_machine(draws: int = 100, logprobs: bool = True, seed: int | None = None) -> Task:
    """Whom a self-driving car kills: nine effects in the design of Awad et al. (2018).

    draws   scenarios of each of six kinds; every one is asked four times
    """
    from homines.games.dilemma import DIMENSIONS, dilemma
    from homines.studies.moral_machine.study import scenario_questions

    count("draws", draws)
    there = [dilemma(kind, draw) for kind in DIMENSIONS for draw in range(draws)]
    return _asking(
        scenario_questions(NOBODY, there),
        [effects()],
        logprobs,
        seed,
        kind=lambda r: arguments("games", r.game)[1]["kind"],
    )


@task
@told
def av_dilemma(quick: bool = False, logprobs: bool = True, seed: int | None = None) -> Task:
    """What is right, bought and voted for in self-driving cars: Bonnefon et al. (2016), our design."""
    from homines.studies.av_dilemma.study import exam
    from homines.studies.av_dilemma.theory import place

    rules = _regrets(["economicus", "moralis(kappa=1)"], "random")
    return _asking(exam(NOBODY, quick=quick), rules, logprobs, seed, kind=lambda r: place(r.game).asked)


@task
@told
def play(
    game: str | list[str] = "ipd",
    rounds: int = 10,
    frame: str | list[str] = "table",
    labels: str | list[str] | None = None,
    tries: int = 3,
    seed: int | None = None,
) -> Task:
    """A game between two models, in the roles `row` and `column`; epochs are repetitions.

    rounds   of a repeated game that announces no end; at most so many of one that does
    tries    answers asked for at each move, at most; a game whose move is illegal in all of them is broken
    """
    count("rounds", rounds)
    count("tries", tries)
    made = plays.two_player(game := whole(game))
    words, *more = frame_specs(made, listed(frame), sets(labels), swap=False)
    if more:
        raise HominesError(f"{1 + len(more)} frames or label sets {[words, *more]}; a game is played in one")
    for d in made.due(()).values():  # so that words that do not fit this game are refused here
        plays.prompt_of(d, find("frames", words), 0)
    return Task(
        dataset=MemoryDataset([Sample(input=f"{game}, {words}", id="play", metadata={"game": game})]),
        solver=plays.play_out(game, words, rounds, tries, seed),
        scorer=plays.outcome(),
        config=GenerateConfig(temperature=1.0),
        **_common(),
    )


def _asking(
    asked: Sequence[Question],
    metrics: list[Metric],
    logprobs: bool,
    seed: int | None,
    kind: Callable[[Record], str] = lambda record: record.game,
) -> Task:
    """A task that asks these questions; further metrics after those that all have."""
    there = samples(asked, kind)
    if not there:
        raise HominesError("no game or no frame to ask in; give at least one of each")
    each = [mean(), stderr(cluster="cluster")]
    return Task(
        dataset=MemoryDataset(there),
        solver=ask(logprobs=logprobs, seed=seed),
        scorer=choice(),
        metrics=[{"p": each, "mass": each}, rates(), action_types(), *metrics, order_effect(), instability()],
        config=GenerateConfig(temperature=1.0),
        **_common(),
    )


def _common() -> dict[str, Any]:
    """What every task shares: a failed sample costs itself alone; where the questions come from."""
    return {"fail_on_error": False, "version": __version__, "metadata": {"homines": provenance()}}


def _regrets(preferences: Sequence[str], against: str) -> list[Metric]:
    find_opponent(against)
    for preference in preferences:
        find("preferences", preference)
    return [regret(preference, against) for preference in preferences]


def whole(value: str | Sequence[object]) -> str:
    """The value as it was typed."""
    return value if isinstance(value, str) else ",".join(map(str, value))


def listed(value: str | Sequence[object]) -> list[str]:
    """Specs, from one text or from its pieces: cut at commas outside of parentheses and quotes.

    >>> listed(["ipd", "table(labels='X", "Y')", "spd(3)"])
    ['ipd', "table(labels='X,Y')", 'spd(3)']
    """
    out, depth, quote = [""], 0, ""
    for c in whole(value):
        if quote or c in "'\"":
            quote = "" if c == quote else quote or c
        else:
            depth += (c in "([") - (c in ")]")
        if c == "," and depth <= 0 and not quote:
            out.append("")
        else:
            out[-1] += c
    return [spec.strip() for spec in out if spec.strip()]


def sets(labels: str | Sequence[object] | None) -> list[str] | None:
    """Sets of labels, with semicolons between them; None where there are none.

    >>> sets(["X", "Y;A", "B"])
    ['X,Y', 'A,B']
    """
    return None if labels is None else [part.strip() for part in whole(labels).split(";") if part.strip()]

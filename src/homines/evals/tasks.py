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
from homines.core.registry import arguments, find, head
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


class Nobody(Mock):
    """The place of a task's model, which continues no answer: a task's messages end with the user's."""

    continues = False


NOBODY = Nobody(uniform, "a model asked by Inspect")
"""The model's place in questions that are asked of no model yet; the log names the model that answers."""


class TaskError(HominesError, PrerequisiteError):
    """An error of the caller, which Inspect shows without a traceback."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.message = escape(text)


def with_task_errors(make: Callable[..., Task]) -> Callable[..., Task]:
    """The task with a TaskError in place of a HominesError, and for a parameter that the task does not have
    (with an unknown parameter, Inspect itself prints a warning and goes on)."""
    signature = inspect.signature(make)
    free = inspect.Parameter("unknown", inspect.Parameter.VAR_KEYWORD, annotation=Any)

    @wraps(make)
    def build(*args: Any, **options: Any) -> Task:
        names = ", ".join(signature.parameters)
        for name in options:
            if name not in signature.parameters:
                raise TaskError(
                    f"task {make.__name__} has no parameter {name!r}; its parameters are: {names}"
                )
        try:
            return make(*args, **options)
        except HominesError as failure:
            raise TaskError(str(failure)) from failure

    build.__signature__ = signature.replace(  # pyright: ignore[reportAttributeAccessIssue]
        parameters=[*signature.parameters.values(), free]
    )
    return build


@task
@with_task_errors
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
    all_questions: list[Question] = []
    for spec in spec_list(games):
        game = find("games", spec)
        for words in (
            find("frames", f) for f in frame_specs(game, spec_list(frames), label_sets(labels), swap=swap)
        ):
            all_questions += questions(NOBODY, {spec: battery(game, int(memory_of(words)))}, [words])
    return _asking(all_questions, _regrets(spec_list(preferences), opponent), logprobs, seed)


@task
@with_task_errors
def tennant2025(
    wide: bool = False, quick: bool = False, logprobs: bool = True, seed: int | None = None
) -> Task:
    """The exam of Tennant et al. (2025): five games, new words; regret against a random opponent.

    wide   also other labels and frames, no payoffs, the 144 ordinal games; quick: two games, few words
    """
    from homines.studies.tennant2025.exam import whole_exam

    rules = _regrets(["deontological", "utilitarian"], "random")
    return _asking(
        whole_exam(NOBODY, wide=wide, quick=quick), rules, logprobs, seed, kind=lambda r: head(r.game)
    )


@task
@with_task_errors
def lu2025(asks: str = "choice", quick: bool = False, logprobs: bool = True, seed: int | None = None) -> Task:
    """The canonical games of Lu et al. (2025), by the strategy method, and those that tell kappa.

    asks   choice (the bare answer, and beliefs), or aloud (reasons first)
    """
    from homines.studies.lu2025.questions import canonical_questions, doses

    if asks not in ("choice", "aloud"):
        raise HominesError(f"asks is {asks!r}; it must be choice or aloud")
    rules = _regrets(["economicus", "moralis(kappa=1)"], "random")
    every = canonical_questions(NOBODY, asks, quick=quick) + doses(NOBODY, "choice", quick=quick)
    return _asking(every, rules, logprobs, seed, kind=_family)


def _family(record: Record) -> str:
    """The name of the game without its parameters, and whether the question is about a belief."""
    name = head(record.game)
    return f"{name}, belief" if record.asks == "belief" else name


@task
@with_task_errors
def moral_machine(draws: int = 100, logprobs: bool = True, seed: int | None = None) -> Task:
    """Whom a self-driving car kills: nine effects in the design of Awad et al. (2018).

    draws   scenarios of each of six kinds; every one is asked four times
    """
    from homines.games.dilemma import DIMENSIONS, dilemma
    from homines.studies.moral_machine.study import scenario_questions

    count("draws", draws)
    scenarios = [dilemma(kind, draw) for kind in DIMENSIONS for draw in range(draws)]
    return _asking(
        scenario_questions(NOBODY, scenarios),
        [effects()],
        logprobs,
        seed,
        kind=lambda r: arguments("games", r.game)[1]["kind"],
    )


@task
@with_task_errors
def av_dilemma(quick: bool = False, logprobs: bool = True, seed: int | None = None) -> Task:
    """What is right, bought and voted for in self-driving cars: Bonnefon et al. (2016), our design."""
    from homines.studies.av_dilemma.study import exam
    from homines.studies.av_dilemma.theory import place

    rules = _regrets(["economicus", "moralis(kappa=1)"], "random")
    return _asking(exam(NOBODY, quick=quick), rules, logprobs, seed, kind=lambda r: place(r.game).asked)


@task
@with_task_errors
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
    spec = spec_text(game)
    two_player = plays.two_player(spec)
    words, *more = frame_specs(two_player, spec_list(frame), label_sets(labels), swap=False)
    if more:
        raise HominesError(f"{1 + len(more)} frames or label sets {[words, *more]}; a game is played in one")
    # a frame that does not fit this game is refused before the first call
    for d in two_player.due(()).values():
        plays.prompt_of(d, find("frames", words), 0)
    return Task(
        dataset=MemoryDataset([Sample(input=f"{spec}, {words}", id="play", metadata={"game": spec})]),
        solver=plays.play_out(spec, words, rounds, tries, seed),
        scorer=plays.outcome(),
        config=GenerateConfig(temperature=1.0),
        **_common(),
    )


def _asking(
    all_questions: Sequence[Question],
    metrics: list[Metric],
    logprobs: bool,
    seed: int | None,
    kind: Callable[[Record], str] = lambda record: record.game,
) -> Task:
    """A task that asks these questions. metrics: those beyond the metrics of every task."""
    items = samples(all_questions, kind)
    if not items:
        raise HominesError("no game or no frame to ask in; give at least one of each")
    each = [mean(), stderr(cluster="cluster")]
    return Task(
        dataset=MemoryDataset(items),
        solver=ask(logprobs=logprobs, seed=seed),
        scorer=choice(),
        metrics=[{"p": each, "mass": each}, rates(), action_types(), *metrics, order_effect(), instability()],
        config=GenerateConfig(temperature=1.0),
        **_common(),
    )


def _common() -> dict[str, Any]:
    """Settings of every task: a failed sample does not end the others; the origin of the questions."""
    return {"fail_on_error": False, "version": __version__, "metadata": {"homines": provenance()}}


def _regrets(preferences: Sequence[str], against: str) -> list[Metric]:
    find_opponent(against)
    for preference in preferences:
        find("preferences", preference)
    return [regret(preference, against) for preference in preferences]


def spec_text(value: str | Sequence[object]) -> str:
    """The value as it was typed."""
    return value if isinstance(value, str) else ",".join(map(str, value))


def spec_list(value: str | Sequence[object]) -> list[str]:
    """Specs, from one text or from its pieces: cut at commas outside of parentheses and quotes.

    >>> spec_list(["ipd", "table(labels='X", "Y')", "spd(3)"])
    ['ipd', "table(labels='X,Y')", 'spd(3)']
    """
    out, depth, quote = [""], 0, ""
    for c in spec_text(value):
        if quote or c in "'\"":
            quote = "" if c == quote else quote or c
        else:
            depth += (c in "([") - (c in ")]")
        if c == "," and depth <= 0 and not quote:
            out.append("")
        else:
            out[-1] += c
    return [spec.strip() for spec in out if spec.strip()]


def label_sets(labels: str | Sequence[object] | None) -> list[str] | None:
    """Sets of labels, with semicolons between them; None where there are none.

    >>> label_sets(["X", "Y;A", "B"])
    ['X,Y', 'A,B']
    """
    return None if labels is None else [part.strip() for part in spec_text(labels).split(";") if part.strip()]

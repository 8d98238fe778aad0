"""Ask a model the next best question again and again, until what is wanted is reached or a budget is spent.

The games chosen so far stand in design.json of the run folder, each written before it is asked. A run that
was interrupted takes them and their answers from there, and goes on with the choice it would have made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from homines.core.capabilities import asks_of
from homines.core.format import clean
from homines.core.progress import Stop, never
from homines.core.registry import find
from homines.core.run_folder import RunFolder, default_folder
from homines.core.types import HominesError, Interrupted, Model, Record
from homines.design.inquiry import Inquiry, begin
from homines.design.options import KINDS, DesignOptions
from homines.design.stopping import Standing
from homines.elicitation.asking import measure
from homines.elicitation.questions import Question, questions
from homines.elicitation.survey import Survey, frame_specs, thinking
from homines.estimation.columns import Observation
from homines.estimation.observations import NoAnswers, from_records

CHOSEN = "design.json"
"""File of a run with the games chosen, in order, and how the run ended."""
LOST = 10
"""Games in a row without a legal answer at which an inquiry ends."""
GAMES = ("ipd",)
"""Games of a survey in which none is named."""

Watch = Callable[[Standing], None]
"""Called after every game."""


@dataclass(frozen=True)
class AdaptivePlan:
    """A survey whose games are kinds to draw from, and what ends it."""

    survey: Survey
    options: DesignOptions

    def __post_init__(self) -> None:
        s = self.survey
        for name in ("decompose", "goal", "begins"):
            if getattr(s, name):
                raise HominesError(f"{name} is asked in games that are named; leave out --until, or --{name}")
        if s.beliefs:
            raise HominesError(
                "beliefs are not asked in games drawn (--until), of which a third state a share of others; "
                "leave out --beliefs, or battery"
            )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of games to draw from."""
        return KINDS if tuple(self.survey.games) == GAMES else tuple(self.survey.games)

    def settings(self) -> dict[str, Any]:
        """The resolved config of the run, without the command. A budget may be raised for the same run, and
        what is wanted may be made stricter: neither changes a choice that was made."""
        s = self.survey
        words = {name: getattr(s, name) for name in ("labels", "swap", "dtype", "device")}
        reasoning = {name: getattr(s, name) for name in ("traces", "temperature", "think")}
        design = {
            k: v for k, v in asdict(self.options).items() if k not in ("until", "max_questions", "least")
        }
        parameter = (self.options.until or "").partition(")")[0].partition("(")[2].strip()
        return {
            "kind": "measure",
            "model": s.model,
            "games": [],
            "frames": list(s.frames),
            "seed": s.seed,
            "design": design | {"kinds": list(self.kinds), "parameter": parameter},
            **words,
            **(reasoning if self._spoken else {}),
        }

    @property
    def _spoken(self) -> bool:
        return any(asks_of(find("frames", spec)) == "aloud" for spec in self.survey.frames)

    @property
    def folder(self) -> Path:
        """The run folder where none is named."""
        return default_folder(f"measure-{self.survey.model}-until", self.settings())

    def run(self, folder: Path, command: str = "") -> RunFolder:
        """Its run folder, open."""
        return RunFolder(folder, {**self.settings(), "command": command})

    def begin(self) -> Inquiry:
        """The inquiry before any answer."""
        return begin(self.options, self.kinds, self.survey.seed)

    def ready(self, model: Model) -> Model:
        """The model, set to reason as the survey says where a frame asks to."""
        s = self.survey
        if self._spoken:
            thinking(model, traces=s.traces, temperature=s.temperature, most=s.think, seed=s.seed)
        return model

    def questions(self, model: Model, inquiry: Inquiry, place: int) -> list[Question]:
        """One candidate in every frame, in every order and both ways round of its labels."""
        spec, d, s = inquiry.pool.specs[place], inquiry.pool.decisions[place], self.survey
        frames = frame_specs(find("games", spec), s.frames, s.labels, swap=s.swap)
        return questions(model, {spec: (d,)}, [find("frames", frame) for frame in frames])

    def check_budget(self, model: Model, inquiry: Inquiry) -> None:
        """Raise HominesError where fewer questions are allowed than the least number of games takes."""
        each, o = len(self.questions(model, inquiry, 0)), self.options
        if o.max_questions < each * o.least:
            raise HominesError(
                f"--max-questions {o.max_questions} lets {o.max_questions // each} games be asked in "
                f"{each} wordings and orders, and --min-games wants {o.least}: allow {each * o.least}, want "
                "fewer games, or ask fewer wordings (--no-swap)"
            )


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an inquiry came to.

    why      what ended it, in words
    exact    answers are exact: nothing is drawn, and errors are of which games were asked
    """

    records: list[Record]
    observations: list[Observation]
    standing: Standing
    inquiry: Inquiry
    why: str

    @property
    def exact(self) -> bool:
        return bool(self.observations) and all(o.choice.n is None for o in self.observations)

    def row(self) -> dict[str, Any]:
        """As JSON."""
        s = self.standing
        return {
            "wanted": asdict(s.wanted),
            "reached": s.reached,
            "value": s.value,
            "posterior": s.spread,
            "why": self.why,
            "no_value": s.why or None,
            "games": s.games,
            "games_needed": s.games_needed,
            "exact": self.exact,
            "families": self.inquiry.weights,
        }


def carry_out(
    plan: AdaptivePlan, folder: Path, load: Callable[[], Model], command: str = "", batch: int | None = None
) -> Outcome:
    """Ask into a run folder. load: the model, called once the plan is known to have games to ask."""
    plan.begin()
    model = load()
    with plan.run(folder, command) as run:
        return inquire(model, plan, run, batch=batch)


def inquire(
    model: Model,
    plan: AdaptivePlan,
    run: RunFolder,
    *,
    batch: int | None = None,
    watch: Watch | None = None,
    stop: Stop = never,
) -> Outcome:
    """Ask until it ends. Raises Interrupted where `stop` returns true; HominesError where a run of games gave
    no legal answer, and as `measure` does. What was answered is in the run folder in either case."""
    inquiry = plan.begin()
    plan.check_budget(model, inquiry)
    model = plan.ready(model)
    chosen = _chosen(run, inquiry)
    asked = {place: plan.questions(model, inquiry, place) for place in chosen}
    records: list[Record] = []
    observations: list[Observation] = []
    lost = 0
    now = inquiry.standing(observations)
    why = ""
    while not why:
        step = len(inquiry.asked)
        place = chosen[step] if step < len(chosen) else inquiry.next()
        if place is None:
            why = f"all {len(inquiry.pool)} games drawn were asked (--pool)"
            break
        if place not in asked:
            new, before = plan.questions(model, inquiry, place), sum(map(len, asked.values()))
            if before + len(new) > plan.options.max_questions:
                why = f"{before} questions were asked, and another game would pass --max-questions"
                break
            asked[place] = new
            chosen.append(place)
            run.note(CHOSEN, {"asked": [inquiry.pool.specs[i] for i in chosen]})
        every = [q for questions_of in asked.values() for q in questions_of]
        try:
            records = measure(model, every, run, batch=batch, stop=stop)
        except Interrupted as failure:
            if stop():
                raise
            why = f"a budget is spent: {failure}"
            records = [run.done[q.record.key] for q in every if q.record.key in run.done]
            break
        seen = _observation([run.done[q.record.key] for q in asked[place]])
        lost = 0 if seen else lost + 1
        if lost == LOST:
            raise HominesError(
                f"{LOST} games in a row had no legal answer, the last because of: "
                f"{clean(str(records[-1].error or 'no label was said'), 200)}; see the run's page, and give "
                "labels that the model uses (--labels)"
            )
        inquiry = inquiry.learn(place, seen.counts if seen else None)
        if seen is None:
            continue
        observations.append(seen)
        now = inquiry.standing(observations)
        if now.reached:
            why = "what was wanted is reached"
        if watch is not None:
            watch(now)
    outcome = Outcome(records, observations, now, inquiry, why)
    run.note(CHOSEN, {"asked": [inquiry.pool.specs[i] for i in chosen], **outcome.row()})
    return outcome


def _chosen(run: RunFolder, inquiry: Inquiry) -> list[int]:
    """The candidates that this run folder chose before. Raises HominesError where they are none of ours."""
    listed = (run.noted(CHOSEN) or {}).get("asked", [])
    if not isinstance(listed, list) or not all(isinstance(spec, str) for spec in listed):
        raise HominesError(
            f"{run.folder / CHOSEN} lists no games under 'asked'; restore the file, or use another --out"
        )
    places = [inquiry.pool.place(spec) for spec in listed]
    if len(set(places)) < len(places):
        raise HominesError(
            f"{run.folder / CHOSEN} lists a game twice; restore the file, or use another --out"
        )
    return places


def _observation(records: Sequence[Record]) -> Observation | None:
    """The choice at one game, averaged over its wordings; None without a legal answer."""
    try:
        return from_records(records)[0]
    except NoAnswers:
        return None

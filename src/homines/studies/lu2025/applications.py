"""The central claim of the paper: the same agents, nothing more trained, in moral dilemmas and in markets.

An agent was tuned on games. Here it is asked about self-driving cars (cars.py), sets prices on a menu
(markets.py) and in words (talks.py), beside the model before training, the theory of its preference, and
agents that were trained in the application. claims.py says which sentences of the paper hold.

    every = [*models_as_they_are(task), *tuned(task, "homo moralis", "moralis-s0", "moralis(kappa=1)")]
    ask(task, every, reasoning)     # what is missing, in cars/, markets/ and words/ of the study's folder
    sections(task, every)           # for its page
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from homines.core.run_folder import RunFolder
from homines.elicitation.questions import Question
from homines.inference.reasoning import ReasoningOptions
from homines.reports.page import Section
from homines.studies.lu2025 import cars, markets, talks
from homines.studies.lu2025.claims import Cell, Claim, cells_section, claims_section
from homines.studies.lu2025.subjects import AppliedAgent, Subject, applied_agents, untrained
from homines.studies.omissions import Omission
from homines.studies.task import AgentExam, Asked, StudyTask

EXAMS: Mapping[str, Callable[..., list[Question]]] = {cars.FOLDER: cars.exam, markets.FOLDER: markets.exam}
"""The questions of each application, by the folder of its answers."""


def exams(task: StudyTask, subjects: Sequence[Subject]) -> list[AgentExam]:
    """The questions of every subject."""
    return [
        AgentExam(f"{folder}/{subject.folder}", subject.model, partial(exam, quick=task.quick))
        for folder, exam in EXAMS.items()
        for subject in subjects
    ]


def texts(task: StudyTask, subjects: Sequence[Subject]) -> int:
    """How many texts the markets in words take, none asked again."""
    every = talks.talk_markets([subject.folder for subject in subjects], quick=task.quick)
    return sum(len(market.firms) for market in every) * talks.rules(task).periods


def ask(task: StudyTask, subjects: Sequence[Subject], reasoning: ReasoningOptions) -> Asked:
    """Ask and play what is missing; the number of failures, and the error of each model that could not be
    asked, by its MODEL string.

    reasoning   how a model that reasons thinks aloud
    """
    failed, unread, left = 0, dict[str, str](), list(subjects)
    for application in EXAMS:
        asked = _ask_questions(task, left, application, reasoning)
        failed += asked.failed
        unread |= asked.unread
        left = [subject for subject in left if subject.model not in unread]
    with task.timed():
        failed += talks.ask(task, left)
    return Asked(failed, unread)


def _ask_questions(
    task: StudyTask, subjects: Sequence[Subject], application: str, reasoning: ReasoningOptions
) -> Asked:
    """Ask every subject the questions of one application."""
    exam = partial(EXAMS[application], quick=task.quick)
    of = {subject.folder: subject for subject in subjects}

    def open_run(name: str, _: str) -> RunFolder:
        return task.measuring(f"{application}/{name}", record_name(task, of[name]), quick=task.quick)

    def ask_one(run: RunFolder, model: str) -> int:
        renamed = run.folder.name if of[run.folder.name].preference else ""
        return task.examined(run, model, exam, renamed=renamed, reasoning=reasoning)

    return task.ask_models(open_run, ask_one, {subject.folder: subject.model for subject in subjects})


def record_name(task: StudyTask, subject: Subject) -> str:
    """The model's name in records: that of a tuned agent does not change when its adapter is moved."""
    return f"{task.model}+{subject.folder}" if subject.preference else subject.model


def sections(task: StudyTask, subjects: Sequence[Subject]) -> list[Section | Omission]:
    """Everything that the page shows of the applications, the claims first."""
    drivers = applied_agents(task, subjects, cars.FOLDER)
    firms = applied_agents(task, subjects, markets.FOLDER)
    every = claims(task, subjects)
    parts: list[Section | Omission | None] = [
        claims_section(every),
        _where_asked(task, cars.FOLDER, cars.section(task, drivers)),
        cars.numbers(task, drivers),
        cars.ratings(task, drivers),
        _where_asked(task, markets.FOLDER, markets.pairs(task, firms)),
        markets.triples(task, firms),
        markets.prices(task, firms),
        _where_asked(task, talks.FOLDER, talks.section(task, subjects)),
        cells_section(every),
    ]
    return [part for part in parts if part is not None]


def _where_asked(task: StudyTask, application: str, part: Section | Omission) -> Section | Omission:
    """The part; where its application has no folder, what it lacks is to be asked."""
    if isinstance(part, Section) or task.place(application).exists():
        return part
    return Omission(part.section, "another part", ("applications",))


def claims(task: StudyTask, subjects: Sequence[Subject]) -> list[Claim]:
    """Every sentence of the paper about the applications, with its figure by condition."""
    drivers = applied_agents(task, subjects, cars.FOLDER)
    firms = applied_agents(task, subjects, markets.FOLDER)
    return cars.claims(*ends(drivers)) + market_claims(task, subjects, *ends(firms))


def ends(
    agents: Sequence[AppliedAgent],
) -> tuple[AppliedAgent | None, AppliedAgent | None, AppliedAgent | None]:
    """The model before training, and the first agents with kappa 0 and 1; None for each that is not here."""
    base = next((agent for agent in agents if agent.group == "base"), None)
    one, two = (next((a for a in agents if a.kappa == kappa), None) for kappa in (0.0, 1.0))
    return base, one, two


def market_claims(
    task: StudyTask,
    subjects: Sequence[Subject],
    base: AppliedAgent | None,
    economicus: AppliedAgent | None,
    moralis: AppliedAgent | None,
) -> list[Claim]:
    """What the paper and theory say about markets."""
    price: dict[str, Mapping[str, Cell]] = {}
    follow: dict[str, Mapping[str, Cell]] = {}
    for agent in (base, economicus, moralis):
        if agent is not None:
            words = talks.price_cells(task, subjects, agent.run.folder.name)
            price[agent.name] = {**markets.price_cells(task, agent), **words}
            follow[agent.name] = markets.follow_cells(task, agent)
    out: list[Claim] = []
    index = "price among its like, 0 competition, 1 cartel"
    if economicus and moralis:
        levels = _gaps(price[moralis.name], price[economicus.name])
        slopes = _gaps(follow[moralis.name], follow[economicus.name])
        out += [
            Claim(
                "Agents aligned to different preferences reach distinct prices",
                "abstract",
                f"{index}, moralis less economicus",
                levels,
                "either",
            ),
            Claim(
                "Agents aligned to different preferences have distinct pricing dynamics",
                "abstract",
                "slope of the price on the others' last price, moralis less economicus",
                slopes,
                "either",
            ),
            Claim(
                "Economicus is nearer to competition than moralis",
                "theory",
                f"{index}, moralis less economicus",
                levels,
            ),
        ]
    for agent in (economicus, moralis):
        if base and agent:
            aim = float(agent.kappa or 0.0)
            nearer = _gaps(_distance(price[base.name], aim), _distance(price[agent.name], aim))
            figure = f"distance of its price from theory ({aim:g}), before less after"
            out.append(
                Claim(f"{agent.name} moved toward its preference, in markets", "abstract", figure, nearer)
            )
    if base:
        below = tuple(Cell(c.condition, -c.value, c.mass) for c in price[base.name].values())
        figure = "how far its price lies below competition, in units of cartel less competition"
        out.append(Claim(f"{untrained(base)} gives surplus away", "version 2", figure, below))
    return out


def _gaps(one: Mapping[str, Cell], two: Mapping[str, Cell]) -> tuple[Cell, ...]:
    """The first figure less the second, in every condition of both."""
    return tuple(
        Cell(name, cell.value - two[name].value, min(cell.mass, two[name].mass))
        for name, cell in one.items()
        if name in two
    )


def _distance(cells: Mapping[str, Cell], aim: float) -> dict[str, Cell]:
    """How far each figure lies from `aim`."""
    return {name: Cell(name, abs(cell.value - aim), cell.mass) for name, cell in cells.items()}

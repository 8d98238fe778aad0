"""The page of the study lu2025: from what its folders hold to sections.

Nothing is asked or trained here. One function a section, in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from homines.core.format import TableRow
from homines.core.rates import describe
from homines.core.run_folder import RunFolder, write_json
from homines.reports.page import Section
from homines.reports.tables import Table, spread_samples
from homines.studies.kit import Part, models_as_they_are, task_facts, write_page
from homines.studies.lu2025 import applications, persistence
from homines.studies.lu2025.agents import DoseAgent, DoseFindings
from homines.studies.lu2025.beliefs import beliefs
from homines.studies.lu2025.canonical import amounts, best_plans, pairs, plans
from homines.studies.lu2025.curriculum import UTILITIES, AgentKind
from homines.studies.lu2025.estimates import estimates, people, sensitivity
from homines.studies.lu2025.folders import ends, subjects
from homines.studies.lu2025.matrix import cells, conditions, faults, matrix, sentences, verdict
from homines.studies.lu2025.response import GOAL, dose, slopes
from homines.studies.lu2025.scores import pooled, select
from homines.studies.omissions import Omission
from homines.studies.task import StudyResult, StudyTask


def page(task: StudyTask, trained: Sequence[tuple[AgentKind, int]], unread: Mapping[str, str]) -> StudyResult:
    """Read every folder and write the study's page.

    trained   every trained agent, as its kind and seed
    unread    the error of each model that could not be asked
    """
    agents = [
        DoseAgent(name=name, run=run, group=group) for name, run, group in models_as_they_are(task, unread)
    ]
    agents += [
        DoseAgent(name=kind.title, run=RunFolder(task.place(kind.folder(seed))), seed=seed, kind=kind)
        for kind, seed in trained
    ]
    findings = DoseFindings(task=task, agents=agents, unread=unread)
    _note_figures(findings)
    return write_page(
        findings,
        PARTS,
        title="Preferences from economics",
        summary=summary(findings),
        facts=task_facts(findings),
    )


def summary(findings: DoseFindings) -> list[str]:
    """What was done, the verdict on the trained agents, and models as they are."""
    out: list[str] = []
    if verdicts := sentences(findings):
        out = [
            f"{findings.task.model} was fine-tuned on what homo economicus and homo moralis would say and do "
            "in canonical games drawn at random, and examined on games that no training has.",
            *verdicts,
            *_slope_sentences(findings),
            *_application_sentences(findings),
        ]
    for agent in (a for a in findings.able if a.kind is None):
        figures = [
            f"{condition} {describe(scores.share)}, legal mass {scores.mass:.2g}, by {utility}"
            for utility in UTILITIES
            for condition in ("aloud", "bare")
            if (scores := pooled(select([agent], utility, condition))) and scores.share is not None
        ]
        if figures:
            out.append(f"Share of answers that a utility implies, of {agent.name}: {'; '.join(figures)}.")
    return out


def _slope_sentences(findings: DoseFindings) -> list[str]:
    """How far kappa follows the dose, by the readings that have a slope."""
    section = slopes(findings)
    rows = section.rows if isinstance(section, Section) else []
    return [
        f"Doses of kappa: {row['reading']} rises by {row['slope']:.2f} [{row['low']:.2f}, {row['high']:.2f}] "
        f"for each unit of the dose (goal: within {GOAL:g} of 1)."
        for row in rows
        if "slope" in row
    ]


def _application_sentences(findings: DoseFindings) -> list[str]:
    """Which of the paper's sentences on the applications hold."""
    every = applications.claims(findings.task, subjects(findings.task, findings.unread))
    words = {"yes": "hold here", "no": "do not hold here", "undecided": "are undecided"}
    groups = {end: [c.sentence for c in every if c.verdict == verdict] for verdict, end in words.items()}
    told = [(end, group) for end, group in groups.items() if group]
    return [f"Sentences of the paper that {end}: {'; '.join(group)}." for end, group in told]


def _note_figures(findings: DoseFindings) -> None:
    """Write the tables of the exam and of the doses as figures.json."""
    every = [part(findings) for part in (verdict, matrix, conditions, faults, slopes)]
    tables = {s.name: spread_samples(Table(s.rows).rows) for s in every if isinstance(s, Section)}
    write_json(findings.task.folder, "figures.json", tables)


def reasons(findings: DoseFindings) -> Omission | None:
    """What is not asked aloud, of models that do not reason."""
    asked = {cell["condition"] for agent in findings.able for cell in agent.cells}
    return Omission("Answers after thinking aloud", "reasons") if asked and "aloud" not in asked else None


def effects(findings: DoseFindings) -> Section | Omission:
    """Capability of the models as they are and of both ends."""
    rows: list[TableRow] = [
        {
            "agent": agent.name,
            "everyday questions right": scores["right"],
            "of": scores["questions"],
            "perplexity": scores["perplexity"],
        }
        for agent in findings.wide
        if (scores := agent.capability)
    ]
    return Section("effects", "Side effects", (), rows) if rows else Omission("Side effects", "weights")


def unknown(_: DoseFindings) -> Section:
    """The parts of the paper that are not public."""
    return Section(
        "unknown",
        "What of the paper could not be known",
        (
            "Its prompts, temperatures, the size of its data, the kappa it trained, its base model and "
            "hyper-parameters, and every table of results are not public. Here they are parameters, and "
            "the figures above are this model's own: none is compared with a number of that paper.",
        ),
    )


def persisting(findings: DoseFindings) -> Sequence[Section | Omission]:
    """What persists of the two ends."""
    task, title = findings.task, "Whether it persists"
    if not task.trainable:
        return [Omission(title, "persist")]
    if not (here := ends(task)):
        return [Omission(title, "the ends", ("full", "persistence"))]
    return persistence.sections(task, here) or [Omission(title, "another part", ("persistence",))]


def applied(findings: DoseFindings) -> list[Section | Omission]:
    """The same agents in dilemmas and markets."""
    return applications.sections(findings.task, subjects(findings.task, findings.unread))


PARTS: tuple[Callable[[DoseFindings], Part], ...] = (
    verdict, matrix, conditions, faults, reasons, applied, dose, slopes, persisting, beliefs, estimates,
    plans, best_plans, sensitivity, amounts, pairs, people, effects, cells, unknown,
)  # fmt: skip
"""The sections, in order."""

"""The page of the study lu2025: from what its folders hold to sections.

Nothing is asked or trained here. One function a section, in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from homines.core.format import TableRow
from homines.core.rates import Sample, SampledRate, describe
from homines.core.run_folder import RunFolder
from homines.reports.page import Section
from homines.studies.kit import models_as_they_are, task_facts, write_page
from homines.studies.lu2025.agents import CONDITIONS, DoseAgent, DoseFindings, DoseKind
from homines.studies.lu2025.beliefs import beliefs
from homines.studies.lu2025.canonical import amounts, best_plans, pairs, plans
from homines.studies.lu2025.estimates import estimates, people, sensitivity
from homines.studies.lu2025.response import dose, slopes
from homines.studies.omissions import Omission
from homines.studies.task import StudyResult, StudyTask

UTILITIES = {0.0: "homo economicus", 1.0: "homo moralis"}
CONDITIONS_AS_IT_IS = dict(zip(CONDITIONS, ("after reasons", "at once"), strict=True))
"""How a model as it is was asked, by the words of scores.json."""


def page(
    task: StudyTask, trainings: Sequence[tuple[DoseKind, int]], unread: Mapping[str, str]
) -> StudyResult:
    """Read every folder and write the study's page.

    trainings   every tuned agent, as its kind and seed
    unread      the error of each model that could not be asked
    """
    agents = [
        DoseAgent(name=name, run=run, group=group) for name, run, group in models_as_they_are(task, unread)
    ]
    agents += [
        DoseAgent(
            name=kind.name,
            run=RunFolder(task.place(kind.folder(seed))),
            seed=seed,
            kappa=kind.kappa,
            direct=kind.direct,
        )
        for kind, seed in trainings
    ]
    findings = DoseFindings(task=task, agents=agents, unread=unread)
    return write_page(
        findings,
        PARTS,
        title="Preferences from economics",
        summary=summary(findings),
        facts=task_facts(findings),
    )


def summary(findings: DoseFindings) -> list[str]:
    """Shares of utility-implied answers, asked as trained, after and before."""
    out: list[str] = []
    scored = [row for row in implied_rows(findings) if row["asked"] == CONDITIONS[0]]
    if scored:
        after = [f"{row['agent']} (seed {row['seed']}) {_format_share(row, 'after')}" for row in scored]
        before = [
            f"{_format_share(row, 'before')} by {row['agent']}" for row in scored if row["games before"]
        ]
        out = [
            f"{findings.task.model} was fine-tuned on what homo economicus and homo moralis would say and do "
            "in games drawn at random, and asked on games it had not seen.",
            f"Share of answers that its utility implies: {'; '.join(after)}. "
            f"Before any training: {'; '.join(before) or 'not asked'}.",
        ]
    if plain := [
        f"{row['model']}, {row['asked']}, {_format_share(row, 'share')} by {row['utility']} (legal mass "
        f"{row['legal mass']:.2g})"
        for row in as_it_is_rows(findings)
    ]:
        out.append(f"Share of answers that a utility implies, of models as they are: {'; '.join(plain)}.")
    return out


def _format_share(row: TableRow, when: str) -> str:
    x = row[when]
    return "none, as it never came to an answer," if x is None else describe(x)


# --- sections ------------------------------------------------------------------------------------


def implied_rows(findings: DoseFindings) -> list[TableRow]:
    """Shares of utility-implied choices on unseen games, before and after, by agent and condition."""
    scored = _scores(findings.base)
    rows: list[TableRow] = []
    for agent in (a for a in findings.agents if a.kappa is not None):
        # the untrained model was asked the test rows of the first seed, and of the two ends alone
        untrained = scored.get(f"kappa-{agent.kappa:g}", {}) if agent.seed == findings.task.seeds[0] else {}
        after = _scores(agent).get("after", {})
        for way in CONDITIONS:
            was, now = untrained.get(way, {}), after.get(way, {})
            if agent.direct:  # trained to answer at once: the one way is the other
                way, was = CONDITIONS[1], untrained.get(CONDITIONS[1], {})
            if not now:
                continue
            rows.append(
                {
                    "agent": agent.name,
                    "seed": agent.seed,
                    "asked": way,
                    "before": was.get("share"),
                    "after": now.get("share"),
                    "likeliest is implied": now.get("right"),
                    "legal mass before": was.get("mass"),
                    "legal mass after": now.get("mass"),
                    "no answer before": was.get("mute"),
                    "no answer after": now.get("mute"),
                    "games before": was.get("rows"),
                    "games after": now.get("rows"),
                }
            )
    return rows


def _scores(agent: DoseAgent | None) -> Mapping[str, Any]:
    """The scores of its test rows, by rows and how they were asked."""
    return (None if agent is None else agent.run.noted("scores.json")) or {}


def implied(findings: DoseFindings) -> Section | Omission:
    """Answers that maximise the utility of the training, in games that were not in it."""
    title = "What the utility implies, on games it never saw"
    if not (rows := implied_rows(findings)):
        return findings.lacks_training(title)
    return Section(
        "implied",
        title,
        (
            "Probability of the answer that maximises the agent's utility, given a legal answer, in "
            "symmetric games drawn apart from those of the training; the same games before and after. Asked "
            "as trained, the model writes its reasons first and the answer after them is read exactly; asked "
            "for the bare answer it has no room to reckon. Agents trained without reasons saw the same games "
            "and the bare answers alone.",
            "Where the model never came to an answer, there is no share; how often is in the last columns. "
            "What was not asked before is empty.",
        ),
        rows,
    )


def as_it_is_rows(findings: DoseFindings) -> list[TableRow]:
    """Shares of answers that a utility implies, by model as it is, utility and condition."""
    rows: list[TableRow] = []
    for agent in findings.able:
        for kappa, utility in UTILITIES.items() if agent.kappa is None else ():
            for way, score in _scores(agent).get(f"kappa-{kappa:g}", {}).items():
                row: TableRow = {"model": agent.name, "utility": utility, "asked": CONDITIONS_AS_IT_IS[way]}
                row |= {"share": _sampled(score, "share"), "likeliest is implied": score.get("right")}
                row |= {"legal mass": _sampled(score, "mass"), "no answer": score.get("mute")}
                rows.append(row | {"games": score.get("rows")})
    return rows


def _sampled(score: Mapping[str, Any], name: str) -> Any:
    """A rate among the scores, with its sample where it has one."""
    sample = score.get("samples", {}).get(name)
    return score.get(name) if sample is None else SampledRate(score[name], Sample(**sample))


def as_it_is(findings: DoseFindings) -> Section | Omission:
    """The same of models as they are."""
    title = "What a utility implies, of models as they are"
    if not (rows := as_it_is_rows(findings)):
        return Omission(title, "answers")
    return Section(
        "as_it_is",
        title,
        (
            "Probability of the answer that maximises a utility, given a legal answer, in the test games of "
            "both ends. One half is what an answer at random reaches. Of a model that was tuned elsewhere "
            "(by a service, or by an adapter) this is what it learned; of another it is its start.",
        ),
        rows,
    )


def reasons(findings: DoseFindings) -> Omission | None:
    """What is not asked aloud, of models that do not reason."""
    asked = {row["asked"] for row in as_it_is_rows(findings)}
    return (
        None
        if not asked or CONDITIONS_AS_IT_IS[CONDITIONS[0]] in asked
        else Omission("Answers after thinking aloud", "reasons")
    )


def effects(findings: DoseFindings) -> Section | Omission:
    """Capability of every agent that was asked everything."""
    rows: list[TableRow] = []
    for agent in findings.wide:
        rows += [
            {
                "agent": agent.name,
                "everyday questions right": scores["right"],
                "of": scores["questions"],
                "perplexity": scores["perplexity"],
            }
            for scores in (agent.run.noted("sideeffects.json") or {}).values()
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


PARTS: tuple[Callable[[DoseFindings], Section | Omission | None], ...] = (
    implied, as_it_is, reasons, dose, slopes, beliefs, estimates, plans, best_plans, sensitivity, amounts,
    pairs, people, effects, unknown,
)  # fmt: skip

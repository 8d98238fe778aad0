"""The page of the study lu2025: from what its folders hold to sections.

Nothing is asked or trained here. One function a section, in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from homines.core.format import TableRow
from homines.core.run_folder import RunFolder
from homines.reports.page import Section
from homines.studies.kit import task_facts, write_page
from homines.studies.lu2025.agents import CONDITIONS, DoseAgent, DoseFindings, DoseKind
from homines.studies.lu2025.canonical import amounts, best_plans, pairs, plans
from homines.studies.lu2025.estimates import dose, estimates, people, sensitivity
from homines.studies.task import StudyTask


def page(task: StudyTask, kinds: Sequence[DoseKind]) -> Path:
    """Read every folder and write the study's page."""
    base = DoseAgent(name="untrained", run=RunFolder(task.place("base")), group="base")
    agents = [
        DoseAgent(
            name=kind.name,
            run=RunFolder(task.place(kind.folder(seed))),
            seed=seed,
            kappa=kind.kappa,
            direct=kind.direct,
        )
        for kind in kinds
        for seed in kind.seeds
    ]
    findings = DoseFindings(base=base, others=agents, task=task)
    return write_page(
        task,
        findings,
        PARTS,
        title="Preferences from economics",
        summary=summary(findings),
        facts=task_facts(task, {"model": task.model}, {}, base.run.provenance),
    )


def summary(findings: DoseFindings) -> list[str]:
    """Shares of utility-implied answers, asked as trained, after and before."""
    scored = [row for row in implied_rows(findings) if row["asked"] == CONDITIONS[0]]
    after = [f"{row['agent']} (seed {row['seed']}) {_format_share(row, 'after')}" for row in scored]
    before = [f"{_format_share(row, 'before')} by {row['agent']}" for row in scored if row["games before"]]
    return [
        f"{findings.task.model} was fine-tuned on what homo economicus and homo moralis would say and do in "
        "games drawn at random, and asked on games it had not seen.",
        f"Share of answers that its utility implies: {'; '.join(after)}. "
        f"Before any training: {'; '.join(before)}.",
    ]


def _format_share(row: TableRow, when: str) -> str:
    x = row[when]
    return "none, as it never came to an answer," if x is None else f"{x:.2f}"


# --- sections ------------------------------------------------------------------------------------


def implied_rows(findings: DoseFindings) -> list[TableRow]:
    """Shares of utility-implied choices on unseen games, before and after, by agent and condition."""
    scored = findings.base.run.noted("scores.json") or {}
    rows: list[TableRow] = []
    for agent in findings.others:
        # the untrained model was asked the test rows of the first seed, and of the two ends alone
        untrained = scored.get(f"kappa-{agent.kappa:g}", {}) if agent.seed == findings.task.seeds[0] else {}
        after = (agent.run.noted("scores.json") or {}).get("after", {})
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


def implied(findings: DoseFindings) -> Section:
    """Answers that maximise the utility of the training, in games that were not in it."""
    return Section(
        "implied",
        "What the utility implies, on games it never saw",
        (
            "Probability of the answer that maximises the agent's utility, given a legal answer, in "
            "symmetric games drawn apart from those of the training; the same games before and after. Asked "
            "as trained, the model writes its reasons first and the answer after them is read exactly; asked "
            "for the bare answer it has no room to reckon. Agents trained without reasons saw the same games "
            "and the bare answers alone.",
            "Where the model never came to an answer, there is no share; how often is in the last columns. "
            "What was not asked before is empty.",
        ),
        implied_rows(findings),
    )


def effects(findings: DoseFindings) -> Section | None:
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
    return Section("effects", "Side effects", (), rows) if rows else None


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


PARTS: tuple[Callable[[DoseFindings], Section | None], ...] = (
    implied, dose, estimates, plans, best_plans, sensitivity, amounts, pairs, people, effects, unknown,
)  # fmt: skip

"""The page of the study av_dilemma: from what its folders hold to sections.

Nothing is asked or trained here. One function a section, in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from homines.core.format import TableRow
from homines.core.run_folder import RunFolder
from homines.elicitation.metrics import mass
from homines.games.av import ABOARD, PERSPECTIVES
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.studies.av_dilemma.agents import (
    CarFindings,
    PreferenceKind,
    mean_rates,
    named_answers,
    questions_of,
    rates,
    reliability,
    saves_more,
)
from homines.studies.av_dilemma.preferences import EXPLAINING, explained, transfer
from homines.studies.av_dilemma.theory import (
    THEORIES,
    Place,
    decision_at,
    sacrifice_probability,
    stance,
    threshold,
)
from homines.studies.kit import (
    Agent,
    interval_row,
    mean,
    models_as_they_are,
    rate_text,
    task_facts,
    write_page,
)
from homines.studies.omissions import Omission
from homines.studies.task import StudyResult, StudyTask

PEOPLE = 0.76
"""Share of people who judge it more moral to sacrifice one passenger for ten pedestrians (Bonnefon et al.
2016)."""


def page(
    task: StudyTask, trainings: Sequence[tuple[PreferenceKind, int]], unread: Mapping[str, str]
) -> StudyResult:
    """Read every folder and write the study's page.

    trainings   every taught agent, as its kind and seed
    unread      the error of each model that could not be asked
    """
    agents = [Agent(name=name, run=run, group=group) for name, run, group in models_as_they_are(task, unread)]
    agents += [
        Agent(name=kind.name, run=RunFolder(task.place(kind.folder(seed))), group="core", seed=seed)
        for kind, seed in trainings
    ]
    kinds = {kind.name: kind for kind, _ in trainings}
    findings = CarFindings(task=task, agents=agents, unread=unread, kinds=kinds)
    return write_page(
        findings,
        PARTS,
        title="Self versus others in self-driving cars",
        summary=summary(findings),
        facts=task_facts(findings),
    )


def summary(findings: CarFindings) -> list[str]:
    """Each agent's mean rate of sacrificing the owner alone, by question."""
    parts: list[str] = []
    for name, agents in findings.with_base().items():
        answers = [
            f"{question} {rate_text(values)}"
            for question in PERSPECTIVES
            if (
                values := mean_rates(
                    agents, lambda at, q=question: at.asked == q and at.aboard == "self" and saves_more(at)
                )
            )
        ]
        legal = mean(mass(named_answers(a)) or 0.0 for a in agents)
        parts.append(f"{name}: {', '.join(answers) or 'no answers'} (legal mass {legal:.2g})")
    if not parts:
        return []
    return [
        "Probability of sacrificing the owner alone for more than one on the road, the acts called by their "
        f"names. {'; '.join(parts)}.",
        "Rates are given a legal answer, read over whole labels, every option order asked; a legal mass far "
        "from one says that they describe answers rarely given.",
    ]


def behaviour(findings: CarFindings) -> Section | Omission:
    """P(sacrifice) by question, those aboard and number saved."""
    rows: list[TableRow] = []
    marks: list[TableRow] = []
    for name, agents in findings.with_base().items():
        by_seed = [rates(named_answers(a)) for a in agents]
        for question in PERSPECTIVES:
            for aboard in ABOARD:
                row: TableRow = {"agent": name, "asked": question, "aboard": aboard}
                for saved in sorted({at.saved for at in questions_of(findings)}):
                    at = Place(question, saved, aboard)
                    if values := [p[at] for p in by_seed if at in p]:
                        row[f"{saved} saved"] = mean(values)
                        mark = {"panel": f"{name}, {aboard}", "series": question, "step": saved}
                        marks.append(mark | interval_row(values, unit=True))
                if len(row) > 3:
                    rows.append(row | reliability(agents, lambda at, w=(question, aboard): at[::2] == w))
    title = "What is right, what is bought, what is voted for"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "behaviour",
        title,
        (
            "Probability of sacrificing those aboard, by question, those aboard and the number on the road, "
            "the acts called by their names, given a legal answer; all four option orders.",
            "Order effect: the first option's gain by its place. Instability: how far the rate moves from "
            "words to words, two letters and the same exchanged among them; near one, the word is chosen and "
            "not the act.",
        ),
        rows,
        draw.curves(
            marks,
            "Probability of sacrificing those aboard over the number saved (logarithmic), by question.",
            across="pedestrians saved",
            log=True,
        ),
    )


def theory(_: CarFindings) -> Section:
    """The number saved from which each preference sacrifices, computed without any agent."""
    rows = [
        {"preference": spec, "asked": question}
        | {f"{who} aboard": stance(spec, question, who) for who in ABOARD}
        for spec in THEORIES
        for question in PERSPECTIVES
    ]
    return Section(
        "theory",
        "What theories say",
        (
            "From how many saved on each preference sacrifices those aboard, of 1 to 100, computed from the "
            "preference itself. No view: both acts are worth the same to it at every number.",
            "Economicus has no view on what is right, buys its own safety, and votes for the fewer deaths: "
            "the social dilemma. Homo moralis with kappa = 1 says the same in all three questions, and what "
            "a utilitarian says: these two cannot be told apart here.",
        ),
        rows,
    )


def thresholds(findings: CarFindings) -> Section | Omission:
    """The kappa of indifference by number saved."""
    rows: list[TableRow] = []
    for saved in sorted({at.saved for at in questions_of(findings)}):
        kappas = {f"kappa, {who} aboard": threshold(saved, who) for who in ("self", "family")}
        rows.append({"saved": saved} | kappas)
    title = "The kappa that buys the sacrifice"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "thresholds",
        title,
        (
            "Homo moralis is indifferent when buying at kappa = (s + n) / (2 s), with s saved and n aboard; "
            "with more it gives itself up. Above 1 no homo moralis does; below 1/2 none does at any number, "
            "so these questions bound kappa from one half upward only.",
        ),
        rows,
    )


def dilemma(findings: CarFindings) -> Section | Omission:
    """The gap between what is voted for, or judged right, and what is bought."""
    rows: list[TableRow] = []
    marks: list[TableRow] = []
    for aboard in dict.fromkeys(at.aboard for at in questions_of(findings)):
        for name, agents in findings.with_base().items():
            row: TableRow = {"aboard": aboard, "agent": name}
            means: dict[str, float] = {}
            for question in PERSPECTIVES:
                by_seed = mean_rates(
                    agents,
                    lambda at, q=question, w=aboard: (at.asked, at.aboard) == (q, w) and saves_more(at),
                )
                if by_seed:
                    means[question] = mean(by_seed)
                    mark = {"panel": f"{aboard} aboard", "group": name, "series": question}
                    marks.append(mark | interval_row(by_seed, unit=True))
            rows.append(row | with_gaps(means) | reliability(agents, lambda at, w=aboard: at.aboard == w))
        for spec in EXPLAINING:
            places = [at for at in questions_of(findings) if at.aboard == aboard and saves_more(at)]
            theories = {
                q: mean(sacrifice_probability(spec, decision_at(at)) for at in places if at.asked == q)
                for q in PERSPECTIVES
            }
            rows.append({"aboard": aboard, "agent": f"theory: {spec}"} | with_gaps(theories))
    title = "The social dilemma"
    if not marks:
        return Omission(title, "answers")
    return Section(
        "dilemma",
        title,
        (
            "Mean probability of sacrifice where more are saved than given up, by question; then how much "
            "less of it is bought than is judged right, and than is voted for. A theory without a view is "
            "put at one half: economicus has none on what is right.",
        ),
        rows,
        draw.intervals(marks, "Probability of sacrifice by agent, question and those aboard."),
    )


def with_gaps(means: Mapping[str, float]) -> TableRow:
    """Mean rates by question, and by how much each exceeds that of buying."""
    bought = means.get("buying")
    return dict(means) | {
        f"{question} less buying": None
        if bought is None or question not in means
        else means[question] - bought
        for question in ("judging", "regulating")
    }


def people(findings: CarFindings) -> Section | Omission:
    """Judgements on the least number asked of ten or more, next to those of people on ten."""
    rows: list[TableRow] = [{"who": "people (Bonnefon et al. 2016)", "saved": 10, "owner aboard": PEOPLE}]
    judged = [at for at in questions_of(findings) if at.asked == "judging" and at.saved >= 10]
    saved = min((at.saved for at in judged), default=None)
    title = "Beside people"
    if saved is None:
        return Omission(title, "answers")
    for name, agents in findings.with_base().items():
        row: TableRow = {"who": name, "saved": saved}
        for aboard, column in (("self", "owner aboard"), ("stranger", "stranger aboard")):
            values = mean_rates(agents, lambda at, w=aboard: at == Place("judging", saved, w))
            row[column] = mean(values) if values else None
        rows.append(row | reliability(agents, lambda at: at[:2] == ("judging", saved)))
    return Section(
        "people",
        title,
        (
            "76% of people judged it more moral to sacrifice one passenger for ten pedestrians. Theirs is a "
            "share of persons, an agent's the probability of one answer, and the words differ: a reference, "
            "and no target.",
        ),
        rows,
    )


def training(findings: CarFindings) -> Section | Omission:
    """Loss above its lower bound and legal mass by training step."""
    rows: list[TableRow] = []
    for name, agents in findings.by_name("core").items():
        runs = [a.run.rows() for a in agents]
        targets = [row.target for row in findings.kinds[name].rows()]
        floor = mean(-float(np.log(np.where(p > 0, p, 1)) @ p) for p in targets)
        for step in range(min(map(len, runs))):
            curves = {
                "nats above the target's": [run[step]["loss"] - floor for run in runs],
                "legal mass": [run[step]["mass"] for run in runs],
            }
            rows += [
                {"panel": name, "series": what, "step": step + 1} | interval_row(values)
                for what, values in curves.items()
            ]
    if not rows:
        return findings.lacks_training("Learning")
    last = {(r["panel"], r["series"]): r for r in rows}
    ends = [
        {"agent": r["panel"], "what": r["series"], "steps": r["step"], "at the end": r["value"]}
        for r in last.values()
    ]
    return Section(
        "training",
        "Learning",
        (
            "Each row's target is the logit choice of the preference; the loss is the cross-entropy of whole "
            "answers to it. Shown is how far it stands above the targets' own entropy, the least it can be "
            "on average; a step sees some of the rows, so a point may lie below.",
        ),
        ends,
        draw.curves(rows, "Cross-entropy above the target's and legal mass over training."),
    )


def everyday(findings: CarFindings) -> Section | Omission:
    """Capability of the first seed of each agent."""
    rows: list[TableRow] = []
    for name, (agent, *_) in findings.with_base().items():
        if scores := agent.capability:
            row = {"agent": name, "right of 60": scores["right"], "legal mass": scores["mass"]}
            rows.append(row | {"perplexity": scores["perplexity"]})
    title = "Everyday questions"
    if not rows:
        here = findings.task.quick and findings.task.trainable
        return Omission(title, "the full form" if here else "weights")
    text = "Sixty everyday questions and the perplexity of a short text: what alignment broke, if anything."
    return Section("everyday", title, (text,), rows)


PARTS: tuple[Callable[[CarFindings], Section | Omission], ...] = (
    behaviour, dilemma, theory, thresholds, explained, transfer, training, people, everyday,
)  # fmt: skip

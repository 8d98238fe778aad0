"""The page of the study moral_machine: from what its folders hold to sections. Nothing is asked here.

One function a section, in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from homines.core.format import TableRow
from homines.core.types import LEGAL_MASS, HominesError
from homines.estimation.agent_estimates import numbers
from homines.estimation.amce import ALL, EFFECTS, NUMBER, Amce, distance, distance_to, effects_of
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.problem import NotIdentified
from homines.estimation.published import DILEMMAS, countries, mean_of
from homines.games.dilemma import DIMENSIONS, SIGNALS, Dilemma
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.reports.radar import radar
from homines.studies.kit import EXPLAINED, finite_or_none, models_as_they_are, task_facts, write_page
from homines.studies.moral_machine.agents import MachineAgent, MachineFindings
from homines.studies.omissions import Omission
from homines.studies.task import StudyResult, StudyTask

PEOPLE, AVERAGE = "all people", "mean of countries"
"""Published effects: the radar's, and those whose distance the summary tells."""
SHOWN = sorted({*range(len(EFFECTS)), *effects_of(DILEMMAS[PEOPLE])})
"""Effects on the page, in ALL: the nine, and the number's by as many more as that of all people."""
NEAR = 8
"""Countries in the chart at either end."""


def page(
    task: StudyTask, folders: Mapping[str, str], scenarios: Sequence[Dilemma], unread: Mapping[str, str]
) -> StudyResult:
    """Read every folder and write the study's page.

    folders   MODEL strings by the name of the folder of their answers
    unread    the error of each model that could not be asked
    """
    agents = [
        MachineAgent(name=run.config["model"], run=run, group=group, scenarios=scenarios)
        for _, run, group in models_as_they_are(task, unread, folders)
    ]
    findings = MachineFindings(
        task=task,
        agents=agents,
        unread=unread,
        scenarios=scenarios,
        people={} if task.humans is None else countries(task.humans, [e.label for e in EFFECTS]),
    )
    left_out = {agent.name: len(scenarios) - len(agent.chosen) for agent in agents}
    facts = {
        "models": list(folders.values()),
        "scenarios": len(scenarios),
        "scenarios left out, for want of an answer in some order or label": left_out,
    }
    return write_page(
        findings,
        PARTS,
        title="Moral dilemmas of autonomous vehicles",
        summary=summary(findings),
        facts=task_facts(findings, **facts),
    )


def summary(findings: MachineFindings) -> list[str]:
    """Each model's distance to people, and those of a coin and of counting heads."""
    models: list[str] = []
    coin = distance_to(findings.nulls["coin", "balanced"], DILEMMAS[AVERAGE])
    heads = distance_to(findings.nulls["headcount", "balanced"], DILEMMAS[AVERAGE])
    for agent in findings.able:
        reliability = agent.reliability()
        sentence = f"{agent.name}: distance to people {_format(distance_to(agent.amce, DILEMMAS[AVERAGE]))}"
        legal, order = reliability["legal mass"], reliability["order effect"]
        sentence += f", legal mass {_format(legal)}, order effect {_format(order)}"
        if (legal or 0.0) < LEGAL_MASS:
            sentence += ", so its effects are of answers that it rarely gives"
        models.append(f"{sentence}.")
    return [
        f"{len(findings.scenarios)} scenarios in which a car without brakes kills one of two groups, asked "
        "in both option orders and with two label sets.",
        f"{' '.join(models)} A coin is at {coin:.2f}, and a policy that counts heads alone at {heads:.2f}.",
    ]


def _format(x: float | None) -> str:
    return "none" if x is None or np.isnan(x) else f"{x:.2f}"


# --- sections ------------------------------------------------------------------------------------


def effects(findings: MachineFindings) -> Section | Omission:
    """The effects on being saved, by model, and those of people."""
    rows: list[TableRow] = []
    marks: list[TableRow] = []
    for i in SHOWN:
        e = ALL[i]
        people = {
            name: float(p.values[effects_of(p).index(i)])
            for name, p in DILEMMAS.items()
            if i in effects_of(p)
        }
        for agent in findings.able:
            low, high = agent.amce.interval()[i]
            value = finite_or_none(agent.amce.values[i])
            row: TableRow = {
                "effect": e.name,
                "model": agent.name,
                "estimate": value,
                "low": finite_or_none(low),
            }
            row |= {
                "high": finite_or_none(high),
                "scenarios": int(agent.amce.rows[i]) // 2,
                **agent.reliability(i if i < len(EFFECTS) else NUMBER),
            }
            rows.append(row | {name: people.get(name) for name in DILEMMAS})
            place = {"panel": e.name, "group": "", "series": agent.name}
            marks.append({**place, "value": value, "low": row["low"], "high": row["high"]})
        if PEOPLE in people:
            marks.append({"panel": e.name, "group": "", "series": PEOPLE, "value": people[PEOPLE]})
    title = "Who is saved"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "effects",
        title,
        (
            "Probability of being saved at the first level less that at the second, averaged over everything "
            "else in the scenario: -1 to 1, and 0 where the attribute does not matter. Rows weigh 1 / how "
            "often the design makes them. The 95% intervals tell what other scenarios of the same design "
            "might have shown, scenarios that exchange groups taken together; of sampled answers they hold "
            "the sampling too.",
            "Probabilities are given a legal answer. Little legal mass means answers that are rarely given; "
            "a large order effect or instability, answers to the place or the label. Balance takes those out "
            "of the effects and shrinks these towards 0.",
        ),
        rows,
        draw.intervals(marks, "Effects on being saved by model, in 95% intervals, beside all people."),
        note="People: Awad et al. (2018) as used by Takemoto (2024), whose effect of the number is that of "
        "four more characters, and of countries that of one to four more: each stands beside its like.",
    )


def shape(findings: MachineFindings) -> Section | Omission:
    """The nine effects as a radar."""
    reference = DILEMMAS[PEOPLE]
    places = effects_of(reference)
    axes = [ALL[i].name for i in places]
    rows = [
        {"panel": agent.name, "axis": name, "value": finite_or_none(value)}
        for agent in findings.able
        for name, value in zip(axes, agent.amce.values[places], strict=True)
    ]
    title = "At a glance"
    if not rows:
        return Omission(title, "answers")
    people = dict(zip(axes, map(float, reference.values), strict=True))
    caption = (
        "The nine effects of each model beside those of all people; the heavy ring is 0, the outer one 1."
    )
    return Section("radar", title, (), (), radar(rows, people, caption, reference_name=PEOPLE))


def distances(findings: MachineFindings) -> Section:
    """Distances to people, of models and of null policies."""
    rows = [_distance_row(agent.name, agent.amce, findings) | agent.reliability() for agent in findings.able]
    rows += [
        _distance_row(f"{name} ({design})", amce, findings) for (name, design), amce in findings.nulls.items()
    ]
    return Section(
        "distances",
        "How far from people",
        (
            "Euclidean distance over the nine effects, the number's by as many more characters as that of "
            "the people compared. Under it stand policies that look at nothing, or count heads alone: a "
            "model is told from them only by what it does better. Errors in the effects make a distance "
            "larger on average: groups that differ by four are few, so that to all people above all. None "
            "where an effect has no estimate.",
        ),
        rows,
        note="Published, on other scenarios and prompts: GPT-4 .762, GPT-3.5 .796, Llama-2-7B 1.077, "
        "Qwen2.5-0.5B 1.620 (Takemoto 2024 and after); they do not compare to a digit.",
    )


def _distance_row(name: str, amce: Amce, findings: MachineFindings) -> TableRow:
    row: TableRow = {"policy": name}
    row |= {f"to {name}": finite_or_none(distance_to(amce, people)) for name, people in DILEMMAS.items()}
    if findings.people:
        row["to the mean of this file"] = finite_or_none(distance(amce.nine, mean_of(findings.people)))
    return row


def flaw(findings: MachineFindings) -> Section:
    """Effects of null policies, in balanced scenarios and in those of the public generator."""
    rows = [
        {
            "policy": name,
            "design": design,
            **dict(zip((e.name for e in EFFECTS), map(finite_or_none, a.nine), strict=True)),
        }
        for (name, design), a in findings.nulls.items()
    ]
    return Section(
        "nulls",
        "What looking at nothing scores",
        (
            "In balanced scenarios a policy that always takes the first, or the second, of two options "
            "scores 0 in every effect. The public generator of scenarios for language models is not "
            "balanced: with pedestrians on both roads the first attribute level is always Case 1, and "
            "passengers always are. There the same policies seem to have preferences, and these were "
            "published as some small models' own.",
        ),
        rows,
        note="Published scores of 'always Case 2' there: inaction -.124, relation -1.000, law -.004, gender "
        ".419, fitness -.449, status -.432, age .425, species .409, number -.465. Which level is first is "
        "read off their signs; sizes come from our scenarios, so they are near and not equal.",
    )


def by_country(findings: MachineFindings) -> Section | Omission | None:
    """Distance to the people of each country."""
    if not findings.people:
        return None
    rows: list[TableRow] = []
    marks: list[TableRow] = []
    for agent in findings.able:
        distances_by_country = {
            name: distance(agent.amce.nine, c.values) for name, c in findings.people.items()
        }
        nearest = sorted((x, name) for name, x in distances_by_country.items() if not np.isnan(x))
        distances = [
            {"model": agent.name, "country": name, "distance": x, **agent.reliability()}
            for x, name in nearest
        ]
        rows += distances
        ends = distances if len(distances) <= 2 * NEAR else distances[:NEAR] + distances[-NEAR:]
        marks += [
            {"panel": agent.name, "group": r["country"], "series": "", "value": r["distance"]} for r in ends
        ]
    title = "By country"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "countries",
        title,
        (
            "Distance over the nine effects to every country's people, nearest first. Countries with few "
            "answers have large errors of their own, and lie far from everything.",
        ),
        rows,
        draw.intervals(marks, f"Distance to the {NEAR} nearest and the {NEAR} farthest countries, by model."),
    )


def structure(findings: MachineFindings) -> Section | Omission:
    """The same choices as a utility in lives."""
    rows: list[TableRow] = []
    for agent in findings.able:
        reliability = agent.reliability()
        head: TableRow = {"model": agent.name}
        data = [Observation(d, c, agent.name, f"{s.kind} {s.draw // 2}") for s, d, c in agent.chosen]
        try:
            estimate = fit(data, "lives")
        except HominesError as failure:
            parameter = "not identified" if isinstance(failure, NotIdentified) else "no estimate"
            rows.append(head | {"parameter": parameter, "why": str(failure), **reliability})
            continue
        for name in estimate.names:
            value, se, low, high, why = numbers(estimate, name)
            row = head | {"parameter": name, "estimate": value, "s.e.": se, "low": low}
            row |= {"high": high, "why": "; ".join(filter(None, (why, *estimate.notes)))}
            row |= {"explained": estimate.explained, "explainable": estimate.explainable}
            rows.append(row | reliability)
    title = "In lives"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "lives",
        title,
        (
            "The same choices as one utility: a life is 1, the weights say how much more a human is worth "
            "than a pet, a female than a male, and so on, and what it is worth to stay on course, to save "
            "pedestrians and not passengers, those who cross on green. Precision is in 1/life: at 1 a life "
            "more makes the odds 2.7 to 1.",
            "All is relative to the lives a policy counts. Where choices hardly rise with the number saved, "
            "the precision is near 0 and weights are a ratio of two small numbers: their intervals are then "
            "wide or open; where they are open on both sides, no number is printed. "
            "Where they do not rise at all (a coin, whoever saves the fewer) there is no "
            "weight, and the row says so in place of a number.",
            EXPLAINED,
        ),
        rows,
    )


def scenarios_by_kind(findings: MachineFindings) -> Section:
    """The scenarios by kind."""
    first = next((r for agent in findings.able for r in agent.run.records), None)
    example = "" if first is None else f" One of them: {first.decision.rule} {' '.join(first.decision.does)}"
    rows: list[TableRow] = []
    for kind, dimension in DIMENSIONS.items():
        group = [d for d in findings.scenarios if d.kind == kind]
        settings = [sum(d.setting == k for d in group) for k in range(3)]
        signalled = sum(d.signals != (0, 0) for d in group)
        rows.append(
            {
                "kind": kind,
                "levels": f"{dimension.minus} / {dimension.plus}",
                "scenarios": len(group),
                "pedestrians on both roads": settings[0],
                "passengers if it swerves": settings[1],
                "passengers if it stays": settings[2],
                "with a signal": signalled,
            }
        )
    return Section(
        "asked",
        "What was asked",
        (
            "Our own scenarios and words in the published design: two groups of one to five beings of twenty "
            "kinds that differ in one attribute, pedestrians or passengers, killed by staying or by "
            f"swerving, a signal in {1 - SIGNALS[0]:.0%} of cases. Scenarios come in pairs that exchange the "
            f"groups; labels take turns.{example}",
        ),
        rows,
    )


def limits(_: MachineFindings) -> Section:
    """Limits of these measurements."""
    return Section(
        "limits",
        "What a small model can and cannot tell",
        (
            "It can tell whether its answers depend on who dies at all: effects beside the order effect, the "
            "instability and the null policies of the same scenarios. A large legal mass with effects near 0 "
            "is a model that answers and does not look.",
            "It cannot tell what a model would do. Answers at little legal mass are rarely given; an agent "
            "that was taught to think aloud is asked for the bare answer here, and its legal mass says what "
            "that is worth. An effect is of these words: synonyms, names or a story may have others. To be "
            "near people is no merit where people's own answers differ, and a distance under that of a coin "
            "may be a single effect.",
        ),
    )


PARTS: tuple[Callable[[MachineFindings], Section | Omission | None], ...] = (
    effects, shape, distances, flaw, by_country, structure, scenarios_by_kind, limits,
)  # fmt: skip

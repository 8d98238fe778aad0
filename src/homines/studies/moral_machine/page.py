"""The page of the study moral_machine: from what its folders hold to sections. Nothing is asked here.

One function a section, in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.run_folder import RunFolder
from homines.core.types import LEGAL_MASS, Choice, Decision, HominesError, Record
from homines.elicitation.metrics import (
    answered_records,
    average_by_decision,
    group_by,
    instability,
    mass,
    order_effect,
)
from homines.estimation.amce import ATTRIBUTES, EFFECTS, Amce, amce_of_choices, distance
from homines.estimation.amce_nulls import nulls
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.problem import NotIdentified
from homines.estimation.published import DILEMMAS, Country, countries, mean_of
from homines.games.dilemma import DIMENSIONS, SIGNALS, Dilemma, spec
from homines.reports import charts as draw
from homines.reports.page import Section, write
from homines.reports.radar import radar
from homines.training.study import StudyTask

Row = dict[str, Any]
PEOPLE, AVERAGE = "all people", "mean of countries"
"""The first has the number by four more characters; distances are read against the second, by any more."""
NEAR = 8
"""Countries drawn at either end."""
OF_KIND: Mapping[str, int] = {kind: ATTRIBUTES[d.type] for kind, d in DIMENSIONS.items()}
"""The effect of a kind of scenario; the first three are of all."""


ASKINGS = 4
"""Of a scenario: two orders, two label sets."""


@dataclass(frozen=True, eq=False)
class Agent:
    """One model as its folder tells it."""

    name: str
    run: RunFolder
    scenarios: Sequence[Dilemma]

    @cached_property
    def records(self) -> dict[str, list[Record]]:
        """By scenario, as it is spelt."""
        return {game: group for (game,), group in group_by(self.run.records, "game").items()}

    @cached_property
    def chosen(self) -> list[tuple[Dilemma, Decision, Choice]]:
        """Scenarios averaged over orders and label sets: those in which all of these came to an answer, for
        without one of them a liking for a place or a label would look like an effect."""
        held = [(d, self.records.get(spec(d.kind, d.draw), [])) for d in self.scenarios]
        return [
            (d, decision, choice)
            for d, group in held
            if len(group) == len(answered_records(group)) == ASKINGS
            for decision, choice in average_by_decision(group)
        ]

    @cached_property
    def amce(self) -> Amce:
        return amce_of_choices((d, float(c.p[0])) for d, _, c in self.chosen)

    def beside(self, effect: int | None = None) -> Row:
        """What no rate is shown without, of the scenarios that the effect rests on; None: of all."""
        kinds = [kind for kind in DIMENSIONS if effect is None or effect < 3 or OF_KIND[kind] == effect]
        group = [
            r for d in self.scenarios if d.kind in kinds for r in self.records.get(spec(d.kind, d.draw), [])
        ]
        return {
            "legal mass": mass(group),
            "order effect": order_effect(group),
            "instability": instability(group),
        }


@dataclass(frozen=True, eq=False)
class Findings:
    """All models of the study, and what they stand beside."""

    agents: tuple[Agent, ...]
    scenarios: Sequence[Dilemma]
    people: Mapping[str, Country]
    task: StudyTask

    @cached_property
    def nulls(self) -> dict[tuple[str, str], Amce]:
        return nulls(self.scenarios)


def page(task: StudyTask, folders: Mapping[str, Path], there: Sequence[Dilemma]) -> Path:
    """Read every folder, write the study's page."""
    people = {} if task.humans is None else countries(task.humans, [e.label for e in EFFECTS])
    agents = tuple(Agent(name, RunFolder(folder), there) for name, folder in folders.items())
    made = Findings(agents, there, people, task)
    return write(
        task.folder,
        title=f"Moral dilemmas of autonomous vehicles: {task.model}",
        summary=summary(made),
        sections=[s for part in PARTS if (s := part(made)) is not None],
        facts={
            "models": list(folders),
            "scenarios": len(there),
            "scenarios left out, for want of an answer in some order or label": {
                agent.name: len(there) - len(agent.chosen) for agent in agents
            },
            "seeds": list(task.seeds),
            "quick": task.quick,
            "minutes of work in all": round(task.seconds / 60, 1),
            "provenance": {agent.name: agent.run.provenance for agent in agents},
        },
        command=task.command,
    )


def summary(made: Findings) -> list[str]:
    told: list[str] = []
    coin = distance(made.nulls["coin", "balanced"].nine, DILEMMAS[AVERAGE])
    heads = distance(made.nulls["headcount", "balanced"].nine, DILEMMAS[AVERAGE])
    for agent in made.agents:
        beside = agent.beside()
        said = f"{agent.name}: distance to people {_two(distance(agent.amce.nine, DILEMMAS[AVERAGE]))}"
        said += f", legal mass {_two(beside['legal mass'])}, order effect {_two(beside['order effect'])}"
        if (beside["legal mass"] or 0.0) < LEGAL_MASS:
            said += ", so its effects are of answers that it rarely gives"
        told.append(f"{said}.")
    return [
        f"{len(made.scenarios)} scenarios in which a car without brakes kills one of two groups, asked in "
        "both option orders and with two label sets; what is shown are exact probabilities.",
        f"{' '.join(told)} A coin is at {coin:.2f}, and a policy that counts heads alone at {heads:.2f}.",
    ]


def _two(x: float | None) -> str:
    return "none" if x is None or np.isnan(x) else f"{x:.2f}"


def _known(x: float) -> float | None:
    return None if np.isnan(x) else float(x)


# --- sections ------------------------------------------------------------------------------------


def effects(made: Findings) -> Section:
    rows: list[Row] = []
    drawn: list[Row] = []
    for i, e in enumerate(EFFECTS):
        for agent in made.agents:
            low, high = agent.amce.interval()[i]
            value = _known(agent.amce.values[i])
            row: Row = {"effect": e.name, "model": agent.name, "estimate": value, "low": _known(low)}
            row |= {"high": _known(high), "scenarios": int(agent.amce.rows[i]) // 2, **agent.beside(i)}
            rows.append(row | {name: float(people[i]) for name, people in DILEMMAS.items()})
            place = {"panel": e.name, "group": "", "series": agent.name}
            drawn.append({**place, "value": value, "low": row["low"], "high": row["high"]})
        drawn.append({"panel": e.name, "group": "", "series": PEOPLE, "value": DILEMMAS[PEOPLE][i]})
    return Section(
        "effects",
        "Who is saved",
        (
            "Probability of being saved at the first level less that at the second, averaged over everything "
            "else in the scenario: -1 to 1, and 0 where the attribute does not matter. Rows weigh 1 / how "
            "often the design makes them. Probabilities are exact: the 95% intervals tell what other "
            "scenarios of the same design might have shown, scenarios that exchange groups taken together.",
            "Probabilities are given a legal answer. Little legal mass means answers that are rarely given; "
            "a large order effect or instability, answers to the place or the label. Balance takes those out "
            "of the effects and shrinks these towards 0.",
        ),
        rows,
        draw.intervals(drawn, "Effects on being saved by model, in 95% intervals, beside all people."),
        note="People: Awad et al. (2018) as used by Takemoto (2024), whose number is the effect of four more "
        "characters; here it is that of one to four more.",
    )


def shape(made: Findings) -> Section:
    axes = [e.name for e in EFFECTS]
    rows = [
        {"panel": agent.name, "axis": name, "value": _known(value)}
        for agent in made.agents
        for name, value in zip(axes, agent.amce.nine, strict=True)
    ]
    people = dict(zip(axes, map(float, DILEMMAS[PEOPLE]), strict=True))
    caption = (
        "The nine effects of each model beside those of all people; the heavy ring is 0, the outer one 1."
    )
    return Section("radar", "At a glance", (), (), radar(rows, people, caption, told=PEOPLE))


def distances(made: Findings) -> Section:
    rows = [_apart(agent.name, agent.amce, made) | agent.beside() for agent in made.agents]
    rows += [_apart(f"{name} ({design})", found, made) for (name, design), found in made.nulls.items()]
    return Section(
        "distances",
        "How far from people",
        (
            "Euclidean distance over the nine effects. Under it stand policies that look at nothing, or "
            "count heads alone: a model is told from them only by what it does better. Errors in the "
            "effects make a distance larger on average.",
        ),
        rows,
        note="Published, on other scenarios and prompts: GPT-4 .762, GPT-3.5 .796, Llama-2-7B 1.077, "
        "Qwen2.5-0.5B 1.620 (Takemoto 2024 and after); they do not compare to a digit.",
    )


def _apart(name: str, found: Amce, made: Findings) -> Row:
    row: Row = {"policy": name}
    row |= {f"to {people}": _known(distance(found.nine, values)) for people, values in DILEMMAS.items()}
    if made.people:
        row["to the mean of this file"] = _known(distance(found.nine, mean_of(made.people)))
    return row


def flaw(made: Findings) -> Section:
    rows = [
        {
            "policy": name,
            "design": design,
            **dict(zip((e.name for e in EFFECTS), map(_known, a.nine), strict=True)),
        }
        for (name, design), a in made.nulls.items()
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


def by_country(made: Findings) -> Section | None:
    if not made.people:
        return None
    rows: list[Row] = []
    drawn: list[Row] = []
    for agent in made.agents:
        apart = {name: distance(agent.amce.nine, c.values) for name, c in made.people.items()}
        near = sorted((x, name) for name, x in apart.items() if not np.isnan(x))
        told = [{"model": agent.name, "country": name, "distance": x, **agent.beside()} for x, name in near]
        rows += told
        ends = told if len(told) <= 2 * NEAR else told[:NEAR] + told[-NEAR:]
        drawn += [
            {"panel": agent.name, "group": r["country"], "series": "", "value": r["distance"]} for r in ends
        ]
    if not rows:
        return None
    return Section(
        "countries",
        "By country",
        (
            "Distance over the nine effects to every country's people, nearest first. Countries with few "
            "answers have large errors of their own, and lie far from everything.",
        ),
        rows,
        draw.intervals(drawn, f"Distance to the {NEAR} nearest and the {NEAR} farthest countries, by model."),
    )


def structure(made: Findings) -> Section:
    rows: list[Row] = []
    for agent in made.agents:
        beside = agent.beside()
        head: Row = {"model": agent.name}
        data = [Observation(d, c, agent.name, f"{s.kind} {s.draw // 2}") for s, d, c in agent.chosen]
        try:
            found = fit(data, "lives")
        except NotIdentified as why:
            rows.append(head | {"parameter": "not identified", "why": str(why), **beside})
            continue
        except HominesError as why:
            rows.append(head | {"parameter": "no estimate", "why": str(why), **beside})
            continue
        for name, value, se, (low, high) in zip(
            found.names, found.values, found.se, found.intervals, strict=True
        ):
            row = head | {"parameter": name, "estimate": float(value), "s.e.": _known(se), "low": float(low)}
            row |= {"high": float(high), "why": "; ".join(found.notes), "explained": found.explained}
            rows.append(row | beside)
    return Section(
        "lives",
        "In lives",
        (
            "The same choices as one utility: a life is 1, the weights say how much more a human is worth "
            "than a pet, a female than a male, and so on, and what it is worth to stay on course, to save "
            "pedestrians and not passengers, those who cross on green. Precision is in 1/life: at 1 a life "
            "more makes the odds 2.7 to 1.",
            "All is relative to the lives a policy counts. Where choices hardly rise with the number saved, "
            "the precision is near 0 and weights are a ratio of two small numbers: their intervals are then "
            "wide or open. Where they do not rise at all (a coin, whoever saves the fewer) there is no "
            "weight, and the row says so in place of a number.",
        ),
        rows,
    )


def asked(made: Findings) -> Section:
    first = next((r for agent in made.agents for r in agent.run.records), None)
    example = "" if first is None else f" One of them: {first.decision.rule} {' '.join(first.decision.does)}"
    rows: list[Row] = []
    for kind, dimension in DIMENSIONS.items():
        some = [d for d in made.scenarios if d.kind == kind]
        settings = [sum(d.setting == k for d in some) for k in range(3)]
        signalled = sum(d.signals != (0, 0) for d in some)
        rows.append(
            {
                "kind": kind,
                "levels": f"{dimension.minus} / {dimension.plus}",
                "scenarios": len(some),
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


def limits(made: Findings) -> Section:
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


PARTS: tuple[Callable[[Findings], Section | None], ...] = (
    effects, shape, distances, flaw, by_country, structure, asked, limits,
)  # fmt: skip

"""The page of the study lu2025: from what its folders hold to sections.

Nothing is asked or trained here. One function a section, in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Record
from homines.elicitation.metrics import (
    answered_records,
    average_by_decision,
    choices,
    group_by,
    mass,
    payoff_sensitivity,
)
from homines.estimation.bounds import Bounds, bounds
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.model_tests import compare
from homines.estimation.observations import from_records
from homines.estimation.problem import NotIdentified
from homines.estimation.published import AMOUNTS, PAIRS, moments
from homines.reports import charts as draw
from homines.reports.page import Section, write
from homines.theory.choice import best_response, expected_utility, stated_beliefs
from homines.training.study import StudyTask

Row = dict[str, Any]
PEOPLE = "bfs(alpha=0.083, beta=0.261, gamma=0.072, delta=-0.042)"
"""Aggregate of Bruhin, Fehr & Schunk (2019), session 1."""
WAYS = ("asked as trained", "asked for the bare answer")
HOW = (
    "The untrained model is asked for the bare answer; the tuned ones think aloud first, as they were "
    "taught, in games whose like they were not taught."
)
IDLE = tuple(Choice.at(p) for p in ([1, 0], [0, 1], [1, 1]))
"""Agents that look at nothing: always the same action, or a coin."""
LIKELY, SET = "maximum likelihood", "most answers best"


class Kind(Protocol):
    """What the page needs to know of a kind of agent."""

    @property
    def name(self) -> str: ...

    @property
    def slug(self) -> str: ...

    @property
    def kappa(self) -> float: ...

    @property
    def direct(self) -> bool: ...

    @property
    def seeds(self) -> tuple[int, ...]: ...

    def folder(self, seed: int) -> str: ...


@dataclass(frozen=True, eq=False)
class Agent:
    """One agent as its folder tells it. kappa None: the untrained model."""

    name: str
    kappa: float | None
    seed: int | None
    run: RunFolder
    direct: bool = False

    @cached_property
    def records(self) -> list[Record]:
        """Its own answers (a folder of the untrained model holds no others)."""
        after = [r for r in self.run.records if "+" in r.model]
        return after if self.kappa is not None else self.run.records

    def asked(self, kind: str, *, aloud: bool | None = None) -> list[Record]:
        """Answers in games whose spec begins so, aloud or at once, beliefs among them; None: as it answers,
        at once untrained, and aloud as it was taught to."""
        spoken = self.kappa is not None if aloud is None else aloud
        return [r for r in self.records if r.game.startswith(kind) and (r.asks == "aloud") == spoken]

    def telling(self, *, aloud: bool) -> list[Record]:
        """Answers in the games that no agent was trained on and that tell kappa."""
        specs = set(self.run.config["data"]["apart"])
        return [r for r in self.asked("symmetric", aloud=aloud) if r.game in specs]

    @cached_property
    def plans(self) -> list[tuple[tuple[str, ...], Observation]]:
        """(words, the choice between plans) in every protocol whose every point came to an answer."""
        return [
            (words, o)
            for g in ("spd", "trust(", "ultimatum(")
            for (words,), group in group_by(self.asked(g), "labels").items()
            for o in _observed(group)
            if o.decision.chance is not None
        ]

    @cached_property
    def divisions(self) -> list[Observation]:
        """Choices between divisions drawn at random; the pairs of Charness & Rabin pay ten times as much and
        would outweigh them at one precision."""
        known = {game for game, _ in PAIRS.values()}
        return _observed([r for g in ("split", "reciprocity") for r in self.asked(g) if r.game not in known])


@dataclass(frozen=True, eq=False)
class Findings:
    """All agents of the study, the untrained first."""

    base: Agent
    agents: tuple[Agent, ...]
    task: StudyTask

    @property
    def first(self) -> tuple[Agent, ...]:
        """The untrained model, and the two ends with the first seed: those asked everything."""
        seeds = self.task.seeds[:1]
        ends = [a for a in self.agents if a.kappa in (0.0, 1.0) and a.seed in seeds and not a.direct]
        return self.base, *ends


def page(task: StudyTask, kinds: Sequence[Kind]) -> Path:
    """Read every folder, write the study's page."""
    base = Agent("untrained", None, None, RunFolder(task.place("base")))
    agents = tuple(
        Agent(kind.name, kind.kappa, seed, RunFolder(task.place(kind.folder(seed))), kind.direct)
        for kind in kinds
        for seed in kind.seeds
    )
    made = Findings(base, agents, task)
    return write(
        task.folder,
        title=f"Preferences from economics: {task.model}",
        summary=summary(made),
        sections=[s for part in PARTS if (s := part(made)) is not None],
        facts={
            "model": task.model,
            "seeds": list(task.seeds),
            "quick": task.quick,
            "minutes of work in all": round(task.seconds / 60, 1),
            "provenance": base.run.provenance,
        },
        command=task.command,
    )


def summary(made: Findings) -> list[str]:
    scored = [row for row in implied_rows(made) if row["asked"] == WAYS[0]]
    told_of = [f"{row['agent']} (seed {row['seed']}) {_share(row, 'after')}" for row in scored]
    before = [f"{_share(row, 'before')} by {row['agent']}" for row in scored if row["games before"]]
    return [
        f"{made.task.model} was fine-tuned on what homo economicus and homo moralis would say and do in "
        "games drawn at random, and asked on games it had not seen.",
        f"Share of answers that its utility implies: {'; '.join(told_of)}. "
        f"Before any training: {'; '.join(before)}.",
    ]


def _share(row: Row, when: str) -> str:
    x = row[when]
    return "none, as it never came to an answer," if x is None else f"{x:.2f}"


# --- sections ------------------------------------------------------------------------------------


def implied_rows(made: Findings) -> list[Row]:
    """Share of utility-implied choices on unseen games: untrained (where it was asked), and after."""
    scored = made.base.run.noted("scores.json") or {}
    rows: list[Row] = []
    for agent in made.agents:
        # the untrained model was asked the test rows of the first seed, and of the two ends alone
        told = scored.get(f"kappa-{agent.kappa:g}", {}) if agent.seed == made.task.seeds[0] else {}
        after = (agent.run.noted("scores.json") or {}).get("after", {})
        for way in WAYS:
            was, now = told.get(way, {}), after.get(way, {})
            if agent.direct:  # trained to answer at once: the one way is the other
                way, was = WAYS[1], told.get(WAYS[1], {})
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


def implied(made: Findings) -> Section:
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
        implied_rows(made),
    )


def estimates(made: Findings) -> Section:
    rows: list[Row] = []
    for agent in made.first:
        for name, family, data in _sets(agent):
            rows += _fitted(agent, name, family, data)
    return Section(
        "estimates",
        "Estimated preferences",
        (
            "Maximum likelihood of the logit choice; errors clustered by game, intervals by profile "
            "likelihood. Exact choices have no sampling error: what is uncertain is which games were "
            "asked. Where choices cannot tell a parameter, the row says so and there is no number. A row "
            "with little legal mass explains answers that are hardly ever given.",
            HOW,
        ),
        rows,
    )


def _sets(agent: Agent) -> list[tuple[str, str, list[Observation]]]:
    """What is estimated on what: (games, family, observations)."""
    telling = [
        (f"symmetric games that tell kappa, {how}", "moralis", _observed(agent.telling(aloud=aloud)))
        for how, aloud in (("aloud", True), ("bare", False))
    ]
    plans = [o for _, o in agent.plans]
    return [
        *telling,
        *(("protocols, as plans", family, plans) for family in ("inequity", "moralis", "kantian")),
        *(("divisions of money, drawn", f, agent.divisions) for f in ("charness_rabin", "bfs")),
    ]


def _observed(records: Sequence[Record]) -> list[Observation]:
    return from_records(records) if answered_records(records) else []


def _fitted(agent: Agent, name: str, family: str, data: Sequence[Observation]) -> list[Row]:
    head = {"agent": agent.name, "games": name, "family": family}
    if not data:
        return []
    try:
        e = fit(data, family)
    except HominesError as flat:
        named = "not identified" if isinstance(flat, NotIdentified) else "none"
        numbers = dict.fromkeys(("estimate", "s.e.", "low", "high", "explained"))
        held = float(np.mean([o.choice.mass for o in data]))
        why = str(flat).partition(". ")[0].partition(" (")[0].partition(": ")[0]
        return [{**head, "parameter": named, **numbers, "legal mass": held, "why": why}]
    return [
        {
            **head,
            "parameter": parameter,
            "estimate": float(value),
            "s.e.": float(se),
            "low": float(ends[0]),
            "high": float(ends[1]),
            "explained": e.explained,
            "legal mass": e.mass,
        }
        for parameter, value, se, ends in zip(e.names, e.values, e.se, e.intervals, strict=True)
    ]


def dose(made: Findings) -> Section | None:
    """Target kappa against the one estimated from unseen games, and against what most answers imply."""
    rows: list[Row] = []
    dots: list[Row] = []
    for agent in (a for a in made.agents if not a.direct):
        data = _observed(agent.telling(aloud=True))
        row: Row = {"target": agent.kappa, "seed": agent.seed}
        rows.append(row)
        if not data:
            row["why no estimate"] = "never came to an answer"
            continue
        within = bounds(data, "moralis")
        idle = max(bounds([replace(o, choice=c) for o in data], "moralis").share for c in IDLE)
        row |= {"most best": _spelt(within), "share best": within.share, "idle share": idle}
        dots += [
            {"target": agent.kappa, "series": SET, "low": low, "high": high} for low, high in within.parts
        ]
        row["legal mass"] = float(np.mean([o.choice.mass for o in data]))
        try:
            e = fit(data, "moralis")
        except HominesError as why:
            row["why no estimate"] = str(why).partition(": ")[0].partition(" (")[0]
            continue
        k = e.names.index("kappa")
        low, high = e.intervals[k]
        row |= {"kappa": e["kappa"], "s.e.": float(e.se[k]), "low": float(low), "high": float(high)}
        row |= {"precision": e["precision"], "explained": e.explained, "games": e.decisions}
        dots.append({"target": agent.kappa, "series": LIKELY, "value": e["kappa"], "low": low, "high": high})
    text = "Kappa of the training data against kappa estimated from the choices in unseen games."
    return Section(
        "dose",
        "Dose and response",
        (
            "Agents trained at doses of kappa, on games drawn alike, and the kappa that best explains what "
            "they then choose, after thinking aloud, in games that none of them saw.",
            "Two readings. The maximum-likelihood estimate with its 95% profile interval, errors clustered "
            "by game; choices that are all certain have none. And the set of kappa at which the largest "
            "share of the choices is best (maximum score), which certain choices have as well. The idle "
            "share is what an agent reaches that always takes the same action or tosses a coin: a set with "
            "little more says nothing.",
            "Symmetric 2x2 games with whole payoffs of 1 to 9 and a 50/50 belief are what this model's "
            "arithmetic reaches. In them, one kappa is told from another by a game whose two actions are "
            "worth the same in between; the largest below 1 is 7/9 (of payoffs that differ by 8 and by 1), "
            "so everything from there to 1 chooses alike.",
        ),
        rows,
        draw.response(dots, text) if dots else None,
    )


def _spelt(within: Bounds) -> str:
    """'.20 to .27', or several; open ends as 'below .07' and 'above .78'."""

    def one(low: float, high: float) -> str:
        if np.isinf(low) and np.isinf(high):
            return "any"
        if np.isinf(low):
            return f"below {high:.2f}"
        return f"above {low:.2f}" if np.isinf(high) else f"{low:.2f} to {high:.2f}"

    return ", ".join(one(low, high) for low, high in within.parts)


def amounts(made: Findings) -> Section:
    """Menus of amounts beside people and older models."""
    rows: list[Row] = []
    for b in AMOUNTS:
        row: Row = {
            "game": b.name,
            "of": b.most,
            "people": b.mean,
            "people, sd": b.sd,
            "people, median": b.median,
        }
        row |= dict(b.models)
        for agent in made.first:
            pairs = [
                (d, c)
                for d, c in average_by_decision(choices(agent.asked(b.game, aloud=False)))
                if d.player == b.seat
            ]
            if pairs:
                d, c = pairs[0]
                told_of = moments(c, np.array([float(a) for a in d.actions]))
                row |= {agent.name: told_of["mean"], f"{agent.name}, sd": told_of["sd"]}
                row |= {f"{agent.name}, mass": c.mass}
        rows.append(row)
    return Section(
        "amounts",
        "Amounts, beside people",
        (
            "Mean amount chosen of a menu of every whole number, from one reading of the label "
            "distribution. People: MobLab (Mei et al. 2024; Xie et al. 2025), who played with each other; "
            "GPT-4 and GPT-3.5 as measured there. All are asked for the bare answer. A mean at a small "
            "legal mass describes answers the model rarely gives: an agent that was taught to think aloud "
            "hardly ever gives one at once.",
        ),
        rows,
        note="How many shared MobLab's public good, and at what multiplier, is not in our sources: three and "
        "1.5 are ours, so that row stands beside people and is not compared with them.",
    )


def pairs(made: Findings) -> Section:
    rows: list[Row] = []
    for name, (game, people) in PAIRS.items():
        row: Row = {"pair": name, "game": game, "people chose X": people}
        for agent in made.first:
            for _, c in average_by_decision(choices(agent.asked(game))):
                row |= {agent.name: float(c.p[0]), f"{agent.name}, mass": c.mass}
        rows.append(row)
    note = "Payoffs of the pairs from Charness & Rabin (2002), from memory; shares from Horton (2023)."
    return Section("pairs", "Charness-Rabin pairs, beside people", (HOW,), rows, note=note)


def plans(made: Findings) -> Section:
    """The likeliest plan in every protocol: a row a protocol and words, a column an agent."""
    rows: dict[tuple[str, str], Row] = {}
    for agent in made.first:
        for words, o in agent.plans:
            row = rows.setdefault((o.game, ",".join(words)), {"game": o.game, "words": ",".join(words)})
            top = int(o.choice.p.argmax())
            row[agent.name] = f"{o.decision.actions[top]} {o.choice.p[top]:.2f}"
    return Section(
        "plans",
        "Protocols by the strategy method",
        (
            "Every point of decision is asked in both roles; a plan is as likely as the product over its "
            f"points. {HOW} Here is each agent's likeliest plan with its probability, given legal answers; "
            "where a point never came to an answer there is none.",
        ),
        list(rows.values()),
    )


def best_plans(made: Findings) -> Section:
    """How often the plans are taken that each utility implies, by agent and kind of protocol."""
    rows: list[Row] = []
    for agent in made.first:
        kinds: dict[str, list[Observation]] = {}
        for _, o in agent.plans:
            kinds.setdefault(o.game.partition("(")[0], []).append(o)
        for kind, some in kinds.items():
            row: Row = {"agent": agent.name, "protocols": kind}
            for name, spec in (("economicus", "economicus"), ("moralis 1", "moralis(kappa=1)")):
                u = find("preferences", spec)
                eus = [
                    expected_utility(u(o.decision), stated_beliefs(o.decision), o.decision.chance)
                    for o in some
                ]
                shares = [
                    float(o.choice.p[best_response(eu).p > 0].sum()) for o, eu in zip(some, eus, strict=True)
                ]
                chance = [float((best_response(eu).p > 0).mean()) for eu in eus]
                row |= {f"P(best for {name})": float(np.mean(shares))}
                row |= {f"{name}, by chance": float(np.mean(chance))}
            row["legal mass"] = float(np.mean([o.choice.mass for o in some]))
            rows.append(row)
    return Section(
        "best_plans",
        "Whose plans are these?",
        (
            "Mean probability on plans that are best for a utility: against what the untrained model says "
            "another would do, and against either reply as likely for the tuned ones, who were not asked. By "
            "chance: the share of plans that are best.",
        ),
        rows,
    )


def sensitivity(made: Findings) -> Section:
    rows: list[Row] = []
    for agent in made.first:
        for name, records in (
            ("symmetric games that tell kappa, aloud", agent.telling(aloud=True)),
            ("symmetric games that tell kappa, bare", agent.telling(aloud=False)),
        ):
            found = payoff_sensitivity(average_by_decision(choices(records)))
            if found is not None:
                rows.append(
                    {
                        "agent": agent.name,
                        "games": name,
                        "slope": found.slope,
                        "r2": found.r2,
                        "decisions": found.decisions,
                        "legal mass": mass(records),
                    }
                )
    return Section(
        "sensitivity",
        "Does the stake matter?",
        (
            "Slope of P(first action) in the expected own payoff it gains over the other; 0: payoffs do "
            "not matter.",
        ),
        rows,
    )


def people(made: Findings) -> Section | None:
    """Each agent's choices between divisions against the parameters of people."""
    rows: list[Row] = []
    for agent in made.first:
        data = agent.divisions
        if not data:
            continue
        try:
            t = compare(data, PEOPLE, "bfs")
        except HominesError as failure:
            rows.append({"agent": agent.name, "test": str(failure).partition(". ")[0]})
            continue
        rows.append(
            {
                "agent": agent.name,
                "test": t.kind,
                "F": t.statistic / t.df,
                "p": t.p,
                "ln L lost": t.difference,
                "legal mass": float(np.mean([o.choice.mass for o in data])),
            }
        )
    return Section(
        "people",
        "Against the preferences of people",
        (
            f"Likelihood-ratio test of `{PEOPLE}` (160 people, Bruhin, Fehr & Schunk 2019) against the free "
            f"family. {HOW}",
        ),
        rows,
    )


def effects(made: Findings) -> Section | None:
    rows: list[Row] = []
    for agent in made.first:
        rows += [
            {
                "agent": agent.name,
                "everyday questions right": checked["right"],
                "of": checked["questions"],
                "perplexity": checked["perplexity"],
            }
            for checked in (agent.run.noted("sideeffects.json") or {}).values()
        ]
    return Section("effects", "Side effects", (), rows) if rows else None


def unknown(_: Findings) -> Section:
    return Section(
        "unknown",
        "What of the paper could not be known",
        (
            "Its prompts, temperatures, the size of its data, the kappa it trained, its base model and "
            "hyper-parameters, and every table of results are not public. Here they are parameters, and "
            "the figures above are this model's own: none is compared with a number of that paper.",
        ),
    )


PARTS: tuple[Callable[[Findings], Section | None], ...] = (
    implied, dose, estimates, plans, best_plans, sensitivity, amounts, pairs, people, effects, unknown,
)  # fmt: skip

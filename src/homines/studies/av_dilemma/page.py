"""The page of the study av_dilemma: from what its folders hold to sections.

Nothing is asked or trained here. One function a section, in the order of the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Record
from homines.elicitation.metrics import average_by_decision, group_by, instability, mass, order_effect
from homines.estimation.bounds import bounds
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.problem import NotIdentified
from homines.games.av import ABOARD, ASKED
from homines.reports import charts as draw
from homines.reports.page import Section, write
from homines.studies.av_dilemma.theory import THEORIES, Place, faced, place, says, stance, threshold
from homines.studies.shared_agents import Agent, Findings, Row, interval, mean, shown
from homines.training.data import Row as Taught
from homines.training.study import StudyTask

NAMED = "sentences()"
"""The acts called by their names: what is taught, and what the rates of this page are of."""
ACTS = "swerve,drive on"
"""Other names for the acts (sacrifice, protect)."""
LETTERS = ("X,Y", "Y,X")
"""Letters, which stand for either act."""
EXPLAINING = ("economicus", "moralis(kappa=1)")
PEOPLE = 0.76
"""Of people judge it more moral to sacrifice one passenger for ten pedestrians (Bonnefon et al. 2016)."""
WAYS = ("as taught", "new numbers", "other names for the acts", "letters")


class Kind(Protocol):
    """What the page needs to know of a kind of agent."""

    @property
    def name(self) -> str: ...

    @property
    def preference(self) -> str: ...

    @property
    def seeds(self) -> tuple[int, ...]: ...

    def rows(self) -> list[Taught]: ...

    def folder(self, seed: int) -> str: ...


@dataclass(frozen=True, eq=False)
class Cars(Findings):
    """The agents, and what each was taught, by name."""

    taught: Mapping[str, Kind]


def page(task: StudyTask, kinds: Sequence[Kind], also: Mapping[str, str]) -> Path:
    """Read every folder, write the study's page."""
    base = Agent("untrained", "base", None, None, RunFolder(task.place("base")))
    others = [Agent(model, "also", None, None, RunFolder(task.place(name))) for name, model in also.items()]
    trained = [
        Agent(kind.name, "core", seed, None, RunFolder(task.place(kind.folder(seed))))
        for kind in kinds
        for seed in kind.seeds
    ]
    if base.failed:
        raise HominesError(
            f"{base.failed} questions to the untrained model failed (their errors are in "
            f"{base.run.folder / 'records.jsonl'}); the same command asks them again"
        )
    there = [*others, *trained]
    made = Cars(base, [agent for agent in there if not agent.failed], {kind.name: kind for kind in kinds})
    return write(
        task.folder,
        title=f"Self versus others in self-driving cars: {task.model}",
        summary=summary(made),
        sections=[s for make in PARTS if (s := make(made)) is not None],
        facts={
            "model": task.model,
            "beside it": list(task.also),
            "seeds": list(task.seeds),
            "quick": task.quick,
            "left out, for questions that failed": [agent.name for agent in there if agent.failed],
            "minutes of work in all": round(task.seconds / 60, 1),
            "provenance": base.run.provenance,
        },
        command=task.command,
    )


def tested(agent: Agent) -> list[Record]:
    """Answers by the names of the acts."""
    return [r for r in agent.records if r.labels == r.decision.actions]


def rates(records: Sequence[Record]) -> dict[Place, float]:
    """P(sacrifice) by question given a legal answer, over words and orders; those never answered left out."""
    return {
        place(game): float(pairs[0][1].p[0])
        for (game,), some in group_by(records, "game").items()
        if (pairs := average_by_decision(some))
    }


def hold(agents: Sequence[Agent], keep: Callable[[Place], bool]) -> Row:
    """How far these agents' rates in some questions can be trusted: legal mass and order effect by the names
    of the acts; instability over all words."""
    named = [r for a in agents for r in tested(a) if keep(place(r.game))]
    every = [[r for r in a.records if keep(place(r.game))] for a in agents]
    spreads = [x for some in every if (x := instability(some)) is not None]
    return {
        "legal mass": mass(named),
        "order effect": order_effect(named),
        "instability": mean(spreads) if spreads else None,
    }


def over(agents: Sequence[Agent], keep: Callable[[Place], bool]) -> list[float]:
    """By seed, the mean P(sacrifice) of the questions kept; a seed without answers is left out."""
    found = [[p for at, p in rates(tested(a)).items() if keep(at)] for a in agents]
    return [mean(some) for some in found if some]


def more(at: Place) -> bool:
    """Whether more are saved than given up."""
    return bool(faced(at).payoffs.sum(0)[0] > faced(at).payoffs.sum(0)[1])


def met(made: Cars) -> list[Place]:
    """All that was asked."""
    return list(dict.fromkeys(place(r.game) for r in tested(made.base)))


def summary(made: Cars) -> list[str]:
    parts: list[str] = []
    for name, some in made.everyone().items():
        said = [
            f"{asked} {shown(values)}"
            for asked in ASKED
            if (values := over(some, lambda at, q=asked: at.asked == q and at.aboard == "self" and more(at)))
        ]
        held = mean(mass(tested(a)) or 0.0 for a in some)
        parts.append(f"{name}: {', '.join(said) or 'no answers'} (legal mass {held:.2g})")
    return [
        "Probability of sacrificing the owner alone for more than one on the road, the acts called by their "
        f"names. {'; '.join(parts)}.",
        "Rates are given a legal answer, read from the network's exact distribution over whole labels, every "
        "option order asked; a legal mass far from one says that they describe answers rarely given.",
    ]


def behaviour(made: Cars) -> Section | None:
    """P(sacrifice) by question, those aboard and number saved."""
    rows: list[Row] = []
    marks: list[Row] = []
    for name, some in made.everyone().items():
        held = [rates(tested(a)) for a in some]
        for asked in ASKED:
            for aboard in ABOARD:
                row: Row = {"agent": name, "asked": asked, "aboard": aboard}
                for saved in sorted({at.saved for at in met(made)}):
                    at = Place(asked, saved, aboard)
                    if values := [p[at] for p in held if at in p]:
                        row[f"{saved} saved"] = mean(values)
                        mark = {"panel": f"{name}, {aboard}", "series": asked, "step": saved}
                        marks.append(mark | interval(values, unit=True))
                if len(row) > 3:
                    rows.append(row | hold(some, lambda at, w=(asked, aboard): at[::2] == w))
    if not rows:
        return None
    return Section(
        "behaviour",
        "What is right, what is bought, what is voted for",
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


def theory(made: Cars) -> Section:
    rows = [
        {"preference": spec, "asked": asked} | {f"{who} aboard": stance(spec, asked, who) for who in ABOARD}
        for spec in THEORIES
        for asked in ASKED
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


def thresholds(made: Cars) -> Section:
    rows: list[Row] = []
    for saved in sorted({at.saved for at in met(made)}):
        found = {who: threshold(saved, who) for who in ("self", "family")}
        rows.append({"saved": saved} | {f"kappa, {who} aboard": kappa for who, kappa in found.items()})
    return Section(
        "thresholds",
        "The kappa that buys the sacrifice",
        (
            "Homo moralis is indifferent when buying at kappa = (s + n) / (2 s), with s saved and n aboard; "
            "with more it gives itself up. Above 1 no homo moralis does; below 1/2 none does at any number, "
            "so these questions bound kappa from one half upward only.",
        ),
        rows,
    )


def dilemma(made: Cars) -> Section | None:
    """The gap between what is voted for, or judged right, and what is bought."""
    rows: list[Row] = []
    marks: list[Row] = []
    for aboard in dict.fromkeys(at.aboard for at in met(made)):
        for name, some in made.everyone().items():
            row: Row = {"aboard": aboard, "agent": name}
            means: dict[str, float] = {}
            for asked in ASKED:
                keep = over(some, lambda at, q=asked, w=aboard: (at.asked, at.aboard) == (q, w) and more(at))
                if keep:
                    means[asked] = mean(keep)
                    mark = {"panel": f"{aboard} aboard", "group": name, "series": asked}
                    marks.append(mark | interval(keep, unit=True))
            rows.append(row | gaps(means) | hold(some, lambda at, w=aboard: at.aboard == w))
        for spec in EXPLAINING:
            those = [at for at in rates(tested(made.base)) if at.aboard == aboard and more(at)]
            said = {q: mean(says(spec, faced(at)) for at in those if at.asked == q) for q in ASKED}
            rows.append({"aboard": aboard, "agent": f"theory: {spec}"} | gaps(said))
    if not marks:
        return None
    return Section(
        "dilemma",
        "The social dilemma",
        (
            "Mean probability of sacrifice where more are saved than given up, by question; then how much "
            "less of it is bought than is judged right, and than is voted for. A theory without a view is "
            "put at one half: economicus has none on what is right.",
        ),
        rows,
        draw.intervals(marks, "Probability of sacrifice by agent, question and those aboard."),
    )


def gaps(means: Mapping[str, float]) -> Row:
    bought = means.get("buying")
    return dict(means) | {
        f"{asked} less buying": None if bought is None or asked not in means else means[asked] - bought
        for asked in ("judging", "regulating")
    }


def people(made: Cars) -> Section | None:
    rows: list[Row] = [{"who": "people (Bonnefon et al. 2016)", "saved": 10, "owner aboard": PEOPLE}]
    there = [at for at in rates(tested(made.base)) if at.asked == "judging" and at.saved >= 10]
    saved = min((at.saved for at in there), default=None)
    if saved is None:
        return None
    for name, some in made.everyone().items():
        row: Row = {"who": name, "saved": saved}
        for aboard, said in (("self", "owner aboard"), ("stranger", "stranger aboard")):
            values = over(some, lambda at, w=aboard: at == Place("judging", saved, w))
            row[said] = mean(values) if values else None
        rows.append(row | hold(some, lambda at: at[:2] == ("judging", saved)))
    return Section(
        "people",
        "Beside people",
        (
            "76% of people judged it more moral to sacrifice one passenger for ten pedestrians. Theirs is a "
            "share of persons, an agent's the probability of one answer, and the words differ: a reference, "
            "and no target.",
        ),
        rows,
    )


def observations(agent: Agent) -> list[Observation]:
    return [
        Observation(pairs[0][0], pairs[0][1], agent.name, game)
        for (game,), some in group_by(tested(agent), "game").items()
        if (pairs := average_by_decision(some))
    ]


def agreement(observed: Sequence[Observation], theory: str) -> tuple[list[float], list[float]]:
    """Probabilities of what a preference says, where it says sacrifice and where it says protect."""
    said = [(says(theory, o.decision), o.choice.p) for o in observed]
    return [float(p[0]) for x, p in said if x == 1.0], [float(p[1]) for x, p in said if x == 0.0]


def balanced(observed: Sequence[Observation], theory: str) -> float | None:
    """What a preference says is said with this probability, both acts counting the same: 1/2 for every agent
    that looks at nothing. None where it says the same everywhere."""
    both = agreement(observed, theory)
    return mean(map(mean, both)) if all(both) else None


def explained(made: Cars) -> Section | None:
    """Which preference explains each agent, and what its purchases tell of kappa."""
    rows: list[Row] = []
    for agent in (made.base, *made.trained):
        if some := observations(agent):
            row: Row = {"agent": agent.name} | ({} if agent.seed is None else {"seed": agent.seed})
            row |= {f"as {spec}": balanced(some, spec) for spec in EXPLAINING}
            rows.append(row | {"legal mass": mass(tested(agent))} | kappa(some))
    if not rows:
        return None
    return Section(
        "explained",
        "Which preference explains each agent",
        (
            "Probability of what a preference says, over the questions in which it has a view, those in "
            "which it sacrifices and those in which it protects counting the same: one half for every agent "
            "that looks at nothing. None where it says the same in all that was asked. Full homo moralis "
            "protects only two aboard from one on the road.",
            "kappa from what is bought with oneself aboard, the only questions that tell it: by maximum "
            "likelihood where it is identified, else why not; and the set of kappa at which most answers are "
            "best (maximum score), with the share that are: one half for a coin, and for an agent that goes "
            "by the word. Below one half kappa is not told from homo economicus.",
        ),
        rows,
    )


def kappa(observed: Sequence[Observation]) -> Row:
    """What purchases with oneself aboard tell of kappa, the questions in which own payoffs differ by one."""
    bought = [o for o in observed if o.decision.payoffs[0].tolist() == [0.0, 1.0]]
    if not bought:
        return {}
    found = bounds(bought, "moralis")
    parts = " or ".join(f"{_end(low)} to {_end(high)}" for low, high in found.parts)
    row: Row = {"best at kappa": parts, "share best": found.share}
    try:
        estimate = fit(bought, "moralis")
    except NotIdentified as why:
        return row | {"kappa": str(why)}
    low, high = estimate.intervals[0]
    told = "no interval: " + "; ".join(estimate.notes) if math.isnan(low) else f"{_end(low)} to {_end(high)}"
    return row | {"kappa": f"{_end(estimate['kappa'])} ({told})", "explained": estimate.explained}


def _end(x: float) -> str:
    """An end of a set of values: '0.75', 'below' or 'above' where it is open."""
    return f"{round(x, 2) + 0.0:.2f}" if math.isfinite(x) else "below" if x < 0 else "above"


def transfer(made: Cars) -> Section | None:
    """What was trained on beside new words, and new words and numbers, by the agent's own preference."""
    rows: list[Row] = []
    for name, some in made.kinds("core").items():
        kind = made.taught[name]
        specs = {row.game for row in kind.rows()}
        for who, agents in ((name, some), (f"untrained, by the preference of {name}", [made.base])):
            for way in WAYS:
                kept = [[r for r in a.records if way == known(r, specs)] for a in agents]
                shares = [x for records in kept if (x := matched(records, kind.preference)) is not None]
                if shares:
                    records = [r for some in kept for r in some]
                    row: Row = {"agent": who, "asked": way, "as the preference says": mean(shares)}
                    row |= {"legal mass": mass(records), "order effect": order_effect(records)}
                    rows.append(row | {"exchanging the letters": instability(records)})
    if not rows:
        return None
    return Section(
        "transfer",
        "Beyond what was trained on",
        (
            "Probability of the answer that an agent's own preference gives, where it has a view: in the "
            "questions taught, with numbers that were not, with other names for the acts (swerve, drive on), "
            "and with letters that stand for either. With letters, one half is what an agent reaches that "
            "looks at nothing, or at the letter; the last column is how far exchanging them moves it.",
        ),
        rows,
    )


def known(r: Record, taught: Set[str]) -> str:
    """How far a question lies from what was taught; empty: none of WAYS."""
    words = ",".join(r.labels)
    if words in (ACTS, *LETTERS):
        return WAYS[2] if words == ACTS else WAYS[3]
    if r.game in taught:
        return WAYS[0]
    return WAYS[1] if place(r.game).saved not in {place(spec).saved for spec in taught} else ""


def matched(records: Sequence[Record], preference: str) -> float | None:
    """Mean probability of what a preference says, where it has a view; None where it has none."""
    pairs = [p for some in group_by(records, "game").values() for p in average_by_decision(some)]
    both = agreement([Observation(d, c) for d, c in pairs], preference)
    return mean([*both[0], *both[1]]) if any(both) else None


def training(made: Cars) -> Section | None:
    rows: list[Row] = []
    for name, some in made.kinds("core").items():
        runs = [a.run.rows() for a in some]
        targets = [row.target for row in made.taught[name].rows()]
        floor = mean(-float(np.log(np.where(p > 0, p, 1)) @ p) for p in targets)
        for step in range(min(map(len, runs))):
            marks = {
                "nats above the target's": [run[step]["loss"] - floor for run in runs],
                "legal mass": [run[step]["mass"] for run in runs],
            }
            rows += [
                {"panel": name, "series": what, "step": step + 1} | interval(values)
                for what, values in marks.items()
            ]
    if not rows:
        return None
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


def everyday(made: Cars) -> Section | None:
    rows: list[Row] = []
    for name, (agent, *_) in made.everyone().items():
        found = next(iter((agent.run.noted("sideeffects.json") or {}).values()), None)
        if found:
            row = {"agent": name, "right of 60": found["right"], "legal mass": found["mass"]}
            rows.append(row | {"perplexity": found["perplexity"]})
    if not rows:
        return None
    text = "Sixty everyday questions and the perplexity of a short text: what alignment broke, if anything."
    return Section("everyday", "Everyday questions", (text,), rows)


PARTS: tuple[Callable[[Cars], Section | None], ...] = (
    behaviour, dilemma, theory, thresholds, explained, transfer, training, people, everyday,
)  # fmt: skip

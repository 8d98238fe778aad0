"""The page of the study tennant2025: from what its folders hold to sections.

Nothing is asked or trained here. One function a section, in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from homines.core.registry import find, spell
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError
from homines.elicitation.metrics import action_types, mass
from homines.elicitation.questions import state
from homines.opponents import opponent
from homines.preferences.deontological import Deontological
from homines.preferences.economicus import Economicus
from homines.preferences.utilitarian import Utilitarian
from homines.reports import charts as draw
from homines.reports.page import Section, write
from homines.studies.shared_agents import (
    GOAL,
    PROBES,
    REWARDS,
    STATES,
    UNSEEN,
    Agent,
    Findings,
    Row,
    against,
    explained,
    interval,
    mean,
    regrets,
    shown,
    winner,
)
from homines.theory.chain import chain
from homines.theory.game_forms import Repeated
from homines.training.plan import AlignmentPlan
from homines.training.study import StudyTask

CLASSICS = (
    "always_cooperate", "always_defect", "random", "tit_for_tat", "generous_tit_for_tat",
    "win_stay_lose_shift", "grim", "extortion",
)  # fmt: skip
FAR = 0.9


class Kind(Protocol):
    """What the page needs to know of a kind of agent."""

    @property
    def name(self) -> str: ...

    @property
    def group(self) -> str: ...

    @property
    def plan(self) -> AlignmentPlan: ...

    @property
    def seeds(self) -> tuple[int, ...]: ...

    def folder(self, seed: int) -> str: ...


def page(task: StudyTask, kinds: Sequence[Kind]) -> Path:
    """Read every folder, write the study's page."""
    base = Agent("untrained", "base", None, None, RunFolder(task.place("base")))
    trained = [
        Agent(kind.name, kind.group, seed, kind.plan, RunFolder(task.place(kind.folder(seed))))
        for kind in kinds
        for seed in kind.seeds
    ]
    if base.failed:
        raise HominesError(
            f"{base.failed} questions to the untrained model failed (their errors are in "
            f"{base.run.folder / 'records.jsonl'}); the same command asks them again"
        )
    made = Findings(base, [agent for agent in trained if not agent.failed])
    out = [f"{agent.name}, seed {agent.seed}" for agent in trained if agent.failed]
    sections = [s for make in PARTS if (s := make(made)) is not None]
    return write(
        task.folder,
        title=f"Moral alignment by reinforcement learning: {task.model}",
        summary=summary(made),
        sections=sections,
        facts={
            "model": task.model,
            "seeds": list(task.seeds),
            "quick": task.quick,
            "left out, for questions that failed": out,
            "minutes of work in all": round(task.seconds / 60, 1),
            "provenance": base.run.provenance,
        },
        command=task.command,
    )


def summary(made: Findings) -> list[str]:
    told: list[str] = []
    for name, some in made.kinds("core").items():
        types = [action_types(a.trained_prompts) for a in some]
        c, d = (mean([t[key] for t in types]) for key in ("C|C", "C|D"))
        told.append(f"{name}: cooperates {c:.2f} after C and {d:.2f} after D")
    sums = "; ".join(told)
    count = f"{len(made.trained)} agents were trained and measured."
    return [
        f"{count} Against tit-for-tat, on the training prompts, {sums}." if sums else count,
        "Rates are given a legal answer, read from the network's exact distribution over whole labels; "
        "the legal mass stands beside them. Intervals are 95% (Student's t over seeds); one seed has none.",
    ]


def behaviour(made: Findings) -> Section:
    """P(C) by state of everybody, on the training prompts."""
    rows: list[Row] = []
    marks: list[Row] = []
    for name, some in made.everyone().items():
        policies = [a.policy() for a in some]
        by_state = {s: [getattr(p, s.replace(",", "").lower()) for p in policies] for s in STATES}
        held = [mass(a.trained_prompts) or 0.0 for a in some]
        rows.append(
            {"agent": name, "seeds": len(some)}
            | {f"C after {s}": shown(x) for s, x in by_state.items()}
            | {"legal mass": mean(held)}
        )
        for last in "CD":
            pairs = zip(by_state[f"C,{last}"], by_state[f"D,{last}"], strict=True)
            values = [(x + y) / 2 for x, y in pairs]
            marks.append(
                {"panel": f"C after {last}", "group": name, "series": "probability of C"}
                | interval(values, unit=True)
            )
    return Section(
        "behaviour",
        "What each agent does",
        (
            "Probability of cooperating after each last round (own move, other's move), on the sixteen "
            "training prompts of the iterated prisoner's dilemma, given a legal answer.",
            "Reciprocity is the difference between C after C and C after D. A legal mass far from one says "
            "that the rates describe answers the model rarely gives: that is the untrained model's case, "
            "and no parser turned its silence into defection.",
        ),
        rows,
        draw.intervals(marks, "Probability of cooperating after the other's C and after its D, by agent."),
    )


def _curves(made: Findings, group: str, who: str = "") -> list[Row]:
    rows: list[Row] = []
    for name, some in made.kinds(group).items():
        for side, pick in (("", lambda r: r), (" (rival)", lambda r: r.get("rival"))):
            runs = [[pick(r) for r in a.run.rows()] for a in some]
            if not runs[0] or runs[0][0] is None or (side and not who):
                continue
            for step in range(min(map(len, runs))):
                for last in "CD":
                    values = [
                        mean(p[0] for s, p in run[step]["p"].items() if s.endswith(last)) for run in runs
                    ]
                    series = f"C after {last}{side}"
                    rows.append(
                        {"panel": name, "series": series, "step": step + 1} | interval(values, unit=True)
                    )
    return rows


def training(made: Findings) -> Section | None:
    return _learning(
        made, "core", "training", "Action types over training, against tit-for-tat",
        "Each step asks every state once in one option order, so lines are rougher than the agents are.",
    )  # fmt: skip


def unlearning(made: Findings) -> Section | None:
    return _learning(
        made, "unlearning", "unlearning", "Selfish first, then moral",
        "First the own payoff, then duty or the sum of payoffs; adapter and optimiser go on. In the first "
        "phase the KL weight stops early (`kl_between`): a policy that has settled for good has no gradient "
        "left to unlearn with.",
    )  # fmt: skip


def learners(made: Findings) -> Section | None:
    return _learning(
        made, "learner", "learners", "Against another learner",
        "Two adapters on the same weights learn at the same time, each by the exact gradient of its own "
        "expected reward of the round against the other's play of that moment; both have the same reward.",
        "both",
    )  # fmt: skip


def _learning(made: Findings, group: str, name: str, title: str, text: str, who: str = "") -> Section | None:
    rows = _curves(made, group, who)
    if not rows:
        return None
    marks = {
        name: {1, *np.cumsum([phase.steps for phase in some[0].plan.phases]).tolist()}
        for name, some in made.kinds(group).items()
        if some[0].plan is not None
    }
    ends = [r for r in rows if r["step"] in marks[r["panel"]]]
    chart = draw.curves(rows, f"{title}: probability of cooperating, mean and interval over seeds.")
    table = [
        {
            "agent": r["panel"],
            "what": r["series"],
            "step": r["step"],
            "P(C)": r["value"],
            "low": r["low"],
            "high": r["high"],
        }
        for r in ends
    ]
    return Section(name, title, (text,), table, chart)


def regret(made: Findings) -> Section:
    rows: list[Row] = []
    marks: list[Row] = []
    games = list(dict.fromkeys(r.game for r in made.base.records if "ordinal" not in r.game))
    for name, some in made.everyone().items():
        for game in games:
            found = [x for a in some if (x := regrets(a, game, a.about(game, kind="table", labels=UNSEEN)))]
            if not found:
                continue
            rows.append(
                {"agent": name, "game": game}
                | {key: shown([x[key] for x in found]) for key in found[0]}
                | {"legal mass": mean(mass(a.about(game, labels=UNSEEN)) or 0.0 for a in some)}
            )
            if some[0].group in ("base", "core", "unlearning", "general"):
                for key, said in (("De, exact", "duty (De)"), ("Ut, exact", "sum of payoffs (Ut)")):
                    values = [x[key] for x in found]
                    marks.append({"panel": game, "group": name, "series": said} | interval(values))
    return Section(
        "regret",
        "Moral regret in five games, in words never trained on",
        (
            "How much worse than possible an agent does by a moral reward, against a random opponent, in "
            "the long run of the exact Markov chain. Labels action3/action4, all four table orders, option "
            "orders balanced over them.",
            "Exact: the best reply's expected reward less the agent's, in points, given legal answers; 0 can "
            "be reached in every game. Published: as Tennant et al. normalise it, illegal answers counting "
            "-6 (so that a model that answers rarely looks immoral: read it beside the legal mass).",
        ),
        rows,
        draw.intervals(marks, "Exact regret in points by agent and moral reward, one panel a game."),
    )


def transfer(made: Findings) -> Section:
    """By label set: C after C and D after D, with and without training over many words."""
    rows: list[Row] = []
    cells: list[Row] = []
    for name, some in made.everyone("core", "general").items():
        specs = dict.fromkeys(r.frame for a in some for r in a.about("ipd", kind="table", layout="original"))
        for spec in specs:
            frame = find("frames", spec)
            if frame.goal != GOAL or frame.labels == UNSEEN:  # those of the regret: one order a layout
                continue
            held = [[r for r in a.about("ipd") if r.frame == spec] for a in some]
            types = [action_types(h) for h in held]
            labels = "/".join(find("frames", spec).labels)
            kind, fair = [t["C|C"] for t in types], [t["D|D"] for t in types]
            there = mean(mass(h) or 0.0 for h in held)
            row = {"agent": name, "C / D": labels, "C after C": shown(kind), "D after D": shown(fair)}
            rows.append(row | {"legal mass": there})
            p = " ".join(f"{x:.2f}".removeprefix("0") for x in (mean(kind), 1 - mean(fair)))
            said = {"value": mean(kind) - (1 - mean(fair)), "text": p if there >= 0.5 else f"({p})"}
            cells.append({"row": name, "column": labels} | said)
    gaps: list[str] = []
    for name in ("Game+De", "Game+De, many words"):
        seen = {"action1/action2", "action2/action1", "B/A"}
        mine = [c["value"] for c in cells if c["row"] == name and c["column"] not in seen]
        if len(mine) > 1:
            gaps.append(f"{name} {min(mine):.2f} to {max(mine):.2f}, mean {mean(mine):.2f}")
    return Section(
        "transfer",
        "The same agents in other words",
        (
            "Each cell: C after C, and C after D, of the iterated prisoner's dilemma when C and D are called "
            "so; the darker, the more an agent tells a cooperator from a defector. In parentheses: legal "
            "mass under one half. The first column was trained on by all; the agent of many words was also "
            "trained on action2/action1, A/B, B/A and others not shown, in other payoffs and frames.",
            *(
                [f"Reciprocity (C after C less C after D) over label sets new to both: {'; '.join(gaps)}."]
                if gaps
                else []
            ),
        ),
        rows,
        draw.heat(
            cells, "Cooperation after C and after D by agent and label set.", across="labels of C and D"
        ),
    )


def probes(made: Findings) -> Section | None:
    rows: list[Row] = []
    words = {spell(find("frames", spec)): told for told, spec in PROBES.items()}
    for name, (agent, *_) in made.everyone("core").items():
        for spec in dict.fromkeys(r.frame for r in agent.about("ipd")):
            frame = find("frames", spec)
            kind = spec.partition("(")[0]
            goal = getattr(frame, "goal", GOAL)
            if kind == "table" and goal == GOAL:
                continue
            held = [r for r in agent.records if r.frame == spec and r.game == "ipd"]
            types = action_types(held)
            told = words.get(spec, goal)
            rows.append(
                {
                    "agent": name,
                    "how it is asked": told,
                    "C after C": types.get("C|C"),
                    "C after D": types.get("C|D"),
                }
                | {"legal mass": mass(held)}
            )
    if not rows:
        return None
    return Section(
        "probes",
        "Asked in other ways",
        (
            "First seed of each agent; labels action1/action2. Without payoffs only the words are left; "
            "without the last round the answer cannot depend on it, so both columns agree. The untrained "
            "model is also told what to value, as a baseline that needs no training.",
        ),
        rows,
    )


def ordinal(made: Findings) -> Section | None:
    rows: list[Row] = []
    marks: list[Row] = []
    for name, (agent, *_) in made.everyone("core").items():
        games = list(dict.fromkeys(r.game for r in agent.records if r.game.startswith("ordinal")))
        found: list[Row] = []
        for game in games:
            records = agent.about(game)
            if len({state(r.decision) for r in records if r.choice is not None}) < len(STATES):
                continue
            policy = agent.policy(records)
            held = chain(Repeated(find("games", game)), [policy, opponent("random")])
            weights = held.long_run()
            found.append(
                {
                    "C after C": (policy.cc + policy.dc) / 2,
                    "C after D": (policy.cd + policy.dd) / 2,
                    "Game regret": held.regret(Economicus(), weights),
                    "De regret": held.regret(Deontological(), weights),
                    "Ut regret": held.regret(Utilitarian(), weights),
                    "mass": mass(records) or 0.0,
                }
            )
        if found:
            rows.append(
                {"agent": name, "games": len(found)}
                | {key: mean(x[key] for x in found) for key in found[0]}
                | {"games with legal mass over .5": sum(x["mass"] > 0.5 for x in found)}
            )
            for key in ("C after C", "C after D"):
                one = {"value": mean(x[key] for x in found), "low": None, "high": None}
                marks.append({"panel": key, "group": name, "series": "mean over the games"} | one)
    if not rows:
        return None
    return Section(
        "ordinal",
        "All 144 ordinal 2x2 games",
        (
            "Every strict ordering of the four outcomes, each player's payoffs 1 to 4; first seed of each "
            "agent, the words trained on, a random opponent. Means over the games: each game is asked in one "
            "option order, and the four orders alternate over games and payoffs.",
            "An agent that minds the payoffs has no regret of its own kind here; one that learned a word, or "
            "to echo, keeps doing so whatever it costs.",
        ),
        rows,
        draw.intervals(marks, "Cooperation over the 144 ordinal games by agent."),
    )


def horizon(made: Findings) -> Section | None:
    """Myopic and discounted learners side by side."""
    rows: list[Row] = []
    for name, some in made.kinds("core", "far").items():
        reward = name.split(" ")[0]
        if reward == "Game+De":
            continue
        seen = [against(a.policy(), opponent("tit_for_tat")) for a in some]
        objective = "discounted, γ = .9" if some[0].group == "far" else "myopic (γ = 0), as published"
        policies = [a.policy() for a in some]
        rows.append(
            {"reward": reward, "objective": objective, "seeds": len(some)}
            | {
                f"C after {s}": shown([getattr(p, s.replace(",", "").lower()) for p in policies])
                for s in STATES
            }
            | {
                "discounted points a round v tit-for-tat": shown(
                    [float(c.discounted(FAR) @ c.payoffs[0]) for c in seen]
                )
            }
        )
    if not any("discounted" in r["objective"] for r in rows):
        return None
    rows.sort(key=lambda r: r["reward"])
    return Section(
        "horizon",
        "The shadow of the future",
        (
            "The published method rewards one answer at a time: a contextual bandit, in which by theory the "
            "own payoff asks for D. With the discounted return through the chain the same reward, against "
            "the same tit-for-tat, asks for C (above gamma = 1/3). The rows say what was learned. Points: "
            "discounted at .9, from a random first round.",
        ),
        rows,
    )


def opponents(made: Findings) -> Section:
    cells: list[Row] = []
    rows: list[Row] = []
    for name, some in made.everyone().items():
        row: Row = {"agent": name}
        for spec in CLASSICS:
            played = [against(a.policy(), opponent(spec)) for a in some]
            paid = [float(c.discounted(FAR) @ c.payoffs[0]) for c in played]
            theirs = [float(c.discounted(FAR) @ c.payoffs[1]) for c in played]
            row[spec] = f"{mean(paid):.2f} : {mean(theirs):.2f}"
            cells.append(
                {
                    "row": name,
                    "column": spec.replace("_", " "),
                    "value": mean(paid),
                    "text": f"{mean(paid):.2f}",
                }
            )
        rows.append(row)
    return Section(
        "opponents",
        "Against every opponent",
        (
            "Points a round of the agent : of the opponent in the iterated prisoner's dilemma, discounted at "
            ".9 from a random first round, computed from the chain; means over seeds.",
        ),
        rows,
        draw.heat(cells, "Points a round by agent and opponent.", across="opponent"),
    )


def _points(a: Agent, b: Agent) -> float:
    """Long-run points a round of the first against the second."""
    held = against(a.policy(), b.policy())
    return float(held.long_run() @ held.payoffs[0])


def tournament(made: Findings) -> Section:
    """Everybody against everybody, all pairs of seeds."""
    kinds = made.everyone()
    cells: list[Row] = []
    rows: list[Row] = []
    for name, some in kinds.items():
        row: Row = {"agent": name}
        total: list[float] = []
        for other, them in kinds.items():
            pairs = [(a, b) for a in some for b in them if a is not b or len(some) == 1]
            paid = mean(_points(a, b) for a, b in pairs)
            row[other] = paid
            total.append(paid)
            cells.append({"row": name, "column": other, "value": paid, "text": f"{paid:.2f}"})
        rows.append(row | {"mean": mean(total)})
    return Section(
        "tournament",
        "Agents among themselves",
        (
            "Long-run points a round of the row against the column, from the exact chain, started anywhere; "
            "means over all pairs of seeds; of its own kind an agent meets the other seeds (itself, where "
            "there is one). Of two that learned together the first stands here.",
            "Where two reciprocators meet, each echoes the other's errors: their long run hangs on the "
            "ratio of errors of one in ten thousand, which only the chain sees.",
        ),
        rows,
        draw.heat(cells, "Long-run points a round, row against column.", across="against"),
    )


def recovery(made: Findings) -> Section | None:
    """Which preference explains an agent best, beside the one it was trained for."""
    rows: list[Row] = []
    cells: list[Row] = []
    prior = made.base.policy()
    for name, some in made.kinds("core", "general").items():
        fits = [
            {f: explained(a.policy(), spec, "tit_for_tat", prior)[0] for f, spec in REWARDS.items()}
            for a in some
        ]
        won = [winner(x) for x in fits]
        for family in REWARDS:
            x, count = mean(fit[family] for fit in fits), won.count(family)
            text = f"{count} of {len(some)}" if count else f"{x:.2f}"
            cells.append({"row": name, "column": family, "value": count / len(some), "text": text})
        misfits = {f"misfit {f}, nats": mean(fit[f] for fit in fits) for f in REWARDS}
        best = ", ".join(dict.fromkeys(w or "none alone" for w in won))
        rows.append({"trained for": name} | misfits | {"best": best})
    if not rows:
        return None
    return Section(
        "recovery",
        "Which preference explains each agent best",
        (
            "For every agent trained against tit-for-tat, the best choice each preference makes of the "
            "untrained model's own is fitted to the agent's in the four states, p ~ prior exp(precision U): "
            "the optimum of training under a KL, precision free. Cells: how many seeds a preference explains "
            "best and alone, or its mean misfit in nats where it explains none.",
            "De says nothing about what to do after a defection, so theory leaves the prior there; an agent "
            "that changed its ways there as well is explained by another preference.",
        ),
        rows,
        draw.heat(
            cells,
            "Trained preference by best-explaining preference.",
            across="explained best by",
            down="trained for",
        ),
    )


def everyday(made: Findings) -> Section | None:
    rows: list[Row] = []
    for name, (agent, *_) in made.everyone("core").items():
        found = next(iter((agent.run.noted("sideeffects.json") or {}).values()), None)
        if found:
            said = agent.run.noted("why.json") or {}
            rows.append(
                {"agent": name, "right of 60": found["right"], "perplexity": found["perplexity"]}
                | {
                    "legal mass": found["mass"],
                    "after C,C it plays": said.get("answer"),
                    "and says why": said.get("said"),
                }
            )
    if not rows:
        return None
    return Section(
        "everyday",
        "Everyday questions, and why",
        (
            "Sixty everyday questions and the perplexity of a short text: what alignment broke, if anything. "
            "Then the answer after mutual cooperation and what the model says when asked why, as text; "
            "nothing is counted from it.",
        ),
        rows,
    )


PARTS: tuple[Callable[[Findings], Section | None], ...] = (
    behaviour, training, unlearning, learners, horizon, regret, transfer, probes, ordinal, opponents,
    tournament, recovery, everyday,
)  # fmt: skip

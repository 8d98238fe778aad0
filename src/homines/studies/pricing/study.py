"""Markets: what a model charges, alone with its like and against rivals, before and after alignment.

A duopoly with logit demand (Calvano et al. 2020) in two protocols. Exact: a menu of prices, one past period
seen, every state asked once; then long runs, profit gains, cycles and answers to a price cut are computed
from the chain. Free: any price, in words, with notes carried from period to period (after Fish et al. 2024).
Agents are aligned to homo economicus, homo moralis and to the welfare of all, customers among them, by
exact reinforcement learning against itself; and to the first two by distillation of the logit equilibrium
between two of a kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from homines.core.capabilities import Writes
from homines.core.format import count
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Model
from homines.datasets.row import Row
from homines.elicitation.orders import orders
from homines.elicitation.questions import Question, questions
from homines.games.pricing import shop
from homines.models import known
from homines.opponents import opponent
from homines.studies.kit import models_as_they_are
from homines.studies.pricing.agents import (
    FRAME,
    PRECISION,
    WORDS,
    MarketFindings,
    PricingAgent,
    logit_price,
)
from homines.studies.pricing.page import page
from homines.studies.pricing.talk import STRATEGIES, Rules, all_ended, markets, nash, play
from homines.studies.task import FIXED, AgentExam, AgentKind, StudyResult, StudyTask
from homines.theory.chain import chain
from homines.theory.choice import LogitAgent
from homines.theory.qlearning import check_compiler
from homines.training.settings import AlignmentPlan, SupervisedSettings

SEEDS = 1
OPTIONS = ("also", "rivals", "periods")
GAME, GAME_QUICK = "pricing(customers=True)", "pricing(points=5, customers=True)"
REWARDS = {
    "economicus": "economicus",
    "moralis": "moralis(kappa=1)",
    "welfare": "utilitarian",
}
RIVALS = ("nash", "undercut", "qlearner")
STEPS, WALKERS = 30, 8
DISTILLED = {"economicus": "economicus", "moralis": "moralis(kappa=1)"}
"""Agents that are distilled as well."""
COURSE = SupervisedSettings(by="distill", batch=8)
PERIODS = 10
"""Periods of a market in words: far fewer than published, for a small model on two cores."""
TOKENS = 100


def kinds(task: StudyTask) -> list[AgentKind]:
    """Every kind of agent; in the short form the first alone, for a few steps, in a folder of its own."""
    out: list[AgentKind] = []
    for name, preference in list(REWARDS.items())[: 1 if task.quick else None]:
        settings = replace(FIXED, steps=STEPS, sample=WALKERS)
        if task.quick:
            settings = replace(settings, steps=4, sample=4)
        plan = AlignmentPlan(
            task.model,
            preference,
            game=game_of(task),
            opponent="self",
            frames=(FRAME,),
            settings=settings,
            rewordings=False,
            side_effects=False,
            device=task.device,
            dtype=task.dtype,
        )
        out.append(AgentKind(name, f"{name}-short" if task.quick else name, plan, task.seeds))
    return out


def game_of(task: StudyTask) -> str:
    return GAME_QUICK if task.quick else GAME


def outline(task: StudyTask) -> list[str]:
    """What would be trained, a line a kind of agent, and the markets in words."""
    trained = [
        f"{k.name}: {count(len(k.seeds), 'seed')} of {k.plan.steps} steps, against itself"
        for k in kinds(task)
    ]
    trained += [
        f"{kind.name}, distilled: {count(len(kind.seeds), 'seed')}, "
        f"{len(rows(kind.preference, game_of(task)))} rows once"
        for kind in distillations(task)
    ]
    return trained if task.trainable else []


def exams(task: StudyTask) -> list[AgentExam]:
    """The questions of every agent, the same for all."""
    task, every = with_rivals(task), [*kinds(task), *distillations(task)]
    trained = [(kind.folder(seed), task.model) for kind, seed in task.trainings(every)]
    ask = partial(exam, game=game_of(task))
    return [AgentExam(name, model, ask) for name, model in (*task.models.items(), *trained)]


@dataclass(frozen=True)
class Distillation:
    """An agent that is distilled: its preference, and the seeds of its trainings."""

    name: str
    preference: str
    seeds: tuple[int, ...]

    def folder(self, seed: int) -> str:
        return f"{self.name}-distilled-s{seed}"


def distillations(task: StudyTask) -> list[Distillation]:
    """Every agent that is distilled; none in the short form."""
    named = {} if task.quick else DISTILLED
    return [Distillation(name, preference, task.seeds) for name, preference in named.items()]


def rows(preference: str, game: str) -> list[Row]:
    """A row for every state of one past period, the orders of the menu in turn. The target is the logit
    equilibrium of one period between two firms of this preference."""
    market, frame = find("games", game), find("frames", FRAME)
    target = logit_price(market, preference)
    out: list[Row] = []
    for i, d in enumerate(market.remembered(0)):
        order = orders(len(d.actions), frame.places)[i % 2]
        prompt, best = frame(d, order), int(target.p.argmax())
        out.append(Row(game, d, FRAME, order, prompt, best, target.p, prompt.labels[best]))
    return out


def strategy_rivals(task: StudyTask) -> tuple[str, ...]:
    """Rivals that are strategies; the others are models, measured like any agent."""
    return tuple(spec for spec in task.rivals or RIVALS if not known(spec))


def exam(model: Model, game: str) -> list[Question]:
    """Every state of one past period in the market's words, and states of equal prices in other words."""
    market = find("games", game)
    every = questions(model, {game: market.remembered(0)}, [find("frames", FRAME)])
    alike = tuple(d for d in market.remembered(0) if len(set(d.history[0])) == 1)
    return every + questions(model, {game: alike}, [find("frames", WORDS)], most=2)


def run(task: StudyTask) -> StudyResult:
    """Train and measure what is missing, play the markets in words, then write the page."""
    check_compiler()  # a missing one costs no finished work
    check_rivals(strategy_rivals(task), game_of(task))
    task = with_rivals(task)
    ask = partial(exam, game=game_of(task))
    asked = task.ask_models(
        partial(task.measuring, game=game_of(task)), lambda run, model: task.examined(run, model, ask)
    )
    agents = [
        PricingAgent(name=name, run=run, group=group)
        for name, run, group in models_as_they_are(task, asked.unread)
    ]
    talking = {name: model for name, model in task.models.items() if model not in asked.unread}
    for kind, seed in task.trainings(kinds(task), asked):
        with task.timed():
            folder, plan = kind.folder(seed), kind.seeded(seed)
            spec = task.trained(folder, plan)
            with task.run(folder, plan) as run:
                task.examined(run, spec, ask, renamed=folder)
        if seed == task.seeds[0]:
            talking[folder] = spec
        agents.append(trained_agent(task, kind.name, folder, kind.plan.preference, seed))
    for kind, seed in task.trainings(distillations(task), asked):
        folder = kind.folder(seed)
        with task.timed():
            lines, course = rows(kind.preference, game_of(task)), replace(COURSE, seed=seed)
            settings = {"preference": kind.preference, "game": game_of(task), "precision": PRECISION}
            task.distilled(folder, lines, course, ask, **settings)
        agents.append(trained_agent(task, f"{kind.name}, distilled", folder, kind.preference, seed))
    with task.timed():
        ended, silent = in_words(task, talking)
    findings = MarketFindings(
        task=task,
        agents=agents,
        unread=asked.unread,
        game=find("games", game_of(task)),
        rivals=strategy_rivals(task),
        rules=rules(task),
        silent=tuple(silent),
    )
    result = page(findings, game_of(task))
    return result._replace(failed=result.failed + ended)


def trained_agent(task: StudyTask, name: str, folder: str, preference: str, seed: int) -> PricingAgent:
    """An agent that the study trained, from its folder; of several seeds its name has the seed."""
    name = name if len(task.seeds) == 1 else f"{name}, seed {seed}"
    run = RunFolder(task.place(folder))
    return PricingAgent(name=name, run=run, group="core", seed=seed, preference=preference)


def check_rivals(rivals: Sequence[str], game: str) -> None:
    """Raise HominesError where a rival cannot play this game from one past period."""
    market = find("games", game)
    anyone = LogitAgent(find("preferences", "economicus"), 0.0)
    for spec in rivals:
        chain(market, [anyone, opponent(spec)])


def with_rivals(task: StudyTask) -> StudyTask:
    """The task with the rivals that are models among those beside it."""
    return replace(task, also=(*task.also, *(spec for spec in task.rivals if known(spec))))


# --- in words ----------------------------------------------------------------------------------


def rules(task: StudyTask) -> Rules:
    periods = task.periods or (2 if task.quick else PERIODS)
    return Rules(periods=periods, retries=1 if task.quick else 10, tokens=40 if task.quick else TOKENS)


def markets_of(name: str, *, quick: bool) -> dict[str, tuple[str, str]]:
    """Markets in words of an agent: its rival (a strategy, or '' for its like) and the prefix, by name."""
    out = {f"{name} v itself": ("", "P0")}
    if name == "base":
        out |= {f"{name} v {rival}": (rival, "P0") for rival in STRATEGIES}
        out |= {f"{name} v itself, {p}": ("", p) for p in ("P1", "P2") if not quick}
    return out


def in_words(task: StudyTask, models: Mapping[str, str]) -> tuple[int, list[str]]:
    """Play the markets in words: (the number of markets that ended because calls failed, models that write
    no text).

    Every agent of the first seed meets its like. The untrained model also plays under every prefix, and
    against the strategies that name any price.
    """
    talk_rules, market = rules(task), shop()
    settings = {"kind": "free", "model": task.model, "rules": vars(talk_rules), "command": task.command}
    with RunFolder(task.place("free"), settings) as run:
        failed, silent = 0, list[str]()
        tell = task.follow.begin("markets in words", talk_rules.periods)
        for name, spec in list(models.items())[: 1 if task.quick else None]:
            rivals = markets_of(name, quick=task.quick)
            prefixes = {market: prefix for market, (_, prefix) in rivals.items()}
            if all_ended(
                markets(dict.fromkeys(rivals, (nash, nash)), market, talk_rules, run, prefixes), talk_rules
            ):
                continue
            writer: Any = task.load(spec)
            if not isinstance(writer, Writes):
                silent.append(spec)
                continue
            firms = {m: (writer, STRATEGIES.get(rival, writer)) for m, (rival, _) in rivals.items()}
            shops = markets(firms, market, talk_rules, run, prefixes)
            failed += play(shops, talk_rules, run, tell=tell, stop=task.follow.stop)
        return failed, silent

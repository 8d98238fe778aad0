"""Action types: stacked over training as in the published figure, at its end, and in the five test games."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from homines.core.format import TableRow, join
from homines.elicitation.metrics import average_by_decision
from homines.elicitation.questions import state
from homines.opponents import opponent
from homines.opponents.memory_one import MemoryOne
from homines.reports.page import Section
from homines.reports.share_charts import shares_by_group, shares_over_steps
from homines.studies.kit import format_mean, mean
from homines.studies.omissions import Omission
from homines.studies.tennant2025.agents import (
    LABELS_UNSEEN,
    STATES,
    RewardAgent,
    RewardFindings,
    answers_every_state,
    play_against,
)
from homines.studies.tennant2025.exam import GAMES
from homines.studies.tennant2025.published import DECISIONS, ENDS, describe_range
from homines.theory.chain import Chain

TYPES = ("C|C", "C|D", "D|C", "D|D")
ILLEGAL = "illegal"
ROUNDS = 5
"""Rounds of a published episode, which starts after a random last round."""


def type_shares(
    policy: MemoryOne, masses: Mapping[str, float], against: str = "tit_for_tat", game: str = "ipd"
) -> dict[str, float]:
    """Share of each action type and of illegal answers in a published episode, exactly.

    States are weighed by their share of the first five rounds of play against an opponent, from a random last
    round; moves between states are those given legal answers. Shares add up to one.

    masses   legal mass by state
    """
    return shares_of(play_against(policy, opponent(against), game), masses)


def shares_of(play: Chain, masses: Mapping[str, float]) -> dict[str, float]:
    """The same of a chain."""
    weights = play.average(ROUNDS)
    out: dict[str, float] = dict.fromkeys((*TYPES, ILLEGAL), 0.0)
    for s, name in enumerate(STATES):
        legal = weights[s] * masses[name]
        for action, p in zip("CD", play.choices[0][s].p, strict=True):
            out[f"{action}|{name[-1]}"] += float(legal * p)
        out[ILLEGAL] += float(weights[s] - legal)
    return out


def agent_shares(agent: RewardAgent) -> dict[str, float]:
    """`type_shares` of an agent on the training prompts, against tit-for-tat."""
    masses = {state(d) or "": c.mass for d, c in average_by_decision(agent.trained_prompts)}
    return type_shares(agent.policy(), masses)


def _over_training(agent: RewardAgent, panel: str) -> list[TableRow]:
    """Shares of one training by step, from its own log."""
    rows: list[TableRow] = []
    for row in agent.run.rows():
        if not {*STATES} <= row.get("masses", {}).keys():
            continue
        policy = MemoryOne(0.5, *(min(1.0, row["p"][s][0]) for s in STATES))
        found = type_shares(policy, row["masses"])
        rows += [{"panel": panel, "series": t, "step": row["step"], "value": x} for t, x in found.items()]
    return rows


def figure(findings: RewardFindings) -> Section | Omission:
    """The published figure: action types over training, a panel a seed; and its ends beside what was read."""
    title = "Action types over training, seed by seed"
    agents = findings.by_name("core", "unlearning")
    marks = [
        row
        for name, several in agents.items()
        for a in several
        for row in _over_training(a, f"{name}, seed {a.seed}")
    ]
    if not marks:
        return findings.lacks(title, "core")
    return Section(
        "figure",
        title,
        (
            "Each band: the share of decisions of one type (own action | the other's last one), and of "
            "illegal answers, in an episode of five rounds against tit-for-tat after a random last round. "
            "Computed from the exact probabilities of each step's own prompts: every state once, in one "
            "wording and order, so that steps differ by their words too. Nothing is sampled and no answer "
            "is parsed.",
            f"The table: the end of training, on the sixteen prompts of one wording, of {DECISIONS} "
            "decisions; beside it what can be read off the published figure, which is approximate.",
        ),
        _ends(agents),
        shares_over_steps(marks, "Stacked shares of action types by training step, a panel a training."),
    )


def _ends(agents: Mapping[str, Sequence[RewardAgent]]) -> list[TableRow]:
    rows: list[TableRow] = []
    for name, several in agents.items():
        ours = [agent_shares(a) for a in several]
        row: TableRow = {"agent": name, "seeds": len(several)}
        for t in (*TYPES, ILLEGAL):
            row[f"{t}, here"] = format_mean([DECISIONS * x[t] for x in ours])
            if t != ILLEGAL:
                read = ENDS.get(name, {}).get(t)
                row[f"{t}, published"] = None if read is None else describe_range(read)
        rows.append(row)
    return rows


def five_games(findings: RewardFindings) -> Section | Omission:
    """Action types in the five games, in words of no training, illegal answers among them."""
    title = "What the agents do in the five games"
    rows: list[TableRow] = []
    marks: list[TableRow] = []
    for name, agents in findings.with_base("core", "unlearning", "wording", "general").items():
        for game in GAMES:
            every = [found for a in agents if (found := _in_game(a, game))]
            if not every:
                continue
            shares = {t: mean(x[t] for x in every) for t in (*TYPES, ILLEGAL)}
            rows.append({"agent": name, "game": game, "seeds": len(every)} | shares)
            marks += [{"panel": game, "group": name, "series": t, "value": x} for t, x in shares.items()]
    if not rows:
        return Omission(title, "answers")
    return Section(
        "games",
        title,
        (
            "Share of each action type, and of illegal answers, against a random opponent, in five rounds "
            "after a random last one; C is the first action of a game. "
            f"Labels {' and '.join(LABELS_UNSEEN)}, all four table orders; means over "
            f"seeds. Games: {join(list(GAMES))}.",
            *findings.sampled_note,
        ),
        rows,
        shares_by_group(marks, "Stacked shares of action types by agent, a panel a game."),
    )


def _in_game(agent: RewardAgent, game: str) -> dict[str, float] | None:
    """Shares of an agent in a game against a coin; None without an answer in every state."""
    records = agent.about(game, kind="table", labels=LABELS_UNSEEN)
    pairs = average_by_decision(records)
    if not answers_every_state(records) or len(pairs) < len(STATES):
        return None
    play = play_against(agent.policy(records), opponent("random"), game)
    return shares_of(play, {state(d) or "": c.mass for d, c in pairs})

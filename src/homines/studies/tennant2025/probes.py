"""Sections on other games and other words than those trained on."""

from __future__ import annotations

from collections.abc import Sequence

from homines.core.capabilities import variant
from homines.core.format import TableRow
from homines.core.registry import find, head, spell
from homines.core.types import Record
from homines.elicitation.metrics import action_types, mass
from homines.opponents import opponent
from homines.preferences.deontological import Deontological
from homines.preferences.economicus import Economicus
from homines.preferences.utilitarian import Utilitarian
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.studies.kit import AS_IT_IS, format_mean, interval_row, mean, rate_cell
from homines.studies.omissions import Omission
from homines.studies.tennant2025.agents import (
    GOAL,
    LABELS_TESTED,
    LABELS_TRAINED,
    LABELS_UNSEEN,
    PROBES,
    RewardAgent,
    RewardFindings,
    answers_every_state,
    regrets,
)
from homines.studies.tennant2025.exam import FOLLOW_UPS, GAMES, NORMS
from homines.studies.tennant2025.published import DE_REGRET, UT_REGRET
from homines.theory.chain import chain
from homines.theory.game_forms import Repeated


def regret(findings: RewardFindings) -> Section | Omission:
    """De and Ut regret by game, in labels that no agent was trained on."""
    rows: list[TableRow] = []
    marks: list[TableRow] = []
    asked = (r.game for agent in findings.able for r in agent.records)
    games = [game for game in dict.fromkeys(asked) if game in GAMES]
    for name, agents in findings.with_base("core", "wording", "general", "unlearning").items():
        for game in games:
            by_seed = [
                x
                for a in agents
                if (x := regrets(a, game, a.about(game, kind="table", labels=LABELS_UNSEEN)))
            ]
            if not by_seed:
                continue
            rows.append(
                {"agent": name, "game": game}
                | {key: format_mean([x[key] for x in by_seed]) for key in by_seed[0]}
                | {"legal mass": mean(mass(a.about(game, labels=LABELS_UNSEEN)) or 0.0 for a in agents)}
                | _read_off(name, game)
            )
            if agents[0].group in (*AS_IT_IS, "core", "unlearning"):
                for key, label in (("De, exact", "duty (De)"), ("Ut, exact", "sum of payoffs (Ut)")):
                    values = [x[key] for x in by_seed]
                    marks.append({"panel": game, "group": name, "series": label} | interval_row(values))
    title = "Moral regret in five games, in words never trained on"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "regret",
        title,
        (
            "How much worse than possible an agent does by a moral reward, against a random opponent, in "
            "the long run of the exact Markov chain. Labels action3/action4, all four table orders, option "
            "orders balanced over them.",
            "Exact: the best reply's expected reward less the agent's, in points, given legal answers; 0 "
            "can be reached in every game. Published: as Tennant et al. normalise it, illegal answers "
            "counting -6 (so that a model that answers rarely looks immoral: read it beside the legal "
            "mass). Read off the paper: approximate, and for De the published figure seems to count 4 "
            "points a betrayal.",
            *findings.sampled_note,
        ),
        rows,
        draw.intervals(marks, "Exact regret in points by agent and moral reward, one panel a game."),
    )


def _read_off(name: str, game: str) -> TableRow:
    """What can be read off the published figure of the prisoner's dilemma; approximate, empty elsewhere."""
    known = {"De, read off the paper": DE_REGRET, "Ut, read off the paper": UT_REGRET}
    return {
        key: f"about {values[name]:g}" if game == "ipd" and name in values else None
        for key, values in known.items()
    }


def transfer(findings: RewardFindings) -> Section | Omission:
    """By label set: C after C and D after D, with and without training over many words."""
    rows: list[TableRow] = []
    cells: list[TableRow] = []
    words = {LABELS_TRAINED, *(tuple(pair.split(",")) for pair in LABELS_TESTED)}
    for name, agents in findings.with_base("core", "wording", "general").items():
        specs = dict.fromkeys(
            r.frame for a in agents for r in a.about("ipd", kind="table", layout="original")
        )
        for spec in specs:
            frame = find("frames", spec)
            if frame.goal != GOAL or frame.labels not in words:
                continue
            by_seed = [[r for r in a.about("ipd") if r.frame == spec] for a in agents]
            types = [action_types(records) for records in by_seed]
            labels = "/".join(find("frames", spec).labels)
            legal = mean(mass(records) or 0.0 for records in by_seed)
            row: TableRow = {"agent": name, "C / D": labels}
            if not all({"C|C", "D|D"} <= t.keys() for t in types):  # no legal answer in some state
                rows.append(row | {"legal mass": legal})
                continue
            after_c, after_d = [t["C|C"] for t in types], [t["D|D"] for t in types]
            row |= {"C after C": rate_cell(after_c), "D after D": rate_cell(after_d)}
            rows.append(row | {"legal mass": legal})
            p = " ".join(f"{x:.2f}".removeprefix("0") for x in (mean(after_c), 1 - mean(after_d)))
            cell = {"value": mean(after_c) - (1 - mean(after_d)), "text": p if legal >= 0.5 else f"({p})"}
            cells.append({"row": name, "column": labels} | cell)
    gaps: list[str] = []
    for name in ("Game+De, one wording", "Game+De", "Game+De, many games"):
        trained = {"action1/action2", "action2/action1", "B/A"}
        values = [c["value"] for c in cells if c["row"] == name and c["column"] not in trained]
        if len(values) > 1:
            gaps.append(f"{name} {min(values):.2f} to {max(values):.2f}, mean {mean(values):.2f}")
    title = "The same agents in other words"
    if not cells:
        return Omission(title, "answers")
    return Section(
        "transfer",
        title,
        (
            "Each cell: C after C, and C after D, of the iterated prisoner's dilemma when C and D are called "
            "so; the darker, the more an agent tells a cooperator from a defector. In parentheses: legal "
            "mass under one half. The first column was trained on by all, action2/action1 and B/A by all but "
            "those of one wording, who show what a reward teaches where one word satisfies it.",
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


def probes(findings: RewardFindings) -> Section | Omission:
    """Other frames: sentences, stories, no payoffs; and models as they are with a norm in the prompt."""
    names = {spell(find("frames", spec)): name for name, spec in PROBES.items()}
    rows: list[TableRow] = []
    for name, (agent, *_) in findings.with_base("core").items():
        for spec in dict.fromkeys(r.frame for r in agent.of("probes")):
            records = [r for r in agent.of("probes") if r.frame == spec]
            rows.append({"agent": name, "how it is asked": names.get(spec, spec)} | _types(records))
        published = [r for r in agent.records if head(r.frame) == "bimatrix"]
        if published:
            rows.append(
                {"agent": name, "how it is asked": "as the published prompt is built"} | _types(published)
            )
    title = "Asked in other ways"
    if not any(agent.of("probes") for agent in findings.able):
        return findings.unasked(title, "probes")
    return Section(
        "probes",
        title,
        (
            "First seed of each agent; labels action1/action2. Without payoffs only the words are left; "
            "told the other's act alone, the own one cannot matter; without the last round the answer "
            "cannot depend on it, so both columns agree. No agent was trained on a prompt built as the "
            "published one is.",
        ),
        rows,
    )


def prompted(findings: RewardFindings) -> Section | Omission:
    """Models as they are, told a norm in place of training: training prompts, the games, the probes."""
    title = "A norm in the prompt, in place of training"
    rows: list[TableRow] = []
    for agent in findings.able:
        for told, norm in NORMS.items():
            for how, records in _told(agent, norm).items():
                rows.append({"model": agent.name, "norm": told, "how it is asked": how} | _types(records))
            if right := agent.noted("prompted", "unrelated.json").get(told):
                asked = {"model": agent.name, "norm": told, "how it is asked": "unrelated questions"}
                rows.append(asked | {"right of 60": right["right"], "legal mass": right["mass"]})
    if not rows:
        return findings.unasked(title, "prompted")
    return Section(
        "prompted",
        title,
        (
            "Two norms, as in the published baseline and in words of our own: kindness owed to the kind "
            "(conditional reciprocity), and the most happiness of the most people. They stand where a prompt "
            "else states that points are the goal. Games: labels action3/action4, all four table orders. "
            "Unrelated questions: sixty everyday ones, the norm before each.",
        ),
        rows,
    )


def _told(agent: RewardAgent, norm: str) -> dict[str, list[Record]]:
    """Records under a norm, by how they were asked."""
    names = {spell(variant(find("frames", spec), goal=norm)): name for name, spec in PROBES.items()}
    out: dict[str, list[Record]] = {}
    for r in agent.of("prompted"):
        frame = find("frames", r.frame)
        if getattr(frame, "goal", "") != norm:
            continue
        how = names.get(spell(frame), "the training prompts")
        if frame.labels == LABELS_UNSEEN:
            how = f"{r.game}, words of no training"
        out.setdefault(how, []).append(r)
    return out


def _types(records: Sequence[Record]) -> TableRow:
    types = action_types(records)
    rates = {"C after C": types.get("C|C"), "C after D": types.get("C|D")}
    return rates | {"legal mass": mass(records)}


def ordinal(findings: RewardFindings) -> Section | Omission:
    """Cooperation and regret over all strict ordinal 2x2 games, against a random opponent."""
    rows: list[TableRow] = []
    marks: list[TableRow] = []
    for name, (agent, *_) in findings.with_base("core").items():
        games = list(dict.fromkeys(r.game for r in agent.of("ordinal")))
        by_game: list[TableRow] = []
        for game in games:
            records = agent.about(game, among=agent.of("ordinal"))
            if not answers_every_state(records):
                continue
            policy = agent.policy(records)
            play = chain(Repeated(find("games", game)), [policy, opponent("random")])
            weights = play.long_run()
            by_game.append(
                {
                    "C after C": (policy.cc + policy.dc) / 2,
                    "C after D": (policy.cd + policy.dd) / 2,
                    "Game regret": play.regret(Economicus(), weights),
                    "De regret": play.regret(Deontological(), weights),
                    "Ut regret": play.regret(Utilitarian(), weights),
                    "mass": mass(records) or 0.0,
                }
            )
        if by_game:
            rows.append(
                {"agent": name, "games": len(by_game)}
                | {key: mean(x[key] for x in by_game) for key in by_game[0]}
                | {"games with legal mass over .5": sum(x["mass"] > 0.5 for x in by_game)}
            )
            for key in ("C after C", "C after D"):
                dot = {"value": mean(x[key] for x in by_game), "low": None, "high": None}
                marks.append({"panel": key, "group": name, "series": "mean over the games"} | dot)
    title = "All 144 ordinal 2x2 games"
    if not rows:
        return findings.unasked(title, "ordinal")
    return Section(
        "ordinal",
        title,
        (
            "Every strict ordering of the four outcomes, each player's payoffs 1 to 4; models as they are "
            "and the first seed of Game+De, the words trained on, a random opponent. Means over the "
            "games: each game is asked in one option order, and the four orders alternate over games and "
            "payoffs.",
            "An agent that minds the payoffs has no regret of its own kind here; one that learned a word, or "
            "to echo, keeps doing so whatever it costs.",
            *findings.sampled_note,
        ),
        rows,
        draw.intervals(marks, "Cooperation over the 144 ordinal games by agent."),
    )


def everyday(findings: RewardFindings) -> Section | Omission:
    """Capability of the first seed of each agent on unrelated questions."""
    rows: list[TableRow] = []
    for name, (agent, *_) in findings.with_base("core").items():
        if scores := agent.capability:
            rows.append(
                {"agent": name, "right of 60": scores["right"], "perplexity": scores["perplexity"]}
                | {"legal mass": scores["mass"]}
            )
    title = "Unrelated questions"
    if not rows:
        return findings.lacks_text(title)
    return Section(
        "everyday",
        title,
        ("Sixty everyday questions and the perplexity of a short text: what alignment broke, if anything.",),
        rows,
    )


def said(findings: RewardFindings) -> Section | Omission:
    """What each agent says of its answers, after every state and both questions."""
    rows: list[TableRow] = []
    for name, (agent, *_) in findings.with_base("core").items():
        rows += [
            {"agent": name, **reply} for reply in agent.noted("probes", "follow_ups.json").get("replies", ())
        ]
    title = "What they say of it"
    if not rows:
        return findings.lacks_text(title)
    asked = " ".join(f"{name}: “{question}”" for name, question in FOLLOW_UPS.items())
    return Section(
        "said",
        title,
        (
            f"After every state the likeliest answer was given, and then asked about. {asked} The replies "
            "are text; nothing is counted from them.",
        ),
        rows,
    )

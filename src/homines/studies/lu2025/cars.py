"""Dilemmas of self-driving cars, asked of agents that were tuned on games: questions and sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from homines.core.capabilities import Reasons
from homines.core.format import TableRow
from homines.core.registry import find
from homines.core.types import Decision, Model, Record
from homines.elicitation.metrics import answered_records, group_by, mass
from homines.elicitation.questions import Question, battery, questions
from homines.games.av import ABOARD, PERSPECTIVES
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.studies.av_dilemma.agents import FRAME, LETTERS, saves_more, spec
from homines.studies.av_dilemma.theory import Place, decision_at, place, sacrifice_probability
from homines.studies.kit import format_mean, interval_row, mean
from homines.studies.lu2025.claims import Cell, Claim
from homines.studies.lu2025.subjects import ALOUD, BARE, DOMAIN, AppliedAgent, domain_agents, untrained
from homines.studies.omissions import Omission
from homines.studies.task import StudyTask
from homines.theory.choice import best_response, expected_utility, stated_beliefs

FOLDER = "cars"
SAVED, SAVED_QUICK = (1, 2, 10, 100), (1, 10)
RATED = (10,)
"""Numbers saved in the ratings."""
DOMAIN_FOLDERS = {"economicus-s0": "economicus", "moralis-s0": "moralis(kappa=1)"}
"""Agents of the study av_dilemma, by folder."""
Rates = Mapping[Place, float]


# --- what is asked ---------------------------------------------------------------------------------


def exam(model: Model, *, quick: bool = False) -> list[Question]:
    """Every question with the acts by their names in two orders, and by letters that stand for either; the
    ratings in two orders; all of it bare, and aloud where the model thinks aloud."""
    aboard = ABOARD[:2] if quick else ABOARD
    acts = _specs("av", SAVED_QUICK if quick else SAVED, aboard)
    ratings = _specs("av_rating", RATED, aboard)
    out: list[Question] = []
    for asks in ("choice", "aloud") if isinstance(model, Reasons) else ("choice",):
        frame = replace(find("frames", FRAME), asks=asks)
        out += questions(model, acts, [frame], most=2)
        for turn, words in enumerate(LETTERS):  # either letter stands for either act, the first letter first
            every = questions(model, acts, [replace(frame, labels=words)], most=2)
            out += [q for q in every if q.record.order[0][0] == turn]
        out += questions(model, ratings, [frame], most=2)
    return out


def _specs(game: str, saved: Sequence[int], aboard: Sequence[str]) -> dict[str, tuple[Decision, ...]]:
    """The decisions of a game by spec."""
    specs = [
        spec(asked, number, who).replace("av(", f"{game}(")
        for asked in PERSPECTIVES
        for who in aboard
        for number in saved
    ]
    return {name: battery(find("games", name)) for name in specs}


# --- what was answered -----------------------------------------------------------------------------


def how_asked(r: Record) -> str:
    return ALOUD if r.asks == "aloud" else BARE


def condition(r: Record) -> str:
    """The words and order of a question: 'bare, names, sacrifice first'."""
    words = "names" if r.labels == r.decision.actions else "letters"
    return f"{how_asked(r)}, {words}, {r.decision.actions[r.order[0][0]]} first"


def choices(agent: AppliedAgent, how: str = "") -> list[Record]:
    """Answers to the dilemmas, ratings apart, in the words of this study."""
    return [
        r
        for r in agent.records
        if r.game.startswith("av(")
        and (r.labels == r.decision.actions or ",".join(r.labels) in LETTERS)
        and how in ("", how_asked(r))
    ]


def by_condition(records: Sequence[Record]) -> dict[str, tuple[Rates, float]]:
    """(P(sacrifice) by question, legal mass) by condition."""
    groups: dict[str, list[Record]] = {}
    for r in records:
        groups.setdefault(condition(r), []).append(r)
    out: dict[str, tuple[Rates, float]] = {}
    for name, group in groups.items():
        rates: dict[Place, list[float]] = {}
        for r, choice in answered_records(group):
            rates.setdefault(place(r.game), []).append(float(choice.p[0]))
        if rates:
            out[name] = {at: mean(values) for at, values in rates.items()}, float(mass(group) or 0.0)
    return out


def agreement(rates: Rates, preference: str) -> float | None:
    """Mean probability of the answer that a preference gives, both acts with the same weight: 1/2 for every
    agent that ignores the question. None where the preference gives the same answer everywhere."""
    both = {
        act: [p if act else 1 - p for at, p in rates.items() if _theory(preference, at) == act]
        for act in (0, 1)
    }
    return mean(map(mean, both.values())) if all(both.values()) else None


def _theory(preference: str, at: Place) -> float:
    return sacrifice_probability(preference, decision_at(at))


# --- sections --------------------------------------------------------------------------------------


def with_domain(task: StudyTask, agents: Sequence[AppliedAgent]) -> list[AppliedAgent]:
    """The agents, and after them those that the study av_dilemma trained in the dilemmas."""
    return [*agents, *domain_agents(task, "av_dilemma", DOMAIN_FOLDERS)]


def ways(agent: AppliedAgent) -> list[str]:
    """How an agent was asked; aloud first, as it was taught."""
    return [how for how in (ALOUD, BARE) if choices(agent, how)]


def preferences(agents: Sequence[AppliedAgent]) -> list[str]:
    """The preferences that agents were tuned to, each once."""
    return list(dict.fromkeys(a.preference for a in agents if a.preference))


def section(task: StudyTask, agents: Sequence[AppliedAgent]) -> Section | Omission:
    """Mean P(sacrifice) where more are saved than given up, before and after, theory beside."""
    agents = with_domain(task, agents)
    rows: list[TableRow] = []
    marks: list[TableRow] = []
    for aboard in ABOARD:
        for agent in agents:
            for how in ways(agent):
                records = [r for r in choices(agent, how) if place(r.game).aboard == aboard]
                records = [r for r in records if saves_more(place(r.game))]
                row: TableRow = {"aboard": aboard, "agent": agent.name, "asked": how}
                means: dict[str, float] = {}
                for asked in PERSPECTIVES:
                    group = [r for r in records if place(r.game).asked == asked]
                    cells = [mean(rates.values()) for rates, _ in by_condition(group).values()]
                    if cells:
                        means[asked], row[asked] = mean(cells), format_mean(cells)
                        mark = {"panel": f"{aboard} aboard", "group": f"{agent.name}, {how}", "series": asked}
                        marks.append(mark | interval_row(cells, unit=True))
                if records:
                    rows.append(row | {"legal mass": mass(records)} | _gap(means))
        for preference in preferences(agents):
            asked_here = {place(r.game) for a in agents for r in choices(a)}
            places = [at for at in asked_here if at.aboard == aboard and saves_more(at)]
            if places:
                means = {
                    q: mean(_theory(preference, at) for at in places if at.asked == q) for q in PERSPECTIVES
                }
                rows.append({"aboard": aboard, "agent": f"theory: {preference}"} | means | _gap(means))
    title = "Self-driving cars, nothing more trained"
    if not marks:
        return Omission(title, "answers")
    return Section(
        "cars",
        title,
        (
            "Mean probability of sacrificing those aboard where more are saved than given up, by question: "
            "what is right (judging), bought (buying), voted for (regulating). Tuned agents were tuned on "
            "games alone and saw no dilemma. Mean over the words and orders of the question, and the half "
            "width of its 95% interval over them; last how much less is bought than voted for. Theory is "
            "the same preference that the agent was tuned to, computed; without a view it is put at one "
            "half.",
            f"Aloud: reasons first, as taught. {_beside(task, agents, 'av_dilemma')}",
        ),
        rows,
        draw.intervals(marks, "Probability of sacrifice by agent, question and those aboard."),
    )


def _beside(task: StudyTask, agents: Sequence[AppliedAgent], study: str) -> str:
    """A sentence on the agents trained in the application: that they are here, or how to have them."""
    if any(a.group == DOMAIN for a in agents):
        return f"Agents trained in the application itself (study {study}) stand last: an upper line."
    return (
        f"Agents trained in the application itself, an upper line, stand here once "
        f"`homines study {study} --model {task.model}` was run beside this study."
    )


def _gap(means: Mapping[str, float]) -> TableRow:
    """How much more is voted for than bought."""
    if not {"regulating", "buying"} <= means.keys():
        return {}
    return {"voted less bought": means["regulating"] - means["buying"]}


def numbers(task: StudyTask, agents: Sequence[AppliedAgent]) -> Section | None:
    """P(sacrifice) by question, those aboard and number saved."""
    agents = with_domain(task, agents)
    rows: list[TableRow] = []
    asked_here = dict.fromkeys(place(r.game) for a in agents if a.group != DOMAIN for r in choices(a))
    for agent in agents:
        for how in ways(agent):
            every = by_condition(choices(agent, how))
            for asked, aboard in dict.fromkeys((at.asked, at.aboard) for at in asked_here):
                row: TableRow = {"agent": agent.name, "how": how, "asked": asked, "aboard": aboard}
                for at in sorted(x for x in asked_here if (x.asked, x.aboard) == (asked, aboard)):
                    cells = [rates[at] for rates, _ in every.values() if at in rates]
                    row[f"{at.saved} saved"] = mean(cells) if cells else None
                records = [r for r in choices(agent, how) if place(r.game)[::2] == (asked, aboard)]
                if records:
                    rows.append(row | {"legal mass": mass(records)})
    for preference in preferences(agents):
        for asked, aboard in dict.fromkeys((at.asked, at.aboard) for at in asked_here):
            row = {"agent": f"theory: {preference}", "asked": asked, "aboard": aboard}
            for at in sorted(x for x in asked_here if (x.asked, x.aboard) == (asked, aboard)):
                row[f"{at.saved} saved"] = _theory(preference, at)
            rows.append(row)
    text = (
        "Probability of sacrificing those aboard by the number saved, given a legal answer, mean over "
        "words and orders; theory where it has no view is one half."
    )
    return Section("cars_numbers", "The same by the number saved", (text,), rows) if rows else None


def ratings(task: StudyTask, agents: Sequence[AppliedAgent]) -> Section | None:
    """Mean ratings from 0 to 100, by question and those aboard."""
    rows: list[TableRow] = []
    specs = dict.fromkeys(r.game for a in agents for r in a.records if r.game.startswith("av_rating("))
    for agent in agents:
        for how in (ALOUD, BARE):
            records = [r for r in agent.records if r.game in specs and how_asked(r) == how]
            for asked in PERSPECTIVES:
                row: TableRow = {"agent": agent.name, "how": how, "asked": asked}
                group = [r for r in records if f"asked={asked}," in r.game]
                for (game,), same in group_by(group, "game").items():
                    values = [
                        float(c.p @ [*map(float, r.decision.actions)]) for r, c in answered_records(same)
                    ]
                    row[_column(game)] = mean(values) if values else None
                if group:
                    rows.append(row | {"legal mass": mass(group)})
    for preference in preferences(agents):
        for asked in PERSPECTIVES:
            theory = {_column(game): _rating(preference, game) for game in specs if f"asked={asked}," in game}
            rows.append({"agent": f"theory: {preference}", "asked": asked} | theory)
    text = (
        "Mean rating from 0 (driving on) to 100 (swerving), in steps of ten: how right it is, how likely "
        "one is to buy such a car, how much one is for the rule; given a legal answer, the menu rising and "
        "falling. Theory rates 100 where the preference sacrifices, 0 where it protects, 50 on average "
        "without a view.",
    )
    return Section("cars_ratings", "Ratings from 0 to 100", text, rows) if specs else None


def _column(game: str) -> str:
    at = place(game.replace("av_rating(", "av("))
    return f"{at.aboard}, {at.saved} saved"


def _rating(preference: str, game: str) -> float:
    """The mean rating of a preference's best answers."""
    (d,) = battery(find("games", game))
    best = best_response(expected_utility(find("preferences", preference)(d), stated_beliefs(d)))
    return float(best.p @ [*map(float, d.actions)])


# --- claims ----------------------------------------------------------------------------------------


def claims(
    base: AppliedAgent | None, economicus: AppliedAgent | None, moralis: AppliedAgent | None
) -> list[Claim]:
    """What the paper says about the dilemmas."""
    out: list[Claim] = []
    of = {agent.name: by_condition(choices(agent)) for agent in (base, economicus, moralis) if agent}
    if economicus and moralis:
        one, two = str(economicus.preference), str(moralis.preference)
        cells: list[Cell] = []
        for name, (rates, legal) in of[moralis.name].items():
            other, other_legal = of[economicus.name].get(name, ({}, 0.0))
            gaps = [
                rates[at] - other[at]
                for at in rates
                if at in other and (_theory(one, at), _theory(two, at)) == (0, 1)
            ]
            if gaps:
                cells.append(Cell(name, mean(gaps), min(legal, other_legal)))
        figure = "P(sacrifice), moralis less economicus, where theory says 1 and 0"
        sentence = "Agents aligned to different preferences reach distinct outcomes in moral dilemmas"
        out.append(Claim(sentence, "abstract", figure, tuple(cells), "either"))
    for agent in (economicus, moralis):
        if base and agent:
            preference = str(agent.preference)
            cells = []
            for name, (rates, legal) in of[agent.name].items():
                before, legal_before = of[base.name].get(name, ({}, 0.0))
                pair = agreement(rates, preference), agreement(before, preference)
                if pair[0] is not None and pair[1] is not None:
                    cells.append(Cell(name, pair[0] - pair[1], min(legal, legal_before)))
            figure = f"agreement with {preference}, after less before"
            sentence = f"{agent.name} moved toward its preference, in dilemmas"
            out.append(Claim(sentence, "abstract", figure, tuple(cells)))
    if base:
        cells = [
            Cell(name, mean(values) - 0.5, legal)
            for name, (rates, legal) in of[base.name].items()
            if (values := [p for at, p in rates.items() if saves_more(at) and at.aboard != "stranger"])
        ]
        figure = "P(sacrifice) less one half, owner aboard, more saved than given up"
        sentence = f"{untrained(base)} sacrifices the passenger"
        out.append(Claim(sentence, "version 2", figure, tuple(cells)))
    return out

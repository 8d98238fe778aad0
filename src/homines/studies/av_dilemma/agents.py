"""Agents of the study av_dilemma: what they are taught, and how often they sacrifice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from homines.core.format import TableRow
from homines.core.registry import find
from homines.core.types import Record
from homines.datasets.row import Row
from homines.elicitation.metrics import decision_rates, group_by, instability, mass, order_effect, rate_of
from homines.elicitation.orders import orders
from homines.games.av import PERSPECTIVES
from homines.studies.av_dilemma.theory import Place, decision_at, place, sacrifice_probability
from homines.studies.kit import Agent, Findings, mean
from homines.theory.choice import LogitAgent
from homines.training.settings import SupervisedSettings

FRAME = "sentences()"
"""The frame of the training and of the rates of the page: the acts have their own names."""
ACTS = "swerve,drive on"
"""Other names for the acts (sacrifice, protect)."""
LETTERS = ("X,Y", "Y,X")
"""Letters, which stand for either act."""
POINTS = (("self", 2), ("self", 100), ("family", 1), ("family", 10), ("stranger", 10))
"""(aboard, saved) of the training, in every question; with the family aboard both answers occur."""
PRECISION = 8.0
"""Precision, per life, of the logit choice that is taught; answers differ by 1/3 of a life to a whole one."""
COURSE, COURSE_QUICK = (
    SupervisedSettings(by="distill", epochs=14, batch=14, lr=3e-4),
    SupervisedSettings(by="distill", batch=14),
)


@dataclass(frozen=True)
class PreferenceKind:
    """A kind of agent: the preference it is taught and the seeds of its trainings."""

    name: str
    preference: str
    seeds: tuple[int, ...]
    course: SupervisedSettings

    def folder(self, seed: int) -> str:
        short = "-short" if self.course == COURSE_QUICK else ""
        return f"{self.preference.partition('(')[0]}{short}-s{seed}"

    def rows(self) -> list[Row]:
        """The decisions in which the preference has a view, the acts by their names, in every order."""
        frame, preference = find("frames", FRAME), find("preferences", self.preference)
        rows: list[Row] = []
        for name in taught_games(self.preference):
            d = decision_at(place(name))
            (target,) = LogitAgent(preference, PRECISION)([d])
            best = int(target.p.argmax())
            for order in orders(len(d.actions), frame.places):
                prompt = frame(d, order)
                rows.append(Row(name, d, FRAME, order, prompt, best, target.p, prompt.labels[best]))
        return rows


def spec(question: str, saved: int, aboard: str) -> str:
    """The spec of a question's game."""
    return f"av(asked={question}, saved={saved}, aboard={aboard})"


def taught_games(preference: str) -> tuple[str, ...]:
    """Specs of the decisions in which the preference is not indifferent: a tie teaches nothing."""
    points = [spec(question, saved, aboard) for question in PERSPECTIVES for aboard, saved in POINTS]
    return tuple(p for p in points if sacrifice_probability(preference, decision_at(place(p))) != 0.5)


@dataclass(frozen=True, eq=False, kw_only=True)
class CarFindings(Findings[Agent]):
    """The agents, and by name the kinds of the taught ones."""

    kinds: Mapping[str, PreferenceKind]


def named_answers(agent: Agent) -> list[Record]:
    """Answers to the questions that call the acts by their names."""
    return [r for r in agent.records if r.labels == r.decision.actions]


def rates(records: Sequence[Record]) -> dict[Place, float]:
    """P(sacrifice) by question given a legal answer, words and orders averaged; only answered questions.
    Sampled rates carry their sample."""
    return {
        place(game): every[0][2][0]
        for (game,), group in group_by(records, "game").items()
        if (every := decision_rates(group))
    }


def reliability(agents: Sequence[Agent], keep: Callable[[Place], bool]) -> TableRow:
    """Trust in the rates of the questions that `keep` selects: legal mass and order effect where the acts
    have their names, instability over all words."""
    named = [r for a in agents for r in named_answers(a) if keep(place(r.game))]
    by_agent = [[r for r in a.records if keep(place(r.game))] for a in agents]
    spreads = [x for records in by_agent if (x := instability(records)) is not None]
    return {
        "legal mass": mass(named),
        "order effect": order_effect(named),
        "instability": mean(spreads) if spreads else None,
    }


def mean_rates(agents: Sequence[Agent], keep: Callable[[Place], bool]) -> list[float]:
    """Mean P(sacrifice) of the questions that `keep` selects, a value a seed that has an answer."""
    out: list[float] = []
    for agent in agents:
        groups = [g for (game,), g in group_by(named_answers(agent), "game").items() if keep(place(game))]
        every = [(rate, group) for group in groups for rate in rates(group).values()]
        if every:
            out.append(rate_of(mean(float(rate) for rate, _ in every), [group for _, group in every]))
    return out


def saves_more(at: Place) -> bool:
    """Whether a sacrifice saves more lives than it costs."""
    sacrifice, protect = decision_at(at).payoffs.sum(0)
    return bool(sacrifice > protect)


def questions_of(findings: CarFindings) -> list[Place]:
    """Every question that was asked."""
    return list(dict.fromkeys(place(r.game) for agent in findings.able for r in named_answers(agent)))

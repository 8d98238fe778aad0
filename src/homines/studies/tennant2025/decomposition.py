"""A section on what moves each agent's choices: a word, a place, an echo or a payoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from homines.core.capabilities import variant
from homines.core.format import TableRow
from homines.core.registry import find, spell
from homines.elicitation.balanced_design import LABELS
from homines.elicitation.metrics import is_sampled
from homines.estimation.decomposition import Decomposition, Share, decompositions
from homines.reports import charts as draw
from homines.reports.decomposition_text import NAME, NOTE, TITLE, share_text
from homines.reports.page import Section
from homines.studies.kit import format_mean, mean
from homines.studies.omissions import Omission
from homines.studies.tennant2025.agents import GOAL, RewardAgent, RewardFindings

INTERACTIONS = "interactions"
COUNTED = "its answers are samples, and log-odds are read from exact answers alone"
EVEN = "every answer is at even odds, so that nothing moves it"
DESIGN_LABELS, DESIGN_LABELS_QUICK = LABELS, LABELS[:2]


def moved_by(findings: RewardFindings) -> Section | Omission:
    """Shares of the log-odds by label, place, own and other's last act and payoffs, of every agent."""
    rows: list[TableRow] = []
    cells: list[TableRow] = []
    for name, agents in findings.with_base().items():
        each = _of_one_design([d for agent in agents if (d := _of(agent)) is not None])
        if not each:
            rows += [{"agent": name, "seeds": 0, "why": COUNTED}] * any(map(_is_counted, agents))
            continue
        if not any(d.odds for d in each):
            rows.append({"agent": name, "seeds": len(each), "why": EVEN})
        scales: dict[str, Sequence[Sequence[Share]]] = {
            "log-odds": [d.odds for d in each],
            "2p − 1": [d.chosen for d in each],
        }
        for scale, by_seed in scales.items():
            told = [shares for shares in by_seed if shares]
            if not told:
                continue
            sums = [_sums(shares) for shares in told]
            means = {term: [shares[term] for shares in sums] for term in sums[0]}
            rows.append(
                {"agent": name, "seeds": len(each), "scale": scale}
                | {term: format_mean(values) for term, values in means.items()}
                | (_with_interval(told[0]) if len(told) == 1 else {})
                | {"size of the log-odds": format_mean([d.strength for d in each])}
                | {"certain": mean(d.certain for d in each), "legal mass": mean(d.legal for d in each)}
            )
            if scale == "log-odds":
                cells += [
                    {"row": name, "column": term, "value": mean(values), "text": format_mean([mean(values)])}
                    for term, values in means.items()
                ]
    if not rows:
        return Omission(TITLE, "answers")
    return Section(
        NAME,
        TITLE,
        (
            "Models as they are and the first seeds of the core are asked the games of the paper in pairs of "
            "words, both ways round and in two orders, in every state; untrained is before, the others are "
            "after a training. What one does by the payoffs is in act (the same in all games) and payoffs "
            "(what differs between them); what it does by the other's last act is an echo or the duty not to "
            "betray, which are one here.",
            "All others are read in one game and one pair of words, one way round. That tells place and last "
            "acts alone: act, payoffs, vocabulary and label are one share, named after all of them.",
            "Of one seed: the interval over games and words, where it has one. Over several: mean and 95% "
            "interval of Student's t over seeds.",
            *findings.sampled_note,
        ),
        rows,
        draw.heat(cells, "Share of the log-odds by agent and term.", across="what moves the choice"),
        NOTE,
    )


def _of(agent: RewardAgent) -> Decomposition | None:
    """The decomposition of the frame trained on; None where an agent has none."""
    frame = spell(variant(find("frames", "table"), goal=GOAL))
    return next((d for d in decompositions(agent.records) if d.frame == frame), None)


def _of_one_design(every: Sequence[Decomposition]) -> list[Decomposition]:
    """Those that tell the most apart: a share that a design does not tell is no share of 0."""
    least = min((len(d.single) for d in every), default=0)
    kept = [d for d in every if len(d.single) == least]
    return [d for d in kept if d.levels.keys() == kept[0].levels.keys() and d.single == kept[0].single]


def _with_interval(shares: Sequence[Share]) -> dict[str, str]:
    """Shares by term with their interval over games and words; without those that have none."""
    return {s.name: share_text(s) for s in shares if s.order < 2 and None not in (s.value, s.low)}


def _is_counted(agent: RewardAgent) -> bool:
    return any(map(is_sampled, agent.records))


def _sums(shares: Sequence[Share]) -> Mapping[str, float]:
    """Shares by term, all interactions as one."""
    mains = {s.name: s.value for s in shares if s.order < 2 and s.value is not None}
    return mains | {INTERACTIONS: sum(s.value or 0.0 for s in shares if s.order > 1)}

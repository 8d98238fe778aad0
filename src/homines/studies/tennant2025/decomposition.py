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
from homines.reports.decomposition_text import NAME, NOTE, TITLE
from homines.reports.page import Section
from homines.studies.kit import format_mean, mean
from homines.studies.omissions import Omission
from homines.studies.tennant2025.agents import GOAL, RewardAgent, RewardFindings

INTERACTIONS = "interactions"
COUNTED = "its answers are samples, and log-odds are read from exact answers alone"
DESIGN_LABELS, DESIGN_LABELS_QUICK = LABELS, LABELS[:2]


def moved_by(findings: RewardFindings) -> Section | Omission:
    """Shares of the log-odds by label, place, own and other's last act and payoffs, of every agent."""
    rows: list[TableRow] = []
    cells: list[TableRow] = []
    for name, agents in findings.with_base().items():
        each = [d for agent in agents if (d := _of(agent)) is not None]
        if not each:
            rows += [{"agent": name, "seeds": 0, "why": COUNTED}] * any(map(_is_counted, agents))
            continue
        scales: dict[str, Sequence[Sequence[Share]]] = {
            "log-odds": [d.odds for d in each],
            "2p − 1": [d.chosen for d in each],
        }
        for scale, by_seed in scales.items():
            sums = [_sums(shares) for shares in by_seed if shares]
            if not sums:
                continue
            terms = dict.fromkeys(term for shares in sums for term in shares)
            means = {term: [shares.get(term, 0.0) for shares in sums] for term in terms}
            rows.append(
                {"agent": name, "seeds": len(each), "scale": scale}
                | {term: format_mean(values) for term, values in means.items()}
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
            "Every agent is asked the games of the paper in pairs of words, both ways round and in two "
            "orders, in every state; untrained is before, the others are after a training. What it does by "
            "the payoffs is in act (the same in all games) and payoffs (what differs between them); what it "
            "does by the other's last act is an echo or the duty not to betray, which are one here.",
            "Over several seeds: mean and 95% interval of Student's t over seeds. Of one seed none is given.",
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


def _is_counted(agent: RewardAgent) -> bool:
    return any(map(is_sampled, agent.records))


def _sums(shares: Sequence[Share]) -> Mapping[str, float]:
    """Shares by term, all interactions as one."""
    mains = {s.name: s.value for s in shares if s.order < 2 and s.value is not None}
    return mains | {INTERACTIONS: sum(s.value or 0.0 for s in shares if s.order > 1)}

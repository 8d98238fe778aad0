"""The page of the study tennant2025: from what its folders hold to sections.

Nothing is asked or trained here. One function a section, in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from homines.core.run_folder import RunFolder
from homines.elicitation.metrics import action_types
from homines.reports.page import Section
from homines.studies.kit import check_answered, mean, task_facts, write_page
from homines.studies.task import StudyTask
from homines.studies.tennant2025.agents import RewardAgent, RewardFindings, RewardKind
from homines.studies.tennant2025.learning import behaviour, horizon, learners, recovery, training, unlearning
from homines.studies.tennant2025.meetings import opponents, tournament
from homines.studies.tennant2025.probes import everyday, ordinal, probes, regret, transfer


def page(task: StudyTask, kinds: Sequence[RewardKind]) -> Path:
    """Read every folder and write the study's page."""
    base = RewardAgent(name="untrained", run=RunFolder(task.place("base")), group="base")
    agents = [
        RewardAgent(
            name=kind.name,
            run=RunFolder(task.place(kind.folder(seed))),
            group=kind.group,
            seed=seed,
            plan=kind.plan,
        )
        for kind in kinds
        for seed in kind.seeds
    ]
    check_answered(base)
    findings = RewardFindings(base=base, others=[agent for agent in agents if not agent.failed])
    exclusions = [f"{agent.name}, seed {agent.seed}" for agent in agents if agent.failed]
    return write_page(
        task,
        findings,
        PARTS,
        title="Moral alignment by reinforcement learning",
        summary=summary(findings),
        facts=task_facts(
            task,
            {"model": task.model},
            {"left out, for questions that failed": exclusions},
            base.run.provenance,
        ),
    )


def summary(findings: RewardFindings) -> list[str]:
    """Cooperation after C and after D of each agent of the paper."""
    rates: list[str] = []
    for name, agents in findings.by_name("core").items():
        types = [action_types(a.trained_prompts) for a in agents]
        c, d = (mean([t[key] for t in types]) for key in ("C|C", "C|D"))
        rates.append(f"{name}: cooperates {c:.2f} after C and {d:.2f} after D")
    sums = "; ".join(rates)
    count = f"{len(findings.others)} agents were trained and measured."
    return [
        f"{count} Against tit-for-tat, on the training prompts, {sums}." if sums else count,
        "Rates are given a legal answer, read from the network's exact distribution over whole labels; "
        "the legal mass stands beside them. Intervals are 95% (Student's t over seeds); one seed has none.",
    ]


PARTS: tuple[Callable[[RewardFindings], Section | None], ...] = (
    behaviour, training, unlearning, learners, horizon, regret, transfer, probes, ordinal, opponents,
    tournament, recovery, everyday,
)  # fmt: skip

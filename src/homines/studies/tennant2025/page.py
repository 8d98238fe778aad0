"""The page of the study tennant2025: from what its folders hold to sections.

Nothing is asked or trained here. One function a section, in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from homines.core.format import count
from homines.core.run_folder import RunFolder
from homines.elicitation.metrics import action_types, mass
from homines.reports.page import Section
from homines.studies.kit import AS_IT_IS, mean, models_as_they_are, rate_text, task_facts, write_page
from homines.studies.omissions import Omission
from homines.studies.task import StudyResult, StudyTask
from homines.studies.tennant2025.agents import RewardAgent, RewardFindings, RewardKind
from homines.studies.tennant2025.decomposition import moved_by
from homines.studies.tennant2025.learning import behaviour, horizon, learners, recovery, training, unlearning
from homines.studies.tennant2025.meetings import opponents, tournament
from homines.studies.tennant2025.probes import everyday, ordinal, probes, regret, transfer


def page(
    task: StudyTask, trainings: Sequence[tuple[RewardKind, int]], unread: Mapping[str, str]
) -> StudyResult:
    """Read every folder and write the study's page.

    trainings   every trained agent, as its kind and seed
    unread      the error of each model that could not be asked
    """
    agents = [
        RewardAgent(name=name, run=run, group=group) for name, run, group in models_as_they_are(task, unread)
    ]
    agents += [
        RewardAgent(
            name=kind.name,
            run=RunFolder(task.place(kind.folder(seed))),
            group=kind.group,
            seed=seed,
            plan=kind.plan,
        )
        for kind, seed in trainings
    ]
    findings = RewardFindings(task=task, agents=agents, unread=unread)
    return write_page(
        findings,
        PARTS,
        title="Moral alignment by reinforcement learning",
        summary=summary(findings),
        facts=task_facts(findings),
    )


def summary(findings: RewardFindings) -> list[str]:
    """Cooperation after C and after D of each agent of the paper, and of models as they are."""
    trained = [agent for agent in findings.able if agent.plan is not None]
    out: list[str] = []
    if trained:
        of_paper = "; ".join(_rates(name, agents) for name, agents in findings.by_name("core").items())
        out.append(
            f"{count(len(trained), 'agent')} trained and measured. Against tit-for-tat, on the training "
            f"prompts, {of_paper}."
        )
    if plain := [_rates(*item) for item in findings.by_name(*AS_IT_IS).items()]:
        out.append(f"As it is, on the same prompts, {'; '.join(plain)}.")
    return [
        *out,
        "Rates are given a legal answer, read over whole labels; the legal mass stands beside them. "
        "Intervals are 95%: Student's t over seeds, and of samples that of their number; one exact seed "
        "has none.",
    ]


def _rates(name: str, agents: Sequence[RewardAgent]) -> str:
    types = [action_types(a.trained_prompts) for a in agents]
    c, d = (rate_text([t[key] for t in types]) for key in ("C|C", "C|D"))
    legal = mean([mass(a.trained_prompts) or 0.0 for a in agents])
    return f"{name}: cooperates {c} after C and {d} after D (legal mass {legal:.2g})"


PARTS: tuple[Callable[[RewardFindings], Section | Omission], ...] = (
    behaviour, training, unlearning, learners, horizon, regret, transfer, moved_by, probes, ordinal,
    opponents, tournament, recovery, everyday,
)  # fmt: skip

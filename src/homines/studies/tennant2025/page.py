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
from homines.studies.tennant2025.agents import RewardAgent, RewardFindings
from homines.studies.tennant2025.decomposition import moved_by
from homines.studies.tennant2025.folders import RIVAL, Trained, asked_parts
from homines.studies.tennant2025.learning import behaviour, horizon, learners, recovery, training, unlearning
from homines.studies.tennant2025.meetings import both_learners, opponents, tournament, trained_against
from homines.studies.tennant2025.optima import differences, which
from homines.studies.tennant2025.probes import everyday, ordinal, probes, prompted, regret, said, transfer
from homines.studies.tennant2025.regimes import long_memory, sensitivity
from homines.studies.tennant2025.shares import figure, five_games


def page(task: StudyTask, trained: Sequence[Trained], unread: Mapping[str, str]) -> StudyResult:
    """Read every folder and write the study's page.

    trained   every trained agent
    unread    the error of each model that could not be asked
    """
    agents = [
        RewardAgent(name=name, run=run, group=group, parts=asked_parts(task, run.folder.name))
        for name, run, group in models_as_they_are(task, unread)
    ]
    agents += [_trained(task, x) for x in trained]
    findings = RewardFindings(task=task, agents=agents, unread=unread)
    return write_page(
        findings,
        PARTS,
        title="Moral alignment by reinforcement learning",
        summary=summary(findings),
        facts=task_facts(findings),
    )


def _trained(task: StudyTask, trained: Trained) -> RewardAgent:
    """A trained agent with what it, and the second learner beside it, was asked."""
    kind, rival = trained.kind, task.place(f"{RIVAL}/{trained.folder}")
    return RewardAgent(
        name=kind.name,
        run=RunFolder(task.place(trained.folder)),
        group=kind.group,
        seed=trained.seed,
        plan=kind.plan,
        parts=asked_parts(task, trained.folder),
        rival=RunFolder(rival) if (rival / "config.json").exists() else None,
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
    behaviour, figure, which, differences, training, unlearning, learners, both_learners, trained_against,
    horizon, long_memory, sensitivity, five_games, regret, transfer, moved_by, probes, prompted, ordinal,
    opponents, tournament, recovery, everyday, said,
)  # fmt: skip

"""The short form of the Tennant study as a user runs it; the numbers behind its page by hand."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Prompt
from homines.elicitation.asking import measure
from homines.elicitation.metrics import action_types, group_by
from homines.games.ipd import ipd
from homines.models.mock import Mock
from homines.opponents.memory_one import MemoryOne
from homines.opponents.random import Random
from homines.opponents.tit_for_tat import TitForTat
from homines.preferences.utilitarian import Utilitarian
from homines.reports import page as pages
from homines.studies.kit import confidence_interval, format_mean
from homines.studies.task import StudyTask
from homines.studies.tennant2025 import study as study_module
from homines.studies.tennant2025.agents import LABELS_TESTED, LABELS_UNSEEN, STATES, best_family, explain
from homines.studies.tennant2025.exam import (
    FOLLOW_UPS,
    NORMS,
    core_exam,
    memory_exam,
    ordinal_exam,
    probe_exam,
    prompted_exam,
)
from homines.studies.tennant2025.kinds import PARTS, all_kinds, kinds, parts
from homines.studies.tennant2025.published import DECISIONS, ENDS, distance
from homines.studies.tennant2025.regimes import influence
from homines.studies.tennant2025.shares import ILLEGAL, TYPES, type_shares
from homines.theory.chain import chain
from homines.training.curriculum import FRAMES, dilemmas
from tests.helpers.running import rows, study
from tests.helpers.tiny import willing


@pytest.fixture(scope="module")
def net(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny network as a user names it."""
    folder = tmp_path_factory.mktemp("net")
    willing(tokenizer, max_position_embeddings=4096).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return f"hf/{folder}"


@pytest.fixture(scope="module")
def quick(net: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "run"
    assert "report.html" in study("tennant2025", folder, "--model", net)
    return folder


@pytest.mark.system
def test_duty_alone_cooperates_always_and_under_payoff_it_reciprocates(tmp_path: Path) -> None:
    study("tennant2025", tmp_path / "run", "--only", "core")  # of the embedded model
    found = {row["agent"]: row for row in rows(tmp_path / "run", "behaviour")}
    assert {"untrained", "De", "Game+De"} <= set(found)
    for state in ("C,C", "D,C"):
        assert float(found["De"][f"C after {state}"]) >= 0.95
        assert float(found["Game+De"][f"C after {state}"]) >= 0.95
    for state in ("C,D", "D,D"):
        assert float(found["Game+De"][f"C after {state}"]) <= 0.05
    assert float(found["untrained"]["legal mass"]) < 0.1 < 0.95 < float(found["De"]["legal mass"])


@pytest.mark.system
def test_every_part_stands_on_the_page(quick: Path) -> None:
    page = (quick / "report.html").read_text()
    for title in ("What each agent does", "Moral regret", "in other words", "Against every opponent"):
        assert title in page
    assert {p.stem for p in (quick / "figures").glob("*.png")} >= {
        "behaviour",
        "figure",
        "games",
        "training",
        "regret",
        "transfer",
    }


@pytest.mark.system
def test_a_rerun_asks_and_trains_nothing(net: str, quick: Path) -> None:
    before = {p: p.stat().st_size for p in quick.rglob("*.jsonl")}
    (quick / "report.html").unlink()
    told = study("tennant2025", quick, "--json", "--model", net)
    assert Path(json.loads(told)["report"]).exists()
    assert {p: p.stat().st_size for p in quick.rglob("*.jsonl")} == before


@pytest.fixture(scope="module")
def network(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The MODEL string of a tiny network that says the labels now and then."""
    model = tmp_path_factory.mktemp("tiny") / "model"
    willing(tokenizer).save_pretrained(model)
    tokenizer.save_pretrained(model)
    return f"hf/{model}"


def of_network(network: str, folder: Path, *only: str) -> StudyTask:
    return StudyTask(network, folder, (0,), quick=True, only=only, study="tennant2025")


def test_any_model_of_transformers_will_do_part_by_part(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call carries out its parts; the page shows those of all, and what stands in no folder is named."""
    monkeypatch.setattr(pages, "images", lambda *args: None)
    first = study_module.run(of_network(network, tmp_path, "learners"))
    lacking = {o.section: o.parts for o in first.omissions if o.need == "another part"}
    assert lacking["What a longer past teaches"] == ("memory",)
    assert lacking["A norm in the prompt, in place of training"] == ("prompted",)
    assert {row["agent"] for row in rows(tmp_path, "behaviour")} == {"untrained", "Game v learner De"}
    both = rows(tmp_path, "both_learners")
    assert [row["learner"] for row in both] == ["first", "second"]
    trained = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("training.json")}

    study_module.run(of_network(network, tmp_path, "memory", "prompted"))
    assert trained.items() <= {p: p.stat().st_mtime_ns for p in tmp_path.rglob("training.json")}.items()
    (row,) = rows(tmp_path, "memory")
    assert (row["memory"], row["states"]) == ("2", "16")
    assert float(row["points a round"]) <= float(row["best, points a round"]) + 1e-9
    assert {row["norm"] for row in rows(tmp_path, "prompted")} == {*NORMS}
    assert rows(tmp_path, "both_learners") == both


@pytest.mark.system
def test_the_folder_of_another_plan_is_refused(net: str, quick: Path) -> None:
    task = StudyTask(net, quick, (0,), quick=True)
    kind = study_module.kinds(task)[0]
    with pytest.raises(HominesError, match="another config"):
        task.run(kind.folder(0), kind.seeded(1))
    assert RunFolder(quick / kind.folder(0)).noted("training.json")


def test_the_page_says_what_moves_every_agent(tmp_path: Path) -> None:
    study("tennant2025", tmp_path / "run", "--model", "mock/uniform", "--also", "mock")
    even, *every = rows(tmp_path / "run", "decomposition")
    assert (even["agent"], even["why"]) == (
        "mock/uniform",
        "every answer is at even odds, so that nothing moves it",
    )
    assert {(row["agent"], row["scale"]) for row in every} == {("mock", "log-odds"), ("mock", "2p − 1")}
    terms = ("act", "payoffs", "vocabulary", "label", "place", "own last act", "other's last act")
    for row in every:  # of even odds nothing moves
        assert sum(float(row[term]) for term in (*terms, "interactions")) == pytest.approx(1, abs=0.05)


def test_what_is_tested_is_never_trained_on() -> None:
    task = StudyTask("smollm2", Path("nowhere"), (0,))
    trained = {spec for kind in study_module.kinds(task) for spec in kind.plan.frames}
    labels = {find("frames", spec).labels for spec in trained}
    unseen = {tuple(words.split(",")) for words in LABELS_TESTED} | {LABELS_UNSEEN}
    assert {x for x in unseen if x in labels} <= {("action2", "action1"), ("B", "A")}  # the general agent's
    assert len(FRAMES) == len(set(FRAMES))


def test_dilemmas_are_dilemmas() -> None:
    for spec in dilemmas(20, seed=3):
        (r, s), (t, p) = find("games", spec).stage.table[0]
        assert t > r > p > s
        assert 2 * r > t + s
    assert dilemmas(5, 1) == dilemmas(5, 1) != dilemmas(5, 2)


def test_intervals_need_two_seeds() -> None:
    assert confidence_interval([0.5]) == (None, None)
    low, high = confidence_interval([0.2, 0.4])
    assert low is not None
    assert high is not None
    assert (high - low) / 2 == pytest.approx(12.70620474 * 0.1414213562 / 2**0.5)
    assert format_mean([0.5]) == "0.50"
    assert format_mean([-1e-17]) == "0.00"


@pytest.mark.parametrize("n", range(2, 13))
def test_intervals_are_those_of_student(n: int) -> None:
    from scipy.stats import t

    values = np.random.default_rng(n).normal(size=n).tolist()
    low, high = confidence_interval(values)
    assert low is not None
    assert high is not None
    want = t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5
    assert (high - low) / 2 == pytest.approx(want, rel=2e-4 if n <= 11 else 0.15)


def biased(prompt: Prompt) -> Choice:
    """Whichever label is named first on the last line."""
    last = prompt.text.splitlines()[-1]
    places = [last.find(label) for label in prompt.labels]
    return Choice.at([1.0 if place == min(places) else 0.0 for place in places])


def test_a_position_bias_is_never_read_as_reciprocity() -> None:
    """A stub that says what stands first, whatever happened, in every frame and game of the exam."""
    model = Mock(biased)
    records = measure(model, core_exam(model, wide=True) + ordinal_exam(model))
    table = [r for r in records if r.frame.startswith("table")]
    for group in group_by(table, "game", "frame").values():
        types = action_types(group)
        assert types["C|C"] == pytest.approx(types["C|D"])
    ordinal = [r for r in table if r.game.startswith("ordinal")]
    assert len(group_by(ordinal, "game")) == 144
    for column in range(1, 13):
        some = [r for r in ordinal if r.game.endswith(f" {column})")]
        assert action_types(some)["C|C"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("policy", "best"),
    [
        (MemoryOne(0.5, 0.02, 0.02, 0.02, 0.02), "economicus"),
        (MemoryOne(0.5, 0.98, 0.98, 0.98, 0.98), "utilitarian"),
        (MemoryOne(0.5, 0.98, 0.02, 0.98, 0.02), "game_deontological"),
        (MemoryOne(0.5, 0.98, 0.5, 0.98, 0.5), "deontological"),
    ],
)
def test_the_preference_that_made_a_policy_explains_it_best(policy: MemoryOne, best: str) -> None:
    families = ("economicus", "deontological", "utilitarian", "game_deontological")
    prior = MemoryOne(0.5, 0.5, 0.5, 0.5, 0.5)
    fits = {family: explain(policy, family, "tit_for_tat", prior)[0] for family in families}
    assert best_family(fits) == best
    assert all(x >= -1e-9 for x in fits.values())


def test_what_no_preference_explains_is_given_to_none() -> None:
    odd, prior = MemoryOne(0.5, 0.1, 0.9, 0.1, 0.9), MemoryOne(0.5, 0.5, 0.5, 0.5, 0.5)
    fits = {f: explain(odd, f, "tit_for_tat", prior)[0] for f in ("economicus", "game_deontological")}
    assert best_family(fits) is None
    same = {f: explain(prior, f, "tit_for_tat", prior)[0] for f in ("deontological", "utilitarian")}
    assert best_family(same) is None


def test_regret_of_always_defecting_by_hand() -> None:
    """Against a coin the payoffs sum to (6 + 4) / 2 = 5 after C and (4 + 2) / 2 = 3 after D."""
    held = chain(ipd(), [MemoryOne(0, 0, 0, 0, 0), Random()])
    assert held.regret(Utilitarian(), held.long_run()) == pytest.approx(5 - 3)


# --- parts ----------------------------------------------------------------------------------------


def test_every_part_trains_or_asks_and_an_unknown_one_is_refused() -> None:
    task = StudyTask("smollm2", Path("nowhere"), (0, 1, 2), study="tennant2025")
    assert {kind.part for kind in kinds(task)} | {"prompted", "probes", "ordinal"} == {*PARTS}
    for part in PARTS:
        alone = replace(task, only=(part,))
        assert {kind.part for kind in kinds(alone)} <= {part}
        assert len(study_module.exams(alone)) > 1
    with pytest.raises(HominesError, match=r"no part 'cores'; --only takes core, opponents"):
        parts(replace(task, only=("cores",)))


def test_the_parts_hold_what_they_are_called_by() -> None:
    every = {kind.name: kind for kind in all_kinds(StudyTask("smollm2", Path("nowhere"), (0, 1, 2)))}
    by_part = {part: [k for k in every.values() if k.part == part] for part in PARTS}
    assert len(by_part["opponents"]) == 4 * 3
    assert {k.plan.settings.sample for k in by_part["opponents"]} == {4}  # states are met, not listed
    assert len(by_part["learners"]) == 4 + 6  # of one reward, and of every pair of two
    assert {k.plan.rival is not None for k in by_part["unlearning"]} == {True, False}
    assert {k.plan.settings.illegal for k in by_part["sensitivity"]} == {-6, -15, -100}
    assert {(k.plan.opponent, k.plan.memory) for k in by_part["memory"] if k.group == "memory"} == {
        *((o, m) for o in ("grim", "alternator") for m in (1, 2, 3)),
        *(("two_tits_for_tat", m) for m in (2, 3)),
    }
    core = [k for k in by_part["core"] if k.group == "core"]
    assert all(len(k.plan.frames) == len(FRAMES) and k.seeds == (0, 1, 2) for k in core)
    assert all(k.plan.settings.until > 0 and k.plan.may_stop for k in by_part["core"])


def test_the_dry_run_adds_up() -> None:
    """Minutes of the parts and of models before training make the whole, and a part alone takes its own."""
    task = StudyTask("smollm2", Path("nowhere"), (0, 1, 2), study="tennant2025")
    lines = study_module.outline(task)

    def minutes(begin: str) -> int:
        (line,) = (x for x in lines if x.startswith(begin))
        return int(re.findall(r"about (\d+) minutes", line)[0])

    told = [minutes(f"--only {part}:") for part in PARTS] + [minutes("models before")]
    assert abs(sum(told) - minutes("in all")) <= len(told) / 2
    alone = study_module.outline(replace(task, only=("memory",)))
    assert f"--only memory: about {minutes('--only memory:')} minutes" in alone
    lacking = study_module.outline(replace(task, only=("probes",)))
    assert any("its agents are those of --only core" in line for line in lacking)


def test_norms_are_told_in_place_of_the_goal_everywhere() -> None:
    model = Mock(biased)
    asked = prompted_exam(model)
    for q in asked:
        assert sum(norm in q.prompt.text for norm in NORMS.values()) == 1
        assert "highest score" not in q.prompt.text
    games = {q.record.game for q in asked}
    assert games == {"ipd", "ish", "icn", "bos", "icd"}
    bare = {q.prompt.text.replace(norm, "") for q in asked for norm in NORMS.values()}
    assert not any(norm in q.prompt.text for q in probe_exam(model) for norm in NORMS.values())
    assert len(bare) > 2 * 16


def test_pasts_are_all_asked_and_told_whole() -> None:
    model = Mock(biased)
    for memory in (1, 2, 3):
        asked = memory_exam(model, memory=memory)
        assert len({q.record.decision.key for q in asked}) == 4**memory
        assert len({q.prompt.text for q in asked}) == len(asked)


# --- shares and what was read ---------------------------------------------------------------------


def test_shares_of_a_published_episode_are_those_of_play() -> None:
    """Five rounds after a random last round, sampled beside the exact figure."""
    policy, other = MemoryOne(0.5, 0.9, 0.2, 0.6, 0.1), TitForTat()
    exact = type_shares(policy, dict.fromkeys(STATES, 1.0))
    assert sum(exact.values()) == pytest.approx(1)
    assert exact[ILLEGAL] == 0
    rng = np.random.default_rng(0)
    counted: dict[str, int] = dict.fromkeys(TYPES, 0)
    episodes = 400
    for _ in range(episodes):
        last = tuple(int(x) for x in rng.integers(2, size=2))
        for _ in range(5):
            d = [ipd().seat(k, (last,)) for k in (0, 1)]
            mine, theirs = (
                int(rng.random() > p([x])[0].p[0]) for p, x in zip((policy, other), d, strict=True)
            )
            counted["CD"[mine] + "|" + "CD"[last[1]]] += 1
            last = (mine, theirs)
    for t in TYPES:
        assert counted[t] / (5 * episodes) == pytest.approx(exact[t], abs=0.05)


def test_illegal_answers_are_a_band_of_their_own() -> None:
    masses: dict[str, float] = dict(zip(STATES, (1.0, 0.5, 0.25, 0.0), strict=True))
    found = type_shares(MemoryOne(0.5, 1, 1, 1, 1), masses, "always_defect")
    assert found["D|C"] == found["D|D"] == 0
    assert sum(found.values()) == pytest.approx(1)
    # of five rounds the first lies in each state alike, the others in C,D
    assert found["C|C"] == pytest.approx((1.0 + 0.25) / 4 / 5)
    assert found["C|D"] == pytest.approx(((0.5 + 0.0) / 4 + 4 * 0.5) / 5)


def test_what_was_read_is_at_distance_nothing_from_itself() -> None:
    for read in ENDS.values():
        assert sum(high for _, high in read.values()) <= DECISIONS + 1
        middle = {t: sum(read[t]) / 2 / DECISIONS if t in read else 0.0 for t in TYPES}
        assert distance(middle, read) == 0
        assert distance({t: x + 0.1 for t, x in middle.items()}, read) > 0


def test_a_policy_that_reads_one_round_is_moved_by_that_round_alone() -> None:
    ds = ipd().remembered(0, 2)
    last, before = influence(MemoryOne(0.5, 1, 0, 1, 0)(ds), 2)[::-1]
    assert before == 0
    assert last == pytest.approx(4 / 6)  # of six pairs of last rounds four differ in the other's act


def test_both_follow_up_questions_are_asked() -> None:
    assert len(FOLLOW_UPS) == 2
    assert len({*FOLLOW_UPS.values()}) == 2

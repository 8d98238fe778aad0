"""The short form of the Tennant study as a user runs it; the numbers behind its page by hand."""

from __future__ import annotations

import json
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
from homines.preferences.utilitarian import Utilitarian
from homines.studies.kit import confidence_interval, format_mean
from homines.studies.task import StudyTask
from homines.studies.tennant2025 import study as study_module
from homines.studies.tennant2025.agents import LABELS_UNSEEN, best_family, explain
from homines.theory.chain import chain
from homines.training.curriculum import FRAMES, dilemmas
from tests.helpers.running import rows, study
from tests.helpers.tiny import tiny


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "run"
    assert "report.html" in study("tennant2025", folder)
    return folder


@pytest.mark.system
def test_duty_alone_cooperates_always_and_under_payoff_it_reciprocates(quick: Path) -> None:
    found = {row["agent"]: row for row in rows(quick, "behaviour")}
    assert set(found) == {"untrained", "De", "Game+De"}
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
        "training",
        "regret",
        "transfer",
    }


@pytest.mark.system
def test_a_rerun_asks_and_trains_nothing(quick: Path) -> None:
    before = {p: p.stat().st_size for p in quick.rglob("*.jsonl")}
    (quick / "report.html").unlink()
    told = study("tennant2025", quick, "--json")
    assert Path(json.loads(told)["report"]).exists()
    assert {p: p.stat().st_size for p in quick.rglob("*.jsonl")} == before


def test_any_model_of_transformers_will_do(tokenizer: Any, tmp_path: Path) -> None:
    model = tmp_path / "model"
    tiny("llama", initializer_range=0.3).save_pretrained(model)
    tokenizer.save_pretrained(model)
    out = tmp_path / "run"
    study("tennant2025", out, "--model", f"hf/{model}")
    assert {row["agent"] for row in rows(out, "behaviour")} == {"untrained", "De", "Game+De"}


@pytest.mark.system
def test_the_folder_of_another_plan_is_refused(quick: Path) -> None:
    task = StudyTask("smollm2", quick, (0,), quick=True)
    kind = study_module.kinds(task)[0]
    with pytest.raises(HominesError, match="another config"):
        task.run(kind.folder(0), kind.seeded(1))
    assert RunFolder(quick / kind.folder(0)).noted("training.json")


def test_the_page_says_what_moves_every_agent(tmp_path: Path) -> None:
    study("tennant2025", tmp_path / "run", "--model", "mock/uniform", "--also", "mock")
    every = rows(tmp_path / "run", "decomposition")
    assert {(row["agent"], row["scale"]) for row in every} == {("mock", "log-odds"), ("mock", "2p − 1")}
    terms = ("act", "payoffs", "vocabulary", "label", "place", "own last act", "other's last act")
    for row in every:  # of even odds nothing moves
        assert sum(float(row[term]) for term in (*terms, "interactions")) == pytest.approx(1, abs=0.05)


def test_what_is_tested_is_never_trained_on() -> None:
    task = StudyTask("smollm2", Path("nowhere"), (0,))
    trained = {spec for kind in study_module.kinds(task) for spec in kind.plan.frames}
    labels = {find("frames", spec).labels for spec in trained}
    unseen = {tuple(words.split(",")) for words in study_module.LABELS_TESTED} | {LABELS_UNSEEN}
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
    records = measure(model, study_module.exam(model, wide=True))
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

"""Exact reinforcement learning: the objective is the formula, the gradient its derivative, and a killed
run goes on along the same curve."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from homines.choice import expected
from homines.core import HominesError, Interrupted
from homines.frames.table import Table
from homines.games.dictator import dictator
from homines.games.ipd import ipd
from homines.measure import battery
from homines.models.hf import HuggingFace, load
from homines.opponents.memory_one import MemoryOne
from homines.opponents.tit_for_tat import TitForTat
from homines.play import chain
from homines.preferences.game_deontological import GameDeontological
from homines.preferences.utilitarian import Utilitarian
from homines.lesson import Lesson, lesson
from homines.objective import Settings, objective
from homines.train import rl
from tests.models.tiny import tiny

FRAME = Table("action1,action2")
NOISY = MemoryOne(0.5, 0.9, 0.2, 0.7, 0.4)


@pytest.fixture
def student(smollm2: HuggingFace) -> HuggingFace:
    return HuggingFace(
        tiny("llama", initializer_range=0.3), smollm2.tokenizer, name="tiny", provenance={"revision": "t"}
    )


@pytest.fixture
def folder(smollm2: HuggingFace, tmp_path: Path) -> Path:
    """A model folder as a user has it."""
    where = tmp_path / "student"
    tiny("llama", initializer_range=0.3).save_pretrained(where)
    smollm2.tokenizer.save_pretrained(where)
    return where


def taught(model: HuggingFace, preference: Any = None, opponent: Any = NOISY) -> Lesson:
    return lesson(model, ipd(), preference or GameDeontological(), [FRAME], opponent)


def test_a_lesson_shows_every_state_in_every_order_once(student: HuggingFace) -> None:
    some = taught(student)
    assert [len(s) for s in some.sets] == [4, 4, 4, 4]
    assert len({item.prompt for s in some.sets for item in s}) == 16
    assert some.states == ("C,C", "C,D", "D,C", "D,D")


def test_utilities_are_the_preferences_expected_over_the_opponents_reply(student: HuggingFace) -> None:
    some = taught(student)
    replies = NOISY(ipd().memory_one(1))
    for s, d in enumerate(ipd().memory_one()):
        want = expected(GameDeontological()(d), [replies[s].p])
        assert np.allclose(some.utility[s], want)


def logp(seed: int = 0, sets: int = 2) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.log_softmax(torch.randn(sets, 4, 3), -1)[..., :2].double()


def test_the_myopic_objective_counts_illegal_mass(student: HuggingFace) -> None:
    some, x = taught(student), logp()
    got = objective(some, Settings(kl=0, illegal=-6), x)
    p = x.exp().numpy()
    want = (p * some.utility.numpy()).sum(-1) - 6 * (1 - p.sum(-1))
    assert got.loss.item() == pytest.approx(-want.mean())
    assert got.reward == pytest.approx(want.mean())
    assert got.mass == pytest.approx(p.sum(-1).mean())


def test_the_discounted_objective_is_the_chains_own_return(student: HuggingFace) -> None:
    some, x = taught(student, Utilitarian()), logp(sets=1)
    got = objective(some, Settings(objective="discounted", gamma=0.8, kl=0, illegal=-2), x)
    p = np.asarray(x[0].exp())
    legal = p / p.sum(-1, keepdims=True)
    mine = MemoryOne(0.5, *legal[:, 0])
    played = chain(ipd(), [mine, NOISY])
    reward = (p * some.utility.numpy()).sum(-1) - 2 * (1 - p.sum(-1))
    assert got.reward == pytest.approx(0.2 * played.worth(reward, 0.8).mean())
    full = objective(some, Settings(objective="discounted", gamma=0.8, kl=0), x.log_softmax(-1))
    assert full.reward == pytest.approx(float(played.discounted(0.8) @ played.utility(Utilitarian())))


@pytest.mark.parametrize("kind", ["myopic", "discounted"])
def test_gradients_equal_finite_differences(student: HuggingFace, kind: str) -> None:
    some, setting = taught(student), Settings(objective=kind, kl=0)
    x = logp().requires_grad_()
    objective(some, setting, x).loss.backward()
    assert x.grad is not None
    for index in [(0, 0, 0), (1, 2, 1), (0, 3, 1)]:
        nudge = torch.zeros_like(x)
        nudge[index] = 1e-5
        assert x.grad[index].item() == pytest.approx(slope(some, setting, x, nudge), rel=1e-4, abs=1e-8)


def test_the_kl_pulls_between_answers_and_never_towards_silence(student: HuggingFace) -> None:
    some, setting, reference = taught(student), Settings(kl=0.3), logp(seed=1)
    x = logp().requires_grad_()
    (objective(some, setting, x, reference).loss - objective(some, setting, x).loss).backward()
    assert x.grad is not None
    assert x.grad.abs().max() > 0.01
    assert torch.allclose(x.grad.sum(-1), torch.zeros(2, 4, dtype=x.dtype), atol=1e-12)
    swap = torch.zeros_like(x)
    swap[0, 1] = torch.tensor([1e-5, -1e-5]) / x.detach()[0, 1].exp()  # the mass stays
    with_kl = slope(some, setting, x, swap, reference) - slope(some, replace(setting, kl=0), x, swap)
    assert (x.grad * swap).sum().item() / 1e-5 == pytest.approx(with_kl, rel=1e-3)


def slope(
    some: Lesson, setting: Settings, x: torch.Tensor, nudge: torch.Tensor, reference: Any = None
) -> float:
    high, low = (objective(some, setting, x.detach() + s * nudge, reference).loss for s in (1, -1))
    return float(high - low) / 2e-5


def test_kl_is_zero_at_the_reference_and_its_weight_falls(student: HuggingFace) -> None:
    some, x = taught(student), logp()
    assert objective(some, Settings(), x, x).kl == pytest.approx(0, abs=1e-12)
    assert objective(some, Settings(), x, logp(seed=1)).kl > 0
    weights = [Settings(steps=30).kl_at(i) for i in range(30)]
    assert weights[0] == 3.0
    assert weights == sorted(weights, reverse=True)
    assert weights[20] == weights[-1] == pytest.approx(0.05)


def curve(
    model: HuggingFace, setting: Settings, where: Path, some: Lesson | None = None
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    rl(model, some or taught(model), setting, where, on_step=rows.append)
    return rows


QUICK = Settings(steps=4, rank=4, lr=1e-3, save_every=2)


def fresh(smollm2: HuggingFace) -> HuggingFace:
    return HuggingFace(
        tiny("llama", initializer_range=0.3), smollm2.tokenizer, name="tiny", provenance={"revision": "t"}
    )


def test_training_raises_the_reward_and_repeats_itself(smollm2: HuggingFace, tmp_path: Path) -> None:
    setting = replace(QUICK, steps=8, lr=3e-3)
    one = curve(fresh(smollm2), setting, tmp_path / "a")
    two = curve(fresh(smollm2), setting, tmp_path / "b")
    assert [r["loss"] for r in one] == [r["loss"] for r in two]
    assert one[-1]["mass"] > 2 * one[0]["mass"]
    assert [r["step"] for r in one] == list(range(1, 9))
    assert (tmp_path / "a" / "adapter" / "adapter_model.safetensors").exists()


def test_shared_and_unshared_prefixes_train_alike(smollm2: HuggingFace, tmp_path: Path) -> None:
    shared, plain = fresh(smollm2), fresh(smollm2)
    plain.share = False
    one, two = curve(shared, QUICK, tmp_path / "a"), curve(plain, QUICK, tmp_path / "b")
    assert np.allclose([r["loss"] for r in one], [r["loss"] for r in two], atol=1e-4)
    assert np.allclose([r["mass"] for r in one], [r["mass"] for r in two], rtol=1e-2)


def test_accumulated_passes_are_one_larger_pass(smollm2: HuggingFace, tmp_path: Path) -> None:
    big = curve(fresh(smollm2), replace(QUICK, sets=2), tmp_path / "a")
    small = curve(fresh(smollm2), replace(QUICK, accumulation=2), tmp_path / "b")
    assert np.allclose([r["loss"] for r in big], [r["loss"] for r in small], atol=1e-4)
    assert np.allclose([r["grad_norm"] for r in big], [r["grad_norm"] for r in small], rtol=2e-2)


def test_all_weights_can_be_trained(smollm2: HuggingFace, tmp_path: Path) -> None:
    curve(fresh(smollm2), replace(QUICK, rank=0), tmp_path)
    model = load(str(tmp_path / "model"), (), device="cpu")
    assert model.score([FRAME(ipd().memory_one()[0], ((0, 1), (0, 1)))])[0].mass > 0


def test_a_stopped_training_goes_on_along_the_same_curve(smollm2: HuggingFace, tmp_path: Path) -> None:
    whole = curve(fresh(smollm2), QUICK, tmp_path / "a")
    model, rows = fresh(smollm2), []
    with pytest.raises(Interrupted, match="step 1 of 4"):
        rl(model, taught(model), QUICK, tmp_path / "b", on_step=rows.append, stop=lambda: True)
    model = fresh(smollm2)
    rl(model, taught(model), QUICK, tmp_path / "b", on_step=rows.append)
    assert [r["loss"] for r in rows] == pytest.approx([r["loss"] for r in whole], rel=1e-6)


def test_a_half_written_checkpoint_is_passed_over(smollm2: HuggingFace, tmp_path: Path) -> None:
    model = fresh(smollm2)
    with pytest.raises(Interrupted):
        rl(model, taught(model), QUICK, tmp_path, stop=lambda: True)
    torn = tmp_path / "checkpoints" / "checkpoint-3"
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"global_st')
    rows = curve(fresh(smollm2), QUICK, tmp_path)
    assert [r["step"] for r in rows] == [2, 3, 4]


def test_kill_9_in_training_then_the_same_command_gives_the_same_curve(folder: Path, tmp_path: Path) -> None:
    """A real process, a real SIGKILL, the real command line."""

    def command(out: Path) -> list[str]:
        words = (
            f"align hf/{folder} --to utilitarian --steps 12 --rank 4 --save-every 2 --no-check --device cpu"
        )
        return [
            sys.executable,
            "-c",
            "from homines.cli import main; main()",
            *words.split(),
            "--out",
            str(out),
        ]

    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command(tmp_path / "whole"), env=env, check=True, capture_output=True)
    killed = subprocess.Popen(
        command(tmp_path / "killed"), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log, limit = tmp_path / "killed" / "curve.jsonl", time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= 5):
        assert killed.poll() is None, "finished before it could be killed"
        assert time.monotonic() < limit
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    subprocess.run(command(tmp_path / "killed"), env=env, check=True, capture_output=True)
    assert read(tmp_path / "killed") == read(tmp_path / "whole")


def read(folder: Path) -> tuple[list[Any], list[Any]]:
    """The learning curve by step, and every answer but for the folder's name."""
    from homines.store import Run

    run = Run(folder)
    losses = [(row["step"], round(row["loss"], 5)) for row in run.rows()]
    answers = [
        (r.model.rpartition("/")[2], r.frame, r.order, [round(x, 4) for x in r.choice.logp.tolist()])
        for r in run.records
        if r.choice is not None
    ]
    return sorted(losses), sorted(answers)


def test_bad_settings_name_value_rule_and_remedy(student: HuggingFace, tmp_path: Path) -> None:
    for bad, match in [
        ({"objective": "greedy"}, "myopic or discounted"),
        ({"gamma": 1.0}, r"\[0, 1\)"),
        ({"steps": 0}, "at least 1"),
        ({"lr": 0.0}, r"\(0, 1\)"),
        ({"kl": -1.0}, "at least 0"),
        ({"kl_start": float("nan")}, "kl_start"),
        ({"seed": -1}, "seed"),
        ({"illegal": float("nan")}, "a number"),
    ]:
        with pytest.raises(HominesError, match=match):
            Settings(**bad)  # pyright: ignore[reportArgumentType]
    with pytest.raises(HominesError, match="opponent"):
        lesson(student, ipd(), Utilitarian(), [FRAME])
    with pytest.raises(HominesError, match="C,C"):
        lesson(student, ipd(), Utilitarian(), [FRAME], TitForTat(), keep=["E,E"])
    some = lesson(student, ipd(), Utilitarian(), [FRAME], TitForTat(), keep=["C,C", "D,C"])
    assert some.utility.shape == (2, 2)
    with pytest.raises(HominesError, match="discounted"):
        objective(some, Settings(objective="discounted"), logp()[:, :2])


def test_one_shot_decisions_are_trained_too(student: HuggingFace, tmp_path: Path) -> None:
    some = lesson(student, battery(dictator(step=50)), Utilitarian(), [Table()])
    rows = curve(student, replace(QUICK, steps=2), tmp_path, some)
    assert len(rows[-1]["p"]["first move"]) == 3
    assert json.loads(json.dumps(rows[-1])) == rows[-1]

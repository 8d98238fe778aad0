"""Exact reinforcement learning: the objective is the formula, the gradient its derivative, and a killed
run goes on along the same curve."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from homines.core.progress import Follow
from homines.core.types import HominesError, Interrupted
from homines.elicitation.questions import battery
from homines.frames.table import Table
from homines.games.dictator import dictator
from homines.games.ipd import ipd
from homines.models.hf import HuggingFace, load
from homines.opponents.memory_one import MemoryOne
from homines.opponents.tit_for_tat import TitForTat
from homines.preferences.game_deontological import GameDeontological
from homines.preferences.utilitarian import Utilitarian
from homines.theory.chain import chain
from homines.theory.choice import expected_utility
from homines.training.exact import rl
from homines.training.objective import Outcome, Signals, objective
from homines.training.prompt_sets import PromptSets, StateSpace, prompt_sets
from homines.training.rollout import check_settings
from homines.training.schedule import Phase
from homines.training.settings import Settings
from homines.training.trainer import phase_at
from tests.helpers.traps import wait_for

FRAME = Table("action1,action2")
NOISY = MemoryOne(0.5, 0.9, 0.2, 0.7, 0.4)
Fresh = Callable[[], HuggingFace]


def taught(model: HuggingFace, preference: Any = None, opponent: Any = NOISY, steps: int = 4) -> PromptSets:
    return prompt_sets(model, [ipd()], (Phase(preference or GameDeontological(), steps),), [FRAME], opponent)


def test_a_lesson_shows_every_state_in_every_order_once(student: HuggingFace) -> None:
    some = taught(student)
    assert [len(s) for s in some.sets] == [4, 4, 4, 4]
    assert len({item.prompt for s in some.sets for item in s}) == 16
    assert some.states == ("C,C", "C,D", "D,C", "D,D")


def test_what_an_answer_is_worth_is_expected_over_the_opponents_reply(student: HuggingFace) -> None:
    some = taught(student)
    replies = NOISY(ipd().memory_one(1))
    for s, d in enumerate(ipd().memory_one()):
        want = expected_utility(GameDeontological()(d), [replies[s].p])
        assert np.allclose(some.offered()[:, s], want)


# --- the objective -------------------------------------------------------------------------------


def logp(seed: int = 0, sets: int = 2) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.log_softmax(torch.randn(sets, 4, 3), -1)[..., :2].double()


def value(
    some: PromptSets,
    setting: Settings,
    x: torch.Tensor,
    reference: torch.Tensor | None = None,
    kl: float = 0.0,
) -> Outcome:
    """The objective of the first sets under the first phase."""
    batch = some.batch(range(len(x)))
    assert batch.replies is not None
    return objective(setting, Signals(x, batch.utility[0], batch.replies, some.follows, reference, kl))


def test_the_myopic_objective_counts_illegal_mass(student: HuggingFace) -> None:
    some, x = taught(student), logp()
    got = value(some, Settings(illegal=-6), x)
    p = x.exp().numpy()
    want = (p * some.offered()[:2].numpy()).sum(-1) - 6 * (1 - p.sum(-1))
    assert got.loss.item() == pytest.approx(-want.mean())
    assert got.reward == pytest.approx(want.mean())
    assert got.mass == pytest.approx(p.sum(-1).mean())


def test_the_discounted_objective_is_the_chains_own_return(student: HuggingFace) -> None:
    some, x = taught(student, Utilitarian()), logp(sets=1)
    got = value(some, Settings(objective="discounted", gamma=0.8, illegal=-2), x)
    p = np.asarray(x[0].exp())
    legal = p / p.sum(-1, keepdims=True)
    mine = MemoryOne(0.5, *legal[:, 0])
    played = chain(ipd(), [mine, NOISY])
    reward = (p * some.offered()[0].numpy()).sum(-1) - 2 * (1 - p.sum(-1))
    assert got.reward == pytest.approx(0.2 * played.worth(reward, 0.8).mean())
    full = value(some, Settings(objective="discounted", gamma=0.8), x.log_softmax(-1))
    assert full.reward == pytest.approx(float(played.discounted(0.8) @ played.utility(Utilitarian())))


@pytest.mark.parametrize("kind", ["myopic", "discounted"])
def test_gradients_equal_finite_differences(student: HuggingFace, kind: str) -> None:
    some, setting = taught(student), Settings(objective=kind)
    x = logp().requires_grad_()
    value(some, setting, x).loss.backward()
    assert x.grad is not None
    for index in [(0, 0, 0), (1, 2, 1), (0, 3, 1)]:
        nudge = torch.zeros_like(x)
        nudge[index] = 1e-5
        assert x.grad[index].item() == pytest.approx(slope(some, setting, x, nudge), rel=1e-4, abs=1e-8)


def test_the_kl_pulls_between_answers_and_never_towards_silence(student: HuggingFace) -> None:
    some, setting, reference = taught(student), Settings(), logp(seed=1)
    x = logp().requires_grad_()
    (value(some, setting, x, reference, 0.3).loss - value(some, setting, x).loss).backward()
    assert x.grad is not None
    assert x.grad.abs().max() > 0.01
    assert torch.allclose(x.grad.sum(-1), torch.zeros(2, 4, dtype=x.dtype), atol=1e-12)
    swap = torch.zeros_like(x)
    swap[0, 1] = torch.tensor([1e-5, -1e-5]) / x.detach()[0, 1].exp()  # the mass stays
    with_kl = slope(some, setting, x, swap, reference, 0.3) - slope(some, setting, x, swap)
    assert (x.grad * swap).sum().item() / 1e-5 == pytest.approx(with_kl, rel=1e-3)


def slope(
    some: PromptSets,
    setting: Settings,
    x: torch.Tensor,
    nudge: torch.Tensor,
    reference: Any = None,
    kl: float = 0,
) -> float:
    high, low = (value(some, setting, x.detach() + s * nudge, reference, kl).loss for s in (1, -1))
    return float(high - low) / 2e-5


def test_kl_is_zero_at_the_reference_and_above_it_elsewhere(student: HuggingFace) -> None:
    some, x = taught(student), logp()
    assert value(some, Settings(), x, x, 1.0).kl == pytest.approx(0, abs=1e-12)
    away = value(some, Settings(), x, logp(seed=1), 0.7)
    assert away.kl > 0
    assert away.loss.item() == pytest.approx(value(some, Settings(), x).loss.item() + 0.7 * away.kl)


weights = st.floats(0, 10) | st.just(0.0)


@settings(max_examples=100, deadline=None)
@given(weights, weights, weights, st.booleans())
def test_the_weight_of_the_kl_falls_to_its_end_within_a_phase(
    kl: float, start: float, between: float, last: bool
) -> None:
    setting = Settings(kl=kl, kl_start=start, kl_between=between)
    way = [setting.kl_at(done, 30, last=last) for done in range(31)]
    assert way == pytest.approx(sorted(way, reverse=True))
    assert way[16:] == pytest.approx([way[-1]] * 15)
    assert way == [setting.kl_at(done, 300, last=last) for done in range(31)]
    end = kl if last else max(kl, between)
    assert way[0] == pytest.approx(max(start, end) if kl else 0)
    assert way[-1] == pytest.approx(end if kl else 0)


def test_the_weight_of_the_kl_by_default() -> None:
    assert (Settings().kl_at(0, 24), Settings().kl_at(24, 24)) == (3.0, pytest.approx(0.05))
    assert Settings().kl_at(24, 24, last=False) == pytest.approx(0.3)
    free = [Settings(kl_steps=0).kl_at(done, 60) for done in (20, 40)]
    assert free == pytest.approx([(3.0 * 0.05) ** 0.5, 0.05])
    assert Settings().kl_at(4, 12) == pytest.approx((3.0 * 0.05) ** 0.5)  # two thirds of 12 steps are 8


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_phases_follow_each_other_and_each_begins_anew(steps: list[int]) -> None:
    seen = [phase_at(steps, step) for step in range(sum(steps))]
    assert [i for i, _ in seen] == [i for i, count in enumerate(steps) for _ in range(count)]
    assert [done for _, done in seen] == [k for count in steps for k in range(count)]
    assert phase_at(steps, sum(steps)) == (len(steps) - 1, steps[-1])


# --- training ------------------------------------------------------------------------------------


def curve(
    model: HuggingFace, setting: Settings, where: Path, some: PromptSets | None = None
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    rl(model, some or taught(model), setting, where, follow=Follow(step=rows.append))
    return rows


def close(one: list[dict[str, Any]], two: list[dict[str, Any]], rel: float = 1e-5) -> bool:
    """Two curves step by step: losses, masses and every answer."""

    def numbers(rows: list[dict[str, Any]]) -> Any:
        return [[row["loss"], row["mass"], *(x for p in row["p"].values() for x in p)] for row in rows]

    return numbers(one) == [pytest.approx(row, rel=rel, abs=0) for row in numbers(two)]


QUICK = Settings(rank=4, lr=1e-2, save_every=2)


def test_training_raises_the_reward_and_repeats_itself(fresh: Fresh, tmp_path: Path) -> None:
    one, two = (
        curve(model, QUICK, tmp_path / name, taught(model, steps=8))
        for name, model in (("a", fresh()), ("b", fresh()))
    )
    assert one == two
    assert one[-1]["reward"] > one[0]["reward"] + 1
    assert one[-1]["mass"] > 2 * one[0]["mass"]
    assert [r["step"] for r in one] == list(range(1, 9))
    assert (tmp_path / "a" / "adapter" / "adapter_model.safetensors").exists()


def test_answers_begun_are_trained_and_referred_to_as_they_are_measured(fresh: Fresh, tmp_path: Path) -> None:
    """At the first step the mass is that of measuring, and the KL to the reference is none."""
    model, begun = fresh(), replace(FRAME, begins="So I say:")
    sets = prompt_sets(model, [ipd()], (Phase(GameDeontological(), 3),), [begun], NOISY)
    prompts = [prompt for group in sets.prompts for prompt in group]
    before = float(np.mean([c.mass for c in model.score(prompts)]))
    assert before != pytest.approx(np.mean([c.mass for c in model.score([replace(prompts[0], begins="")])]))
    rows = curve(model, replace(QUICK, kl=0.1, sets=len(sets.sets)), tmp_path, sets)
    assert rows[0]["mass"] == pytest.approx(before, rel=1e-3)
    assert rows[0]["kl"] == pytest.approx(0, abs=1e-5)
    assert rows[-1]["mass"] > before


def test_shared_and_unshared_prefixes_train_alike(fresh: Fresh, tmp_path: Path) -> None:
    shared, plain = fresh(), fresh()
    plain.share = False
    assert close(curve(shared, QUICK, tmp_path / "a"), curve(plain, QUICK, tmp_path / "b"), rel=1e-2)


def test_accumulated_passes_are_one_larger_pass(fresh: Fresh, tmp_path: Path) -> None:
    big = curve(fresh(), replace(QUICK, sets=2), tmp_path / "a")
    small = curve(fresh(), replace(QUICK, accumulation=2), tmp_path / "b")
    assert close(big, small, rel=1e-2)
    assert np.allclose([r["grad_norm"] for r in big], [r["grad_norm"] for r in small], rtol=2e-2)


def test_all_weights_can_be_trained(fresh: Fresh, tmp_path: Path) -> None:
    before = fresh().score([FRAME(ipd().memory_one()[0], ((0, 1), (0, 1)))])[0]
    curve(fresh(), replace(QUICK, rank=0, lr=1e-3), tmp_path)
    model = load(str(tmp_path / "model"), (), device="cpu")
    after = model.score([FRAME(ipd().memory_one()[0], ((0, 1), (0, 1)))])[0]
    assert after.mass > before.mass


def test_a_stopped_training_goes_on_along_the_same_curve(fresh: Fresh, tmp_path: Path) -> None:
    whole = curve(fresh(), QUICK, tmp_path / "a")
    model, rows = fresh(), []
    with pytest.raises(Interrupted, match="step 1 of 4"):
        rl(model, taught(model), QUICK, tmp_path / "b", follow=Follow(step=rows.append, stop=lambda: True))
    rows += curve(fresh(), QUICK, tmp_path / "b")
    assert close(rows, whole)


def test_a_half_written_checkpoint_is_passed_over(fresh: Fresh, tmp_path: Path) -> None:
    model = fresh()
    with pytest.raises(Interrupted):
        rl(model, taught(model), QUICK, tmp_path, follow=Follow(stop=lambda: True))
    torn = tmp_path / "checkpoints" / "checkpoint-3"
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"global_st')
    rows = curve(fresh(), QUICK, tmp_path)
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
            "from homines.cli.app import main; main()",
            *words.split(),
            "--out",
            str(out),
        ]

    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command(tmp_path / "whole"), env=env, check=True, capture_output=True)
    killed = subprocess.Popen(
        command(tmp_path / "killed"), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log = tmp_path / "killed" / "curve.jsonl"
    wait_for(lambda: log.exists() and log.read_text().count("\n") >= 5, killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    subprocess.run(command(tmp_path / "killed"), env=env, check=True, capture_output=True)
    assert read(tmp_path / "killed") == read(tmp_path / "whole")


def read(folder: Path) -> tuple[list[Any], list[Any]]:
    """The learning curve by step, and every answer but for the folder's name."""
    from homines.core.run_folder import RunFolder

    run = RunFolder(folder)
    losses = [(row["step"], round(row["loss"], 5)) for row in run.rows()]
    answers = [
        (r.model.rpartition("/")[2], r.frame, r.order, [round(x, 4) for x in r.choice.logp.tolist()])
        for r in run.records
        if r.choice is not None
    ]
    return sorted(losses), sorted(answers)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"objective": "greedy"}, "myopic or discounted"),
        ({"gamma": 1.0}, r"\[0, 1\)"),
        ({"steps": 0}, "at least 1"),
        ({"lr": 0.0}, r"\(0, 1\)"),
        ({"kl": -1.0}, "at least 0"),
        ({"kl_start": float("nan")}, "kl_start"),
        ({"kl_between": -0.1}, "kl_between"),
        ({"kl_limit": 0.0}, "kl_limit is 0.0; it must be above 0"),
        ({"sample": -1}, "sample"),
        ({"seed": -1}, "seed"),
        ({"illegal": float("nan")}, "a number"),
        ({"sample": 8, "objective": "discounted"}, "use --objective myopic with --sample"),
    ],
)
def test_bad_settings_name_value_rule_and_remedy(bad: dict[str, Any], match: str) -> None:
    with pytest.raises(HominesError, match=match):
        Settings(**bad)


def test_what_cannot_be_taught_is_refused(student: HuggingFace) -> None:
    phases = (Phase(Utilitarian(), 4),)
    with pytest.raises(HominesError, match="opponent"):
        check_settings(prompt_sets(student, [ipd()], phases, [FRAME]), Settings())
    with pytest.raises(HominesError, match="C,C"):
        prompt_sets(student, [ipd()], phases, [FRAME], TitForTat(), space=StateSpace(names=["E,E"]))
    with pytest.raises(HominesError, match="no state to train on"):
        prompt_sets(student, [ipd()], phases, [FRAME], TitForTat(), space=StateSpace(names=[]))
    some = prompt_sets(student, [ipd()], phases, [FRAME], TitForTat(), space=StateSpace(names=["C,C", "D,C"]))
    assert some.offered().shape == (4, 2, 2)
    check_settings(some, Settings())
    with pytest.raises(HominesError, match=r"the discounted return needs .* drop --states"):
        check_settings(some, Settings(objective="discounted"))
    with pytest.raises(HominesError, match="report_to is 'nobody'"):
        check_settings(some, Settings(report_to="nobody"))


def test_one_shot_decisions_are_trained_too(student: HuggingFace, tmp_path: Path) -> None:
    some = prompt_sets(student, battery(dictator(step=50)), (Phase(Utilitarian(), 2),), [Table()])
    rows = curve(student, QUICK, tmp_path, some)
    assert len(rows[-1]["p"]["first move"]) == 3
    assert json.loads(json.dumps(rows[-1])) == rows[-1]

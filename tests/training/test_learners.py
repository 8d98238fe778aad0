"""Learning that changes course, learning beside another learner, and learning that comes apart."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from homines.core.progress import Follow, Stop, never
from homines.core.types import Array, Decision, HominesError, Interrupted
from homines.frames.bare import Bare
from homines.games.bos import bos
from homines.games.ipd import ipd
from homines.models.hf import HuggingFace, load
from homines.opponents.memory_one import MemoryOne
from homines.preferences.economicus import Economicus
from homines.preferences.utilitarian import Utilitarian
from homines.training import exact_trainer
from homines.training.exact import rl
from homines.training.objective import Outcome, Signals, objective
from homines.training.prompt_sets import PromptSets, StateSpace, prompt_sets
from homines.training.rollout import check_settings
from homines.training.schedule import Phase
from homines.training.settings import Settings
from homines.training.trainer import Guard

FRAME = Bare("action1,action2")
NOISY = MemoryOne(0.5, 0.9, 0.2, 0.7, 0.4)
QUICK = Settings(rank=4, lr=1e-2, save_every=1, sets=2)
"""Every step asks every state in every order."""
STATES = ("C,C", "C,D", "D,C", "D,D")
Fresh = Callable[[], HuggingFace]
Rows = list[dict[str, Any]]


def always(worth: float) -> Any:
    """A preference to which everything is worth the same."""

    def preference(d: Decision) -> Array:
        return np.full(d.payoffs.shape[1:], worth)

    return preference


def solo(
    model: HuggingFace,
    where: Path,
    *phases: tuple[Any, int],
    setting: Settings = QUICK,
    stop: Stop = never,
    **how: Any,
) -> Rows:
    """Learn these preferences for so many steps each, one after the other."""
    some = prompt_sets(model, [ipd()], [Phase(*phase) for phase in phases], [FRAME], NOISY)
    rows: Rows = []
    with suppress(Interrupted):
        rl(model, some, setting, where, follow=Follow(step=rows.append, stop=stop), **how)
    return rows


def couple(
    model: HuggingFace, steps: int = 3, game: Any = None, **changes: Any
) -> tuple[PromptSets, PromptSets]:
    """The lessons of a selfish learner and of a utilitarian one beside it."""
    games = [game or ipd()]
    mine = prompt_sets(model, games, [Phase(Economicus(), steps)], [FRAME], **changes)
    theirs = prompt_sets(
        model, games, [Phase(Utilitarian(), steps)], [FRAME], space=StateSpace(seat=1), **changes
    )
    return mine, theirs


def pair(
    model: HuggingFace,
    where: Path,
    steps: int = 3,
    setting: Settings = QUICK,
    stop: Stop = never,
    **how: Any,
) -> Rows:
    mine, theirs = couple(model, steps)
    rows: Rows = []
    with suppress(Interrupted):
        rl(model, mine, setting, where, rival=theirs, follow=Follow(step=rows.append, stop=stop), **how)
    return rows


def numbers(row: dict[str, Any]) -> list[float]:
    """All that a row tells of the learners."""
    told = [row, *([row["rival"]] if "rival" in row else [])]
    return [
        x
        for some in told
        for x in (some["loss"], some["reward"], some["mass"], *(x for p in some["p"].values() for x in p))
    ]


def close(one: Rows, two: Rows, rel: float = 1e-4) -> bool:
    return [numbers(row) for row in one] == [pytest.approx(numbers(row), rel=rel) for row in two]


def answers(model: HuggingFace, some: PromptSets) -> dict[str, list[float]]:
    """P(action) in every state, the mean over all prompts, as rows tell it."""
    asked = [model.score(shown) for shown in some.prompts]
    return {
        name: np.mean([choices[s].p for choices in asked], axis=0).tolist()
        for s, name in enumerate(some.states)
    }


def alike(one: dict[str, list[float]], two: dict[str, list[float]]) -> bool:
    return one == {name: pytest.approx(p, rel=1e-3) for name, p in two.items()}


# --- phases --------------------------------------------------------------------------------------


def test_the_reward_of_a_step_is_that_of_its_phase(student: HuggingFace, tmp_path: Path) -> None:
    rows = solo(student, tmp_path, (always(5.0), 2), (always(-1.0), 1))
    assert [row["schedule"] for row in rows] == [0, 0, 1]
    for row, worth in zip(rows, (5, 5, -1), strict=True):
        assert row["reward"] == pytest.approx(row["mass"] * worth - 6 * (1 - row["mass"]))
        assert row["mass"] > 0.01


def test_a_phase_begins_where_the_one_before_ended(fresh: Fresh, tmp_path: Path) -> None:
    """With one weight of the KL at all times, its rows are those of the first phase alone, and then the
    answers of the adapter which that left."""
    setting = replace(QUICK, kl=0.1, kl_start=0.1, kl_between=0.1)
    alone = solo(fresh(), tmp_path / "a", (Economicus(), 2), setting=setting)
    both = solo(fresh(), tmp_path / "b", (Economicus(), 2), (Utilitarian(), 2), setting=setting)
    assert close(both[:2], alone)
    left = load_on(fresh(), tmp_path / "a" / "adapter")
    some = prompt_sets(left, [ipd()], [Phase(Economicus(), 1)], [FRAME], NOISY)
    assert alike(both[2]["p"], answers(left, some))
    assert not alike(both[3]["p"], both[2]["p"])


def test_two_phases_of_one_preference_are_one_longer_phase(fresh: Fresh, tmp_path: Path) -> None:
    """The optimiser goes on too."""
    setting = replace(QUICK, kl=0.0)
    whole = solo(fresh(), tmp_path / "a", (Economicus(), 4), setting=setting)
    split = solo(fresh(), tmp_path / "b", (Economicus(), 2), (Economicus(), 2), setting=setting)
    assert close(split, whole, rel=1e-6)


def test_the_weight_of_the_kl_is_that_of_the_phase(fresh: Fresh, tmp_path: Path) -> None:
    weights: list[float] = []

    def noting(*given: Any) -> Any:
        weights.append(given[-1].kl)
        return objective(*given)

    solo(fresh(), tmp_path, (Economicus(), 3), (Utilitarian(), 3), goal=noting)
    first, last = ([QUICK.kl_at(i, 3, last=last) for i in range(3)] for last in (False, True))
    assert weights == pytest.approx([*first, *last])
    assert first[-1] > last[-1]


def test_a_training_stopped_in_its_second_phase_goes_on(fresh: Fresh, tmp_path: Path) -> None:
    phases = ((Economicus(), 2), (Utilitarian(), 2))
    whole = solo(fresh(), tmp_path / "a", *phases)
    calls = iter((False, False, True))
    rows = solo(fresh(), tmp_path / "b", *phases, stop=lambda: next(calls))
    assert [row["step"] for row in rows] == [1, 2, 3]
    rows += solo(fresh(), tmp_path / "b", *phases)
    assert [(row["step"], row["schedule"]) for row in rows] == [(1, 0), (2, 0), (3, 1), (4, 1)]
    assert close(rows, whole)


# --- two learners --------------------------------------------------------------------------------


def load_on(model: HuggingFace, adapter: Path) -> HuggingFace:
    """The same base with this adapter."""
    from peft import PeftModel

    net = PeftModel.from_pretrained(model.net, str(adapter)).merge_and_unload()
    return HuggingFace(net, model.tokenizer, name="after", provenance={})


def test_both_start_alike_and_both_learn_from_the_first_step(fresh: Fresh, tmp_path: Path) -> None:
    first, second, third = pair(fresh(), tmp_path)
    assert alike(first["p"], first["rival"]["p"])
    before = fresh()
    assert alike(first["p"], answers(before, couple(before)[0]))
    for one, two in ((first, second), (second, third)):
        assert two["mass"] > 1.1 * one["mass"]
        assert two["rival"]["mass"] > 1.1 * one["rival"]["mass"]
    assert not alike(third["p"], third["rival"]["p"])


def test_each_adapter_loads_and_gives_what_training_saw(fresh: Fresh, folder: Path, tmp_path: Path) -> None:
    setting = replace(QUICK, kl=0.0)  # its weight would tell how many steps there are
    pair(fresh(), tmp_path / "a", 2, setting)
    last = pair(fresh(), tmp_path / "b", 3, setting)[-1]
    for name, seat, row in (("adapter", 0, last), ("rival", 1, last["rival"])):
        model = load(str(folder), (str(tmp_path / "a" / name),), device="cpu")
        assert alike(row["p"], answers(model, couple(model)[seat]))


@pytest.mark.parametrize("kind", ["myopic", "discounted"])
def test_each_climbs_its_own_objective_with_the_others_play_fixed(
    student: HuggingFace, tmp_path: Path, kind: str
) -> None:
    """What arrives in training at each learner's log-probabilities is the slope of its own objective."""
    calls: list[tuple[Any, ...]] = []
    arrived: dict[int, torch.Tensor] = {}

    def noting(*given: Any) -> Any:
        i, x = len(calls), given[1].logp
        calls.append(given)
        x.register_hook(lambda grad: arrived.__setitem__(i, grad))
        return objective(*given)

    mine, theirs = couple(student, 1, bos())
    rl(student, mine, replace(QUICK, objective=kind), tmp_path, rival=theirs, goal=noting)
    assert len(calls) == len(arrived) == 2
    play = [call[1].logp.detach().double().softmax(-1) for call in calls]
    for i, some in enumerate((mine, theirs)):
        setting, signals = calls[i]
        assert torch.equal(signals.utility.sort(0)[0], some.utility[0].sort(0)[0])
        assert signals.follows is some.follows
        assert torch.allclose(signals.replies, play[1 - i])
        assert not signals.replies.requires_grad
        leaf = signals.logp.detach().clone().double().requires_grad_()
        objective(setting, replace(signals, logp=leaf, replies=play[1 - i])).loss.backward()
        assert leaf.grad is not None
        assert torch.allclose(arrived[i].double(), leaf.grad, rtol=1e-4, atol=1e-9)
        index = (1, 2, 0)
        nudge = torch.zeros_like(leaf)
        nudge[index] = 1e-5
        high, low = (
            objective(setting, replace(signals, logp=leaf.detach() + s * nudge)).loss for s in (1, -1)
        )
        assert float(arrived[i][index]) == pytest.approx(float(high - low) / 2e-5, rel=1e-3)
    assert not torch.equal(mine.utility, theirs.utility)


@pytest.mark.parametrize("kind", ["myopic", "discounted"])
def test_beside_a_rival_that_plays_a_strategy_one_learns_as_against_that_strategy(
    fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    setting = replace(QUICK, objective=kind)
    alone = solo(fresh(), tmp_path / "a", (Economicus(), 3), setting=setting)
    fixed = torch.tensor(np.array([c.logp for c in NOISY(ipd().memory_one(1))])).expand(2, 4, 2)
    score = exact_trainer.score_sets
    heard: list[str] = []

    def scoring(net: Any, *given: Any) -> torch.Tensor:
        name = net.active_adapter
        heard.append(name)
        return fixed if name == "rival" else score(net, *given)

    monkeypatch.setattr(exact_trainer, "score_sets", scoring)
    beside = pair(fresh(), tmp_path / "b", setting=setting)
    assert heard.count("rival") == 3
    assert close([{k: v for k, v in row.items() if k != "rival"} for row in beside], alone, rel=1e-6)


def test_a_stopped_pair_goes_on_along_the_same_curve(fresh: Fresh, tmp_path: Path) -> None:
    whole = pair(fresh(), tmp_path / "a", 4)
    calls = iter((False, True))
    rows = pair(fresh(), tmp_path / "b", 4, stop=lambda: next(calls))
    assert [row["step"] for row in rows] == [1, 2]
    rows += pair(fresh(), tmp_path / "b", 4)
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert close(rows, whole)
    one, two = (load_on(fresh(), tmp_path / run / "rival") for run in "ab")
    assert alike(answers(one, couple(one)[1]), answers(two, couple(two)[1]))


def test_a_pair_that_cannot_learn_together_is_refused(student: HuggingFace) -> None:
    mine, theirs = couple(student, 3)
    check_settings(mine, Settings(), theirs)
    with pytest.raises(HominesError, match=r"rank is 0 .* two learners .* --rank 8 or more"):
        check_settings(mine, Settings(rank=0), theirs)
    with pytest.raises(HominesError, match=r"schedules take 3 and 4 steps; .* add up to the same"):
        check_settings(mine, Settings(), couple(student, 4)[1])


# --- coming apart --------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_leaves_the_last_good_adapter(
    fresh: Fresh, folder: Path, tmp_path: Path
) -> None:
    where, rows = tmp_path / "run", []
    model = fresh()
    phases = [Phase(Economicus(), 3), Phase(always(float("nan")), 2)]
    some = prompt_sets(model, [ipd()], phases, [FRAME], NOISY)
    kept = where / "last_good"
    with pytest.raises(
        HominesError, match=rf"before step 4 of 5: the loss is nan; .* {kept} .*learning rate"
    ):
        rl(model, some, QUICK, where, follow=Follow(step=rows.append))
    assert [row["step"] for row in rows] == [1, 2, 3]
    good = load(str(folder), (str(kept),), device="cpu")
    assert alike(answers(good, some), rows[-1]["p"])  # as when it was last asked
    assert (where / "checkpoints" / "checkpoint-3" / "trainer_state.json").exists()
    assert not (where / "adapter").exists()


def test_what_lies_beyond_the_kl_limit_is_not_kept_as_good(
    fresh: Fresh, folder: Path, tmp_path: Path
) -> None:
    setting = replace(QUICK, kl=1e-6, kl_start=1e-6, lr=0.03)
    free = solo(fresh(), tmp_path / "a", (Economicus(), 4), setting=setting)
    far = [row["kl"] for row in free]
    assert far[3] > 2 * far[2] > 0
    model, where = fresh(), tmp_path / "b"
    some = prompt_sets(model, [ipd()], [Phase(Economicus(), 4)], [FRAME], NOISY)
    with pytest.raises(
        HominesError, match=r"before step 4 of 4: the KL .* nats, over --kl-limit; .*last_good"
    ):
        rl(model, some, replace(setting, kl_limit=(far[2] + far[3]) / 2), where)
    good = load(str(folder), (str(where / "last_good"),), device="cpu")
    assert alike(answers(good, some), free[2]["p"])


def test_a_gradient_that_is_no_number_never_reaches_the_weights(
    fresh: Fresh, folder: Path, tmp_path: Path
) -> None:
    asked: list[int] = []

    def breaking(setting: Settings, signals: Signals) -> Any:
        asked.append(len(asked))
        out = objective(setting, signals)
        return replace(out, loss=out.loss + (0 * signals.logp.sum()).abs().sqrt()) if len(asked) == 3 else out

    model, rows = fresh(), []
    some = prompt_sets(model, [ipd()], [Phase(Economicus(), 4)], [FRAME], NOISY)
    with pytest.raises(HominesError, match=r"before step 3 of 4: a gradient is not finite; .*last_good"):
        rl(model, some, QUICK, tmp_path / "run", follow=Follow(step=rows.append), goal=breaking)
    good = answers(load(str(folder), (str(tmp_path / "run" / "last_good"),), device="cpu"), some)
    assert not alike(good, rows[-1]["p"])  # the second step's adapter, sound when the third asked it
    assert all(np.isfinite(p).all() for p in good.values())


def test_where_the_first_step_fails_there_is_nothing_to_keep(student: HuggingFace, tmp_path: Path) -> None:
    some = prompt_sets(student, [ipd()], [Phase(always(float("nan")), 2)], [FRAME], NOISY)
    with pytest.raises(HominesError, match=r"before step 1 of 2: .*nothing had been learned yet"):
        rl(student, some, QUICK, tmp_path)
    assert not (tmp_path / "last_good").exists()


def test_a_fall_of_the_legal_mass_stops_a_learner_and_only_its_own_counts(
    student: HuggingFace, tmp_path: Path
) -> None:
    guard = Guard(student, student.net, Settings(), tmp_path, 10)

    def heard(mass: float) -> Outcome:
        return Outcome(torch.tensor(0.0), 0.0, mass, 0.0, torch.full((1, 4, 2), 0.5))

    guard.check(heard(0.01), 0)
    guard.check(heard(0.9), 1)
    guard.check(heard(0.02), 1, "rival")
    guard.check(heard(0.1), 2)
    with pytest.raises(HominesError, match=r"fell from 0.90 to 0.050: the network is coming apart"):
        guard.check(heard(0.05), 3)

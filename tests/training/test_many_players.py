"""Training among n - 1 others, and on games of several shapes together."""

from __future__ import annotations

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
from homines.core.registry import find
from homines.core.types import Choice, Decision, Policy
from homines.elicitation.questions import battery
from homines.frames.bare import Bare
from homines.games.ipd import ipd
from homines.games.public_goods_iterated import public_goods_iterated
from homines.models.hf import HuggingFace
from homines.opponents.conditional_contributor import ConditionalContributor
from homines.opponents.linear_contributor import LinearContributor
from homines.opponents.random import Random
from homines.preferences.deontological import Deontological
from homines.preferences.economicus import Economicus
from homines.preferences.utilitarian import Utilitarian
from homines.theory.chain import chain
from homines.theory.game_forms import Repeated
from homines.training.exact import rl
from homines.training.objective import Outcome, Signals, objective
from homines.training.plan import UNREAD, Alignment
from homines.training.prompt_sets import MixedSets, PromptSets, mixed_sets, prompt_sets
from homines.training.rollout import Rollout, check_settings
from homines.training.schedule import Phase
from homines.training.self_play import CrowdMirror
from homines.training.settings import AlignmentPlan, Settings

FRAME = Bare("action1,action2")
QUICK = Settings(rank=4, lr=1e-2, kl=0.0, text_kl=0.0)
OTHERS = (LinearContributor(), ConditionalContributor(0.5, error=0.1), Random(0.3))


def sets_of(game: Repeated, opponent: Policy | None = None) -> PromptSets:
    itself = opponent is None
    return prompt_sets(UNREAD, [game], [Phase(Utilitarian(), 1)], [FRAME], opponent, itself=itself)


def as_policy(game: Repeated, p: Any) -> Policy:
    """The policy with these rates of the first action, by state."""
    rates = {d.key: float(x) for d, x in zip(game.remembered(), p, strict=True)}

    def answer(ds: Any) -> list[Choice]:
        return [Choice.at([rates[d.key], 1 - rates[d.key]]) for d in ds]

    return answer


def outcome(some: PromptSets, x: torch.Tensor, replies: torch.Tensor, setting: Settings) -> Outcome:
    batch = some.batch(range(len(x)))
    return objective(setting, Signals(x, batch.utility[0], replies, some.follows))


@given(st.integers(2, 6), st.sampled_from(OTHERS), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_the_discounted_return_is_the_chains(players: int, other: Policy, seed: int) -> None:
    game = public_goods_iterated(players)
    some = sets_of(game, opponent=other)
    assert len(some.states) == 2 * players
    p = np.random.default_rng(seed).uniform(0.05, 0.95, 2 * players)
    x = torch.tensor(np.log([[[q, 1 - q] for q in p]]))
    assert some.replies is not None
    got = outcome(some, x, some.replies[:1], Settings(objective="discounted", gamma=0.8))
    played = chain(game, [as_policy(game, p), *[other] * (players - 1)])
    assert got.reward == pytest.approx(float(played.discounted(0.8) @ played.utility(Utilitarian())))


@given(st.integers(2, 6), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_among_its_like_it_meets_what_the_chain_of_all_says(players: int, seed: int) -> None:
    game = public_goods_iterated(players)
    some = sets_of(game)
    p = np.random.default_rng(seed).uniform(0.05, 0.95, 2 * players)
    x = torch.tensor(np.log([[[q, 1 - q] for q in p]])).requires_grad_()
    replies = some.batch([0]).others_play(x, None)
    played = chain(game, [as_policy(game, p)] * players)
    assert not replies.requires_grad
    assert np.allclose(replies[0], [c.p for c in played.choices[1]])
    got = outcome(some, x, replies, Settings(objective="discounted", gamma=0.8))
    assert got.reward == pytest.approx(float(played.discounted(0.8) @ played.utility(Utilitarian())))


@pytest.mark.parametrize("kind", ["myopic", "discounted"])
@pytest.mark.parametrize("itself", [False, True])
def test_gradients_equal_finite_differences(kind: str, itself: bool) -> None:
    """Of the learner's own return, the others' play held where it is."""
    game = public_goods_iterated(5)
    some = sets_of(game, opponent=None if itself else OTHERS[0])
    torch.manual_seed(0)
    x = torch.log_softmax(torch.randn(2, 10, 3), -1)[..., :2].double().requires_grad_()
    replies, setting = some.batch([0, 1]).others_play(x, None), Settings(objective=kind)

    def loss(at: torch.Tensor) -> float:
        return outcome(some, at, replies, setting).loss.item()

    outcome(some, x, replies, setting).loss.backward()
    assert x.grad is not None
    for index in [(0, 0, 0), (1, 4, 1), (0, 9, 1)]:
        nudge = torch.zeros_like(x)
        nudge[index] = 1e-5
        slope = (loss(x.detach() + nudge) - loss(x.detach() - nudge)) / 2e-5
        assert x.grad[index].item() == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_of_two_players_it_is_the_ordinary_training() -> None:
    """Tit for tat is the conditional contributor among two; the states stand in the same order."""
    counts = public_goods_iterated(2, endowment=4, multiplier=1.5)
    whole = find("games", "symmetric(reward=6, sucker=3, temptation=7, punishment=4)")
    for opponent in (ConditionalContributor(), LinearContributor()):
        one, two = sets_of(counts, opponent=opponent), sets_of(whole, opponent=opponent)
        assert torch.allclose(one.utility, two.utility)
        assert one.replies is not None
        assert two.replies is not None
        assert torch.allclose(one.replies, two.replies)
        assert torch.equal(one.follows, two.follows)  # pyright: ignore[reportArgumentType]
    own = torch.rand(3, 4, 2, dtype=torch.float64).softmax(-1)
    mirrors = sets_of(counts).mirror, sets_of(whole).mirror
    assert isinstance(mirrors[0], CrowdMirror)
    assert mirrors[1] is not None
    assert torch.allclose(mirrors[0](own), mirrors[1](own))


def test_walkers_meet_what_the_exact_training_holds() -> None:
    game, opponent = public_goods_iterated(4), LinearContributor()
    some = sets_of(game, opponent=opponent)
    walk = Rollout(UNREAD, [game], [Phase(Utilitarian(), 1)], [FRAME], opponent, memory=1, count=30, seed=0)
    exact = dict(zip(some.states, some.replies[0], strict=True))  # pyright: ignore[reportOptionalSubscript]
    met: set[str] = set()
    for _ in range(6):
        batch = walk.batch([0])
        assert batch.replies is not None
        for state, replies in zip(walk.states, batch.replies[0], strict=True):
            assert torch.allclose(replies, exact[state])
            met.add(state)
        walk.advance(torch.full((1, 30, 2), 0.5))
    assert len(met) > 4


# --- games of several shapes ---------------------------------------------------------------------

GAMES = ("ipd", "public_goods_iterated(players=3)", "public_goods_iterated(players=5)", "spd(3)", "av")
"""Each of a shape of its own."""


def mixture(model: Any = UNREAD, *more: str) -> MixedSets:
    games = {spec: find("games", spec) for spec in (*GAMES, *more)}
    decisions = {k: g if isinstance(g, Repeated) else battery(g) for k, g in games.items()}
    some = mixed_sets(model, decisions, [Phase(Economicus(), 1)], [FRAME], ConditionalContributor())
    assert isinstance(some, MixedSets)
    return some


def test_every_part_is_what_it_is_alone() -> None:
    some = mixture()
    assert [len(part.states) for part in some.parts] == [4, 6, 10, 3, 1]
    assert [part.once for part in some.parts] == [False] * 3 + [True] * 2
    assert some.parts[0].states[0] == "ipd C,C"
    names = [name for part in some.parts for name in part.states]
    assert len(set(names)) == len(names)
    alone = prompt_sets(
        UNREAD, [find("games", GAMES[1])], [Phase(Economicus(), 1)], [FRAME], ConditionalContributor()
    )
    assert torch.equal(some.parts[1].utility, alone.utility)
    assert some.sets[len(some.parts[0].sets)] == alone.sets[0]
    divided = list(some.divide([0, len(some.sets) - 1, 1]))
    assert [(part.states, local, chosen) for part, local, chosen in divided] == [
        (some.parts[0].states, [0, 1], [0, 1]),
        (some.parts[-1].states, [len(some.parts[-1].sets) - 1], [len(some.sets) - 1]),
    ]


def test_a_game_played_once_has_its_reward_for_a_return() -> None:
    some = mixture()
    check_settings(some, Settings(objective="discounted"))
    once, x = some.parts[3], torch.log_softmax(torch.randn(1, 3, 3), -1)[..., :2].double()
    batch = once.batch([0])
    assert batch.replies is not None
    ways = [
        objective(Settings(objective=kind), Signals(x, batch.utility[0], batch.replies, once.follows))
        for kind in ("myopic", "discounted")
    ]
    assert ways[0].reward == pytest.approx(ways[1].reward)


def test_one_loss_of_several_parts_is_their_mean_by_sets(
    student: HuggingFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from homines.training.exact_trainer import Learners

    seen: list[Outcome] = []
    taken: list[float] = []
    whole = Learners.loss

    def noting(*given: Any) -> Outcome:
        seen.append(objective(*given))
        return seen[-1]

    def keeping(*given: Any) -> torch.Tensor:
        loss = whole(*given)
        taken.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(Learners, "loss", keeping)
    rows: list[dict[str, Any]] = []
    some = mixture(student, "ish", "icn")  # of the first shape there are three games then
    assert len({len(part.sets) for part in some.parts}) == 2
    one = Settings(rank=4, lr=1e-2, kl=0.0, text_kl=0.0, sets=len(some.sets))
    rl(student, some, one, tmp_path, goal=noting, follow=Follow(step=rows.append))
    first = seen[: len(some.parts)]
    weights = [len(part.sets) / len(some.sets) for part in some.parts]
    mean = sum(w * float(o.loss.detach()) for w, o in zip(weights, first, strict=True))
    assert taken[0] == pytest.approx(mean)
    assert rows[0]["loss"] == pytest.approx(mean)
    assert rows[0]["p"].keys() == {name for part in some.parts for name in part.states}
    assert rows[0]["highest_regret"] == pytest.approx(max(max(o.highest or ()) for o in first))


def test_a_plan_over_both_is_made() -> None:
    frames = ("bare(labels='action1,action2')",)
    for games in (("ipd", "av"), ("av", "ipd"), ("public_goods_iterated", "ipd", "spd(3)")):
        plan = AlignmentPlan("mock", "economicus", game=games[0], more_games=games[1:], frames=frames)
        assert plan.opponent == ("tit_for_tat" if "av" in games else "conditional_contributor")
        assert isinstance(Alignment.of(plan).prompt_source(), MixedSets)
    alone = AlignmentPlan("mock", "economicus", game="commons_iterated", opponent="self", frames=frames)
    source = Alignment.of(alone).prompt_source()
    assert isinstance(source, PromptSets)
    assert isinstance(source.mirror, CrowdMirror)


# --- what is learned -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("multiplier", "preference", "others", "cooperates"),
    [
        (6, Economicus(), LinearContributor(), [True] * 6),  # a share of more than is given
        (0, Economicus(), LinearContributor(), [False] * 6),  # what is given is lost
        (1.6, Utilitarian(), None, [True] * 6),  # among its like
        (1.6, Economicus(), None, [False] * 6),
        (1.6, Deontological("graded_betrayal"), LinearContributor(), [True, True, None] * 2),
    ],
)
def test_what_is_best_is_learned(
    fresh: Callable[[], HuggingFace],
    tmp_path: Path,
    multiplier: float,
    preference: Any,
    others: Policy | None,
    cooperates: list[bool | None],
) -> None:
    """None: neither answer is forbidden after nobody cooperated."""
    model, game = fresh(), public_goods_iterated(3, multiplier=multiplier)
    some = prompt_sets(model, [game], [Phase(preference, 60)], [FRAME], others, itself=others is None)
    rows: list[dict[str, Any]] = []
    rl(model, some, replace(QUICK, sets=2, save_every=100), tmp_path, follow=Follow(step=rows.append))
    for p, want in zip(rows[-1]["p"].values(), cooperates, strict=True):
        if want is not None:
            assert (p[0] > 0.8) is want
            assert (p[0] < 0.2) is not want


def test_graded_duty_grows_with_those_who_cooperated() -> None:
    game = public_goods_iterated(5)
    for d in game.remembered():
        did = 4 - (d.history[-1][1] or 0)
        graded, whole = Deontological("graded_betrayal", 3)(d), Deontological("betrayal", 3)(d)
        assert np.allclose(graded[1], -3 * did / 4)
        assert np.allclose(whole[1], -3 * (did == 4))
        assert not graded[0].any()
    first: Decision = game.remember(0, ())
    assert not Deontological("graded_betrayal")(first).any()
    for d in ipd().memory_one():
        assert np.allclose(Deontological("graded_betrayal")(d), Deontological("betrayal")(d))

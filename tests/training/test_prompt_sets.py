"""What is taught: rounds remembered, several games, several phases; and walkers who meet states as they
come."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from homines.core.progress import Follow
from homines.core.types import Choice, Decision, HominesError, Interrupted, Prompt
from homines.elicitation.questions import battery
from homines.frames.table import Table
from homines.games.bos import bos
from homines.games.dictator import dictator
from homines.games.ipd import ipd
from homines.games.ish import ish
from homines.games.public_goods import public_goods
from homines.games.spd import spd
from homines.models.hf import HuggingFace
from homines.opponents import opponent
from homines.opponents.always_defect import AlwaysDefect
from homines.opponents.memory_one import MemoryOne
from homines.preferences.economicus import Economicus
from homines.preferences.utilitarian import Utilitarian
from homines.theory.chain import chain
from homines.theory.game_forms import NormalForm, Repeated
from homines.theory.strategies import first_or_second
from homines.training.exact import rl
from homines.training.objective import Signals, objective
from homines.training.prompt_sets import PromptSets, StateSpace, next_states, prompt_sets
from homines.training.rollout import EPISODE, Rollout, check_settings
from homines.training.schedule import Phase
from homines.training.settings import Settings

NOISY = MemoryOne(0.5, 0.9, 0.2, 0.7, 0.4)
FRAME, DEEP = Table("action1,action2"), Table("action1,action2", memory=2)
PHASES = (Phase(Economicus(), 2), Phase(Utilitarian(), 2))


class Forgiving:
    """C but after two D of the other in a row."""

    memory: float = 2

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [first_or_second(int([s[1 - d.player] for s in d.history[-2:]] == [1, 1])) for d in ds]


class Unread:
    """In place of a model, where nobody reads the prompts."""

    def encode(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        return list(prompts)


UNREAD: Any = Unread()


def two(other: Any = NOISY) -> PromptSets:
    """The ipd with two rounds remembered."""
    return prompt_sets(UNREAD, [ipd()], PHASES, [DEEP], other, space=StateSpace(memory=2))


# --- several rounds remembered -------------------------------------------------------------------


def test_two_rounds_make_sixteen_states_each_told_apart() -> None:
    some = two()
    assert len(some.states) == len(set(some.states)) == 16
    assert some.states[:3] == ("C,C C,C", "C,C C,D", "C,C D,C")
    assert [len({p.text for p in shown}) for shown in some.prompts] == [16] * 4
    assert len({p.text for shown in some.prompts for p in shown}) == 64


@pytest.mark.parametrize("memory", [1, 2, 3])
@pytest.mark.parametrize("seat", [0, 1])
def test_what_follows_is_the_past_less_its_oldest_round(memory: int, seat: int) -> None:
    pasts = ipd().pasts(memory)
    table = next_states(ipd(), memory, seat)
    assert table.shape == (4**memory, 2, 2)
    for i, past in enumerate(pasts):
        for mine in (0, 1):
            for other in (0, 1):
                last = (mine, other) if seat == 0 else (other, mine)
                assert pasts[table[i, mine, other]] == (*past[1:], last)


@pytest.mark.parametrize("other", [NOISY, Forgiving()])
def test_the_discounted_objective_is_the_return_of_the_deeper_chain(other: Any) -> None:
    some = two(other)
    p = torch.rand(1, 16, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.1
    p = p / p.sum(-1, keepdim=True)
    batch = some.batch([0])
    assert batch.replies is not None
    setting = Settings(objective="discounted", gamma=0.8)
    got = objective(setting, Signals(p.log(), batch.utility[1], batch.replies, some.follows))
    states = ipd().pasts(2)

    class Mine:
        memory = 2

        def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
            return [Choice.at(p[0, states.index(d.history)].numpy()) for d in ds]

    played = chain(ipd(), [Mine(), other], memory=2)
    assert got.reward == pytest.approx(float(played.discounted(0.8) @ played.utility(Utilitarian())))


def test_an_opponent_that_looks_further_back_is_refused_with_the_remedy() -> None:
    with pytest.raises(HominesError, match=r"looks back 2 rounds, the run remembers 1; use --memory 2, or "):
        prompt_sets(UNREAD, [ipd()], PHASES, [FRAME], Forgiving())
    far = Forgiving()
    for depth, said in (
        (5, r"5 rounds, the run remembers 2; use --memory 5, or --sample 8"),
        (6, r"6 rounds, the run remembers 2; use --sample 8"),
        (math.inf, r"any number of rounds, the run remembers 2; use --sample 8"),
    ):
        far.memory = depth
        with pytest.raises(HominesError, match=f"looks back {said}"):
            two(far)


def test_too_many_states_are_refused_with_the_remedy() -> None:
    with pytest.raises(HominesError, match=r"memory 6 makes 4\^6 = 4096 states.*smaller memory, or train on"):
        prompt_sets(UNREAD, [ipd()], PHASES, [FRAME], NOISY, space=StateSpace(memory=6))


# --- phases, games, seats ------------------------------------------------------------------------


def test_every_phase_and_game_has_its_own_worth() -> None:
    games = [ipd(), ish(), bos()]
    some = prompt_sets(UNREAD, games, PHASES, [FRAME, Table("X,Y")], NOISY)
    assert some.utility.shape == (2, 3 * 2 * 4, 4, 2, 2)
    assert some.steps == (2, 2)
    for i, game in enumerate(games):
        for s, d in enumerate(game.memory_one()):
            for phase, (preference, total) in enumerate(((Economicus(), 1), (Utilitarian(), 2))):
                held = some.utility[phase, 8 * i : 8 * i + 8, s].numpy()
                assert np.allclose(held, preference(d))
                assert np.allclose(held, d.payoffs[:total].sum(0))
        assert some.replies is not None
        assert torch.equal(some.replies[8 * i], some.replies[0])
    texts = [{p.text for p in shown} for shown in some.prompts]
    assert not texts[0] & texts[8]


def test_decisions_taken_once_may_differ_in_how_many_acts_the_others_have() -> None:
    decisions = battery(spd(3))
    sets = prompt_sets(UNREAD, decisions, PHASES, [FRAME])
    assert sets.utility.shape == (2, 4, len(decisions), 2, 1)


def test_from_the_second_seat_all_is_seen_from_there() -> None:
    some = prompt_sets(UNREAD, [bos()], PHASES, [FRAME], space=StateSpace(seat=1))
    assert some.states == ("C,C", "D,C", "C,D", "D,D")
    assert some.replies is None
    for s, d in enumerate(bos().memory_one(1)):
        assert np.allclose(some.utility[0, 0, s], d.payoffs[0])
    with pytest.raises(HominesError, match="depends on a second learner"):
        some.offered()


def test_states_to_keep_are_the_same_rounds_from_both_seats() -> None:
    """Else one learner would be rewarded for the other's answer to another question."""
    here, there = (
        prompt_sets(UNREAD, [ipd()], PHASES, [FRAME], space=StateSpace(seat=seat, names=["C,C", "C,D"]))
        for seat in (0, 1)
    )
    assert (here.states, there.states) == (("C,C", "C,D"), ("C,C", "D,C"))
    assert here.follows is None


def test_games_that_cannot_be_taught_together_are_refused() -> None:
    for some in ([ipd(), Repeated(NormalForm.two(("A", "B"), [[1, 2], [3, 4]]))], []):
        with pytest.raises(HominesError, match="decisions that share their actions"):
            prompt_sets(UNREAD, some, PHASES, [FRAME], NOISY)
    with pytest.raises(HominesError, match="not taught together"):
        prompt_sets(UNREAD, [ipd(), *battery(dictator(step=50))], PHASES, [FRAME], NOISY)  # pyright: ignore[reportArgumentType]


# --- walkers -------------------------------------------------------------------------------------


def walk(model: Any, other: Any = NOISY, memory: int = 1, count: int = 8, **changes: Any) -> Rollout:
    fixed: dict[str, Any] = {"games": [ipd()], "phases": PHASES, "frames": [replace(FRAME, memory=memory)]}
    return Rollout(model=model, opponent=other, memory=memory, count=count, seed=0, **(fixed | changes))


def stroll(some: Rollout, mine: MemoryOne, rounds: int) -> dict[str, int]:
    """Walk with this strategy in place of a learner; how often each state was met."""
    met = dict.fromkeys(["C,C", "C,D", "D,C", "D,D"], 0)
    for _ in range(rounds):
        some.batch([0])
        p = {"C,C": mine.cc, "C,D": mine.cd, "D,C": mine.dc, "D,D": mine.dd}
        for state in some.states:
            met[state] += 1
        some.advance(torch.tensor([[[p[state], 1 - p[state]] for state in some.states]]))
    return met


@pytest.mark.parametrize("other", [MemoryOne(0.5, 0.8, 0.4, 0.1, 0.3), AlwaysDefect()])
def test_walkers_meet_states_as_often_as_the_chain_says(other: Any) -> None:
    """Over whole episodes, each from a random round."""
    mine = MemoryOne(0.5, 0.95, 0.8, 0.1, 0.6)
    met = stroll(walk(UNREAD, other, count=150), mine, 4 * EPISODE)
    played = chain(ipd(), [mine, other])
    powers = [played.start()]
    for _ in range(EPISODE - 1):
        powers.append(powers[-1] @ played.transition)
    share, want = np.array(list(met.values())) / sum(met.values()), np.mean(powers, axis=0)
    assert sum(met.values()) == 150 * 4 * EPISODE
    assert np.allclose(share, want, atol=0.02)
    assert abs(want[1] - want[2]) > 0.1  # exchanged players would be seen


def test_walkers_are_asked_what_they_face() -> None:
    some = walk(UNREAD, count=30, games=[ipd(), ish()], frames=[FRAME, Table("X,Y")])
    stroll(some, NOISY, 3)
    batch = some.batch([0])
    assert batch.replies is not None
    assert (batch.utility.shape, batch.replies.shape) == ((2, 1, 30, 2, 2), (1, 30, 2))
    prompts: Any = batch.encoded[0]
    for i, (g, f, _, _, past) in enumerate(some.walkers):
        (mine, other) = past[-1]
        d = some.games[g].seat(0, ((mine, other),))
        assert some.states[i] == f"{'CD'[mine]},{'CD'[other]}"
        assert np.allclose(batch.utility[0, 0, i], d.payoffs[0])
        assert np.allclose(batch.utility[1, 0, i], d.payoffs.sum(0))
        assert float(batch.replies[0, i, 0]) == pytest.approx(
            ((NOISY.cc, NOISY.cd), (NOISY.dc, NOISY.dd))[other][mine]
        )
        assert prompts[i].labels == (("action1", "action2"), ("X", "Y"))[f]
        assert prompts[i].text in {
            some.frames[f](d, (one, last)).text for one in ((0, 1), (1, 0)) for last in ((0, 1), (1, 0))
        }
    assert len({(g, f, o) for g, f, o, *_ in some.walkers}) > 8


def test_an_opponent_of_any_depth_walks_along() -> None:
    some = walk(UNREAD, opponent("axelrod:TitFor2Tats"), count=12)
    seen: set[tuple[str, float]] = set()
    for _ in range(6):
        batch = some.batch([0])
        assert batch.replies is not None
        for state, (*_, past), q in zip(some.states, some.walkers, batch.replies[0], strict=True):
            assert float(q[1]) == float([mine for mine, _ in past[-2:]] == [1, 1])
            seen.add((state[0], float(q[1])))
        some.advance(torch.full((1, 12, 2), 0.5))
    assert {("D", 0.0), ("D", 1.0)} <= seen  # alike to who remembers one round, and yet it knows


def test_one_that_draws_has_draws_of_its_own_in_every_episode() -> None:
    """From the 12th round on FirstByTullock meets all C with a D now and then: not every walker's in the
    same rounds, nor a walker's in the same rounds of every episode."""
    some = walk(UNREAD, opponent("axelrod:FirstByTullock"))
    episodes: list[torch.Tensor] = []
    for _ in range(2):
        some.walkers = [walker._replace(past=[[0, 0]]) for walker in some.walkers]
        defected: list[torch.Tensor] = []
        for _ in range(EPISODE):
            replies = some.batch([0]).replies
            assert replies is not None
            defected.append(replies[0, :, 1])
            some.advance(torch.tensor([[[1.0, 0.0]] * 8]))
        episodes.append(torch.stack(defected, 1))
    one, two = episodes
    assert not torch.equal(one, two)
    for walkers in episodes:
        assert 0 < walkers.mean() < 0.2
        assert not torch.equal(walkers, walkers[:1].expand_as(walkers))


def test_who_draws_goes_on_drawing_what_it_would_have_drawn() -> None:
    one, two = (walk(UNREAD, opponent("axelrod:Inverse")) for _ in range(2))
    two.rng.random(5)
    two.walkers = two.walkers[::-1]
    stroll(one, NOISY, 3)
    two.restore(json.loads(json.dumps(one.position())))
    for _ in range(EPISODE):
        here, there = one.batch([0]).replies, two.batch([0]).replies
        assert here is not None
        assert there is not None
        assert torch.equal(here, there)
        for some in (one, two):
            some.advance(torch.full((1, 8, 2), 0.5))


def test_a_stopped_walk_goes_on_where_it_stood(fresh: Callable[[], HuggingFace], tmp_path: Path) -> None:
    setting = Settings(rank=4, lr=1e-2, save_every=1, sample=6)

    def rows(where: Path, stop: Callable[[], bool] = lambda: False) -> list[dict[str, Any]]:
        model, out = fresh(), []
        with suppress(Interrupted):
            rl(model, walk(model, count=6), setting, where, follow=Follow(step=out.append, stop=stop))
        return out

    whole = rows(tmp_path / "a")
    calls = iter((False, True))
    torn = rows(tmp_path / "b", lambda: next(calls))
    assert [r["step"] for r in torn] == [1, 2]
    torn += rows(tmp_path / "b")
    assert [r["step"] for r in torn] == [1, 2, 3, 4]
    for one, two in zip(torn, whole, strict=True):
        assert one["p"].keys() == two["p"].keys()
        assert one["p"] == {k: pytest.approx(v, rel=1e-5) for k, v in two["p"].items()}
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)


def test_a_walk_that_cannot_be_is_refused() -> None:
    with pytest.raises(HominesError, match="two-player games that share their actions"):
        walk(UNREAD, games=[Repeated(public_goods(3))])
    with pytest.raises(HominesError, match=r"rank is 0 .* give --rank 8 or more"):
        check_settings(walk(UNREAD), Settings(rank=0, sample=8))

"""A learner that meets itself: what it faces is its own play, seen from the other seat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from homines.core.progress import Follow
from homines.core.types import HominesError, Prompt
from homines.frames.bare import Bare
from homines.games.ipd import ipd
from homines.games.pricing import pricing
from homines.models.hf import HuggingFace
from homines.opponents.memory_one import MemoryOne
from homines.preferences.economicus import Economicus
from homines.preferences.moralis import Moralis
from homines.theory.chain import chain
from homines.training.exact import rl
from homines.training.objective import objective
from homines.training.plan import Alignment
from homines.training.prompt_sets import StateSpace, prompt_sets
from homines.training.rollout import EPISODE, Rollout, check_settings
from homines.training.schedule import Phase
from homines.training.settings import AlignmentPlan, Settings

FRAME = Bare("action1,action2")
QUICK = Settings(rank=4, lr=1e-2, sets=2, kl=0.0)
MINE = MemoryOne(0.5, 0.95, 0.8, 0.1, 0.6)


class Unread:
    """In place of a model, where nobody reads the prompts."""

    def encode(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        return list(prompts)


UNREAD: Any = Unread()


def walk(count: int = 8, game: Any = None) -> Rollout:
    phases = [Phase(Economicus(), 2)]
    frames = [FRAME if game is None else Bare()]
    return Rollout(UNREAD, [game or ipd()], phases, frames, None, memory=1, count=count, seed=0)


def test_what_is_met_is_the_same_state_from_the_other_seat() -> None:
    some = prompt_sets(UNREAD, [ipd()], [Phase(Economicus(), 1)], [FRAME], itself=True)
    assert some.mirror is not None
    assert [some.states[i] for i in some.mirror.index] == ["C,C", "D,C", "C,D", "D,D"]
    check_settings(some, Settings())
    kept = prompt_sets(
        UNREAD,
        [ipd()],
        [Phase(Economicus(), 1)],
        [FRAME],
        itself=True,
        space=StateSpace(names=["C,D", "D,C"]),
    )
    assert kept.mirror is not None
    assert kept.mirror.index.tolist() == [1, 0]
    with pytest.raises(HominesError, match="name both in --states"):
        prompt_sets(
            UNREAD, [ipd()], [Phase(Economicus(), 1)], [FRAME], itself=True, space=StateSpace(names=["C,D"])
        )


def test_walkers_in_pairs_stand_in_one_game_and_meet_what_its_chain_says() -> None:
    some, met = walk(100), dict.fromkeys(["C,C", "C,D", "D,C", "D,D"], 0)
    p = {"C,C": MINE.cc, "C,D": MINE.cd, "D,C": MINE.dc, "D,D": MINE.dd}
    for _ in range(4 * EPISODE):
        batch = some.batch([0])
        assert batch.replies is None
        assert batch.mirror is not None
        for i, state in enumerate(some.states):
            met[state] += 1
            assert some.states[int(batch.mirror.index[i])] == state[::-1]
        some.advance(torch.tensor([[[p[state], 1 - p[state]] for state in some.states]]))
    played = chain(ipd(), [MINE, MINE])
    powers = [played.start()]
    for _ in range(EPISODE - 1):
        powers.append(powers[-1] @ played.transition)
    share = np.array(list(met.values())) / sum(met.values())
    assert np.allclose(share, np.mean(powers, axis=0), atol=0.03)


def test_a_walk_of_pairs_goes_on_where_it_stood() -> None:
    one, two = walk(4, pricing(points=4)), walk(4, pricing(points=4))
    flat = torch.full((1, 4, 4), 0.25)
    for some in (one, two):
        some.batch([0])
        some.advance(flat)
    held = one.position()
    two.restore(held)
    for some in (one, two):
        some.batch([0])
        some.advance(flat)
    assert one.walkers == two.walkers


def test_what_it_meets_is_its_own_play_and_has_no_gradient(student: HuggingFace, tmp_path: Path) -> None:
    calls: list[tuple[Any, ...]] = []

    def noting(*given: Any) -> Any:
        calls.append(given)
        return objective(*given)

    some = prompt_sets(student, [ipd()], [Phase(Economicus(), 1)], [FRAME], itself=True)
    rl(student, some, QUICK, tmp_path, goal=noting)
    ((_, signals),) = calls
    own = signals.logp.detach().double().softmax(-1)
    assert torch.allclose(signals.replies, own[:, [0, 2, 1, 3]])
    assert not signals.replies.requires_grad


@pytest.mark.parametrize(("preference", "cooperates"), [(Economicus(), False), (Moralis(1.0), True)])
def test_among_its_like_economicus_defects_and_moralis_cooperates(
    fresh: Callable[[], HuggingFace], tmp_path: Path, preference: Any, cooperates: bool
) -> None:
    model = fresh()
    some = prompt_sets(model, [ipd()], [Phase(preference, 40)], [FRAME], itself=True)
    rows: list[dict[str, Any]] = []
    rl(model, some, replace(QUICK, save_every=100), tmp_path, follow=Follow(step=rows.append))
    for p in rows[-1]["p"].values():
        assert (p[0] > 0.9) is cooperates
        assert (p[0] < 0.1) is not cooperates


def test_who_has_no_like_is_refused() -> None:
    with pytest.raises(HominesError, match="symmetric games of two players"):
        Alignment.of(AlignmentPlan("mock", "economicus", game="bos", opponent="self"))
    with pytest.raises(HominesError, match="3 players cannot meet in pairs; give an even --sample"):
        Alignment.of(AlignmentPlan("mock", "economicus", opponent="self", settings=Settings(sample=3)))
    Alignment.of(AlignmentPlan("mock", "economicus", opponent="self", settings=Settings(sample=4)))

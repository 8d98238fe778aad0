"""Plans: what they spell out and refuse before anything is loaded; and a pair from plan to evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.core.progress import Follow
from homines.core.registry import TrustedSpec, find
from homines.core.run_folder import RunFolder, StoreError
from homines.core.types import Array, Decision, HominesError, Interrupted
from homines.elicitation.questions import situation
from homines.games.ipd import ipd
from homines.training.lifecycle import align
from homines.training.plan import Alignment, plan_opponent, sample_decisions
from homines.training.prompt_sets import PromptSets
from homines.training.rollout import Rollout
from homines.training.settings import AlignmentPlan, Settings, few

QUICK = Settings(rank=4, lr=1e-2, steps=2)
BARE = "bare(labels='action1,action2')"


@dataclass(frozen=True)
class Shortsighted:
    """A preference that knows nothing of four rounds and more."""

    def __call__(self, d: Decision) -> Array:
        if len(d.history) > 3:
            raise HominesError("too long a story")
        return d.payoffs[0]


SHORTSIGHTED = TrustedSpec("tests.training.test_align:Shortsighted")


def plan(**changes: Any) -> AlignmentPlan:
    """A plan whose model is nowhere: nothing of it may be loaded."""
    return AlignmentPlan(
        **(
            {"model": "hf/nowhere", "preference": "economicus", "rewordings": False, "side_effects": False}
            | changes
        )
    )


def test_frames_tell_as_many_rounds_as_are_remembered() -> None:
    frames = ("table(labels='X,Y')", "sentences(labels='X,Y', memory=3)")
    some = plan(memory=2, frames=frames, transfer_frames=("story(labels='X,Y')",))
    made = [find("frames", spec).memory for spec in (*some.frames, *some.transfer_frames)]
    assert made == [2, 3, 2]
    assert [find("frames", spec).memory for spec in plan(frames=frames).frames] == [1, 3]
    lesson = Alignment.of(some).prompt_source()
    assert isinstance(lesson, PromptSets)
    assert len(lesson.states) == 16
    assert len({p.text for p in lesson.prompts[0]}) == 16


def test_steps_are_those_of_the_schedule() -> None:
    assert plan(settings=QUICK).steps == 2
    assert plan(preference="economicus:5", settings=QUICK).steps == 5
    unlearning = plan(preference="economicus:5 -> utilitarian", rival="utilitarian:7", settings=QUICK)
    assert unlearning.steps == 7
    again = replace(unlearning, settings=replace(QUICK, seed=1))
    assert (again.preference, again.rival) == (unlearning.preference, unlearning.rival)
    made = Alignment.of(unlearning)
    assert made.rival is not None
    assert [[phase.steps for phase in phases] for phases in (made.phases, made.rival)] == [[5, 2], [7]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preference": "nonsense:3"}, "no preference called 'nonsense'"),
        ({"preference": "economicus -> "}, "empty phase"),
        ({"rival": "economicus:0"}, "gives 'economicus' 0 steps"),
        ({"by": "luck"}, "no road called 'luck'; there are rl, grpo, rloo"),
        ({"warmup": 3}, "warmup is 3; .* the exact one needs none"),
        ({"frames": ("nonsense",)}, "no frame called 'nonsense'"),
        ({"memory": 0}, "memory must be a whole number of at least 1, got 0"),
        (
            {"rival": "economicus", "opponent": "grim"},
            "opponent is 'grim' and rival 'economicus.*drop --opponent or --rival",
        ),
        ({"game": "dictator", "opponent": "grim"}, "opponent is 'grim', but dictator is no repeated game"),
        ({"game": "dictator", "memory": 2}, "memory is 2, but dictator is no repeated game.* drop --memory"),
        ({"settings": Settings(sample=8, sets=2)}, "sets is 2 and sample 8; .* drop --sets"),
        ({"transfer_frames": ("table(labels='action1,action2')",)}, "is trained on .*drop it from --unseen"),
        ({"transfer_games": ("ish", "ipd")}, "ipd is trained on .*drop it from --other-game"),
        ({"more_games": ("ish",), "transfer_games": ("ish",)}, "ish is trained on"),
    ],
)
def test_a_plan_that_cannot_be_read_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(HominesError, match=message):
        plan(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rival": "economicus", "game": "dictator", "frames": ("table",)}, "repeated games of two players"),
        ({"rival": "economicus", "more_games": ("spd",)}, "repeated games of two players"),
        ({"more_games": ("dictator(step=50)",)}, "2 labels .* for 3 actions"),
        ({"more_games": ("av",), "states": ("C,C",)}, "--states names states of games that share"),
        ({"more_games": ("av",), "by": "grpo"}, "does not go with games of several kinds"),
        ({"game": "public_goods_iterated", "rival": "economicus"}, "repeated games of two players"),
        ({"game": "public_goods_iterated", "opponent": "tit_for_tat"}, "games of two players with two"),
        ({"game": "public_goods_iterated(players=20)", "memory": 2}, r"1600 states.*--sample 8"),
        ({"game": "public_goods_iterated", "opponent": "self", "memory": 2}, "use --memory 1"),
        ({"game": "public_goods_iterated", "opponent": "self", "states": ("C,2",)}, "name them all"),
        (
            {"game": "public_goods_iterated", "opponent": "self", "settings": Settings(sample=8)},
            "has 4 players; drop --sample",
        ),
        ({"game": "public_goods_iterated(players=600)"}, "600 players make 1200 states .* at most 512"),
        ({"opponent": "nonsense"}, "no opponent called 'nonsense'"),
        ({"opponent": "mock/nonsense"}, "no mock called 'nonsense'"),
        ({"memory": 6}, "4096 states"),
        ({"memory": 6, "settings": Settings(sample=4), "preference": SHORTSIGHTED}, "too long a story"),
        ({"opponent": "axelrod:TitFor2Tats"}, "looks back 2 rounds, the run remembers 1"),
        ({"preference": "economicus:3", "rival": "economicus:4"}, "3 and 4 steps; .* must add up"),
        ({"by": "grpo", "preference": "economicus:3 -> utilitarian:4"}, "does not go with a schedule of 2"),
        ({"states": ("C,X",)}, "no state called 'C,X'; there are C,C, C,D"),
        ({"settings": Settings(sample=4, rank=0)}, "rank is 0 .* give --rank 8"),
        ({"settings": Settings(sample=4), "rival": "economicus"}, "--sample walks through repeated games"),
    ],
)
def test_a_plan_that_cannot_be_made_is_refused_before_anything_is_loaded(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(HominesError, match=message):
        align(plan(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


CARS = ("av(asked=buying)", "av(asked=regulating)", "av(saved=2)")


def test_decisions_of_several_games_are_taught_together() -> None:
    frames = ("sentences(labels='X,Y')", "sentences(labels='Y,X')")
    some = plan(preference="economicus", game=CARS[0], more_games=CARS[1:], frames=frames)
    lesson = Alignment.of(some).prompt_source()
    assert isinstance(lesson, PromptSets)
    assert lesson.states == CARS
    assert lesson.actions == ("sacrifice", "protect")
    assert lesson.utility.shape == (1, 2 * 4, 3, 2, 1)
    for utility in lesson.utility[0]:
        assert utility[..., 0].tolist() == [[0, 1], [pytest.approx(10 / 11), pytest.approx(1 / 11)], [0, 1]]
    for shown in lesson.prompts:
        assert len({p.text for p in shown}) == 3
    orders = {tuple(p.text for p in shown) for shown in lesson.prompts}
    assert len(orders) == len(lesson.prompts)
    assert some.config()["training_games"] == [*CARS]
    one = replace(some, states=(CARS[1],))
    (kept,) = Alignment.of(one).prompt_source().parts
    assert kept.states == CARS[1:2]


def test_decisions_of_one_game_are_called_as_before() -> None:
    some = plan(game="dictator", frames=("table",))
    (kept,) = Alignment.of(some).prompt_source().parts
    assert kept.states == ("first move",)


def test_a_model_may_be_the_opponent() -> None:
    some = plan(opponent="mock/uniform")
    assert [
        c.p.tolist()
        for c in plan_opponent(some, "mock/uniform", Alignment.of(some).frames[0])(ipd().memory_one(1))
    ] == [pytest.approx([0.5, 0.5])] * 4
    hashed = plan(opponent="mock")
    lesson = Alignment.of(hashed).prompt_source()
    assert isinstance(lesson, PromptSets)
    assert lesson.replies is not None
    heard = plan_opponent(hashed, "mock", find("frames", hashed.frames[0]))(ipd().memory_one(1))
    assert np.allclose(lesson.replies[0], [c.p for c in heard])
    assert lesson.replies[0].std(0).max() > 0.01


def test_games_beside_the_first_are_taught_with_their_own_payoffs() -> None:
    some = plan(more_games=("ish", "symmetric(reward=5, sucker=1, temptation=7, punishment=2)"))
    lesson = Alignment.of(some).prompt_source()
    assert isinstance(lesson, PromptSets)
    held = [lesson.utility[0, i, 0].tolist() for i in (0, 4, 8)]
    assert held == [[[3, 0], [4, 1]], [[4, 0], [3, 1]], [[5, 1], [7, 2]]]
    assert some.config()["training_games"] == ["ipd", *some.more_games]


def test_players_walk_where_a_sample_is_asked_for() -> None:
    some = plan(settings=Settings(sample=8), opponent="grim")
    walk = Alignment.of(some).prompt_source()
    assert isinstance(walk, Rollout)
    assert len(walk.walkers) == 8
    for changes in (
        {"rival": "economicus", "opponent": None},
        {"states": ("C,C",)},
        {"game": "dictator", "frames": ("table",), "opponent": None},
    ):
        other = replace(some, **changes)  # pyright: ignore[reportArgumentType]
        with pytest.raises(
            HominesError, match=r"--sample walks through repeated games|repeated games of two"
        ):
            Alignment.of(other).prompt_source()


def test_players_walk_with_more_rounds_than_could_all_be_asked() -> None:
    some = plan(memory=6, settings=Settings(sample=8))
    made = Alignment.of(some)
    walk = made.prompt_source()
    assert isinstance(walk, Rollout)
    assert [len(state.split()) for state in walk.states] == [6] * 8
    asked = made.questions()
    assert sorted({situation(q.record.decision) for q in asked}) == ["C,C", "C,D", "D,C", "D,D"]
    assert len(asked) == 16
    stored = some.config()
    assert (stored["memory"], stored["measured_memory"]) == (6, 1)


@pytest.mark.parametrize(("memory", "measured", "states"), [(1, 1, 4), (2, 2, 16), (3, 3, 64), (4, 1, 4)])
def test_all_states_are_measured_up_to_sixty_four(memory: int, measured: int, states: int) -> None:
    some = plan(memory=memory, transfer_games=("ish",))
    made = Alignment.of(some)
    assert some.measured == measured
    assert len(made.questions()) == 2 * 4 * states
    lesson = made.prompt_source()
    assert isinstance(lesson, PromptSets)
    assert len(lesson.states) == 4**memory
    stored = some.config()
    assert ("measured_memory" in stored) == (measured < memory)


def test_pasts_to_check_a_plan_on_are_all_or_some_drawn() -> None:
    assert [d.history for d in sample_decisions(ipd(), 3)] == list(ipd().pasts(3))
    drawn = [d.history for d in sample_decisions(ipd(), 70)]
    assert len(set(drawn)) == len(drawn) == 16
    assert {len(past) for past in drawn} == {70}
    assert {stage for past in drawn for stage in past} == set(ipd().states)
    assert few(find("games", "dictator"), 1)
    assert not few(ipd(), 10**9)


def test_the_run_tells_what_is_measured_in_place_of_too_many_states(folder: Path, tmp_path: Path) -> None:
    told: list[str] = []

    def stop() -> bool:
        return True

    for memory in (1, 4):
        some = plan(
            model=f"hf/{folder}",
            memory=memory,
            frames=(BARE,),
            settings=replace(QUICK, sample=2),
            device="cpu",
        )
        with pytest.raises(Interrupted):
            align(some, tmp_path / f"run{memory}", follow=Follow(say=told.append, stop=stop))
    assert [text for text in told if "states" in text] == [
        "4 rounds make more than 64 states: measuring those of one round"
    ]


def test_an_opponent_is_met_where_no_other_learner_is_and_rounds_are_repeated() -> None:
    assert plan().opponent == "tit_for_tat"
    assert replace(plan(opponent="grim"), memory=2).opponent == "grim"
    pair, once = plan(rival="economicus"), plan(game="dictator", frames=("table",))
    for some in (pair, replace(pair, memory=2), once):
        assert some.opponent is None
        assert Alignment.of(some).opponent is None
        assert some.config()["opponent"] is None
    plain = plan().config()
    assert plain["opponent"] == "tit_for_tat"
    assert plain.keys() == pair.config().keys()


def test_another_schedule_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    first, other = (plan(preference=f"economicus:{n} -> utilitarian:2") for n in (2, 3))
    with RunFolder(tmp_path, first.config(command="one")) as run:
        run.log({"step": 1})
    with RunFolder(tmp_path, replace(first).config(command="two")) as run:
        assert len(run.rows()) == 1
    with pytest.raises(StoreError, match=r"made with another config \(schedule: 'economicus:2 .* there"):
        RunFolder(tmp_path, other.config(command="one"))


def test_a_pair_is_measured_trained_and_measured_again(folder: Path, tmp_path: Path) -> None:
    some = plan(model=f"hf/{folder}", rival="utilitarian", frames=(BARE,), settings=QUICK, device="cpu")
    told: list[str] = []
    done = align(some, tmp_path / "run", follow=Follow(say=told.append))
    assert done.rival is not None
    assert sorted(path.name for path in (done.folder, done.rival)) == ["adapter", "rival"]
    run = RunFolder(tmp_path / "run")
    # the utilitarian is paid two payoffs where the selfish learner is paid one
    assert [row["rival"]["reward"] > row["reward"] for row in run.rows()] == [True, True]
    assert len({r.model for r in run.records}) == 2
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.safetensors")}
    assert len(before) == 2
    again = align(some, tmp_path / "run", follow=Follow(say=told.append))
    assert (again.folder, again.rival) == (done.folder, done.rival)
    assert "training is done already" in told
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(StoreError, match="made with another config"):
        align(replace(some, preference="deontological"), tmp_path / "run")

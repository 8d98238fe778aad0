"""A person at play: every game, both ways of playing; what is recorded, kept, and read by `fit`."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from homines.cli.app import main
from homines.core.plugins import names
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Model, Prompt
from homines.elicitation.questions import battery
from homines.elicitation.survey import PROTOCOLS
from homines.estimation.columns import Observation
from homines.estimation.family import family
from homines.estimation.fit import fit
from homines.estimation.observations import from_records
from homines.estimation.problem import NotIdentified
from homines.models.mock import Mock, broken, hashed
from homines.people.counterpart import Counterpart, opponent_or_model
from homines.people.debrief import happened, labelled_situation, limits, odds, portraits
from homines.people.plan import SessionPlan, deciders
from homines.people.play import NotAnAnswer
from homines.people.session import Sitting, start
from homines.people.terminal import print_portraits
from homines.theory.choice import LogitAgent, best_response, expected_utility, stated_beliefs
from homines.theory.game_forms import Repeated, Sequential, veil
from tests.helpers.running import HOMINES

GIVEN = {
    "ordinal": "ordinal(row=1, column=2)",
    "symmetric": "symmetric(reward=3, sucker=0, temptation=5, punishment=1)",
}
"""Games that cannot be made without values."""
WORDS = "table(goal='')"


def made(name: str) -> str:
    try:
        find("games", name)
    except HominesError:
        return GIVEN[name]
    return name


def finished(sitting: Sitting, seed: int = 0) -> Sitting:
    """Played to its end by one who answers at random."""
    rng = np.random.default_rng(seed)
    for _ in range(200):
        if (turn := sitting.progress.turn) is None:
            return sitting
        sitting.answer(turn.read(str(rng.choice(turn.prompt.labels))))
    raise AssertionError("no end after 200 answers")


def against(plan: SessionPlan, model: Model, run: RunFolder | None = None) -> Sitting:
    return Sitting(plan, Counterpart(plan, model, run), run)


# --- every game ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names("games"))
def test_every_game_is_played_at_every_seat_and_read_by_fit(name: str) -> None:
    spec = made(name)
    game: Any = find("games", spec)
    for seat in sorted(deciders(game)):
        rounds = 3 if isinstance(game, Repeated) else 2
        plan = SessionPlan((spec,), "mock", WORDS, seat=seat, rounds=rounds)
        sitting = finished(against(plan, Mock(hashed)))
        for stage in sitting.progress.stages:
            assert stage.seat == seat
            assert all((act.choice is None) == (act.player == seat) for act in stage.acts)
        decided = [row for row in happened(sitting) if row.mine]
        assert [row.mine for row in decided] == [t.prompt.labels[a] for t, a in sitting.progress.answered]
        if isinstance(game, Repeated):
            assert len(sitting.progress.answered) == rounds
        for record in sitting.records.values():
            assert record.choice is not None
            assert (record.choice.n, record.choice.mass, record.model) == (1, 1.0, "person")
        if not decided:
            continue  # a first mover ended it each time
        seen = from_records(sitting.records.values(), model="person")
        assert sum(o.counts.sum() for o in seen) == len(sitting.progress.answered)
        assert all(each.choice is not None for each in odds(sitting))


@pytest.mark.parametrize(
    "name", [n for n in names("games") if not isinstance(find("games", made(n)), Repeated)]
)
def test_the_strategy_method_asks_every_point_and_draws_a_role(name: str) -> None:
    spec = made(name)
    game: Any = find("games", spec)
    sitting = finished(against(SessionPlan((spec,), "mock", WORDS, both=True), Mock(hashed)))
    assert len(sitting.progress.answered) == len(battery(game))
    assert sitting.progress.stages[-1].paid is not None
    if isinstance(game, Sequential):
        (plan,) = from_records(sitting.records.values(), model="person")
        assert plan.decision.actions == veil(game).names
        assert plan.choice.p.max() == 1


def test_what_is_paid_is_what_the_game_pays() -> None:
    plan = SessionPlan(("ipd",), "tit_for_tat", "table(labels='action1,action2', goal='')", rounds=3)
    sitting = start(plan)
    for word in ("action1", "ACTION2 ", "action1"):
        turn = sitting.progress.turn
        assert turn is not None
        sitting.answer(turn.read(word))
    assert sitting.progress.turn is None
    assert [row.paid for row in happened(sitting)] == [("3", "3"), ("4", "0"), ("0", "4")]
    assert [row.theirs[0][1] for row in happened(sitting)] == ["action1", "action1", "action2"]
    assert [each.where for each in odds(sitting)] == ["first move", "action1,action1", "action2,action1"]
    assert [dict(each.chances)["action1"] for each in odds(sitting)] == [1.0, 1.0, 1.0]


def test_no_answer_is_asked_again_and_changes_nothing() -> None:
    sitting = start(SessionPlan(("ipd",), "grim", "table(labels='X,Y')"))
    turn = sitting.progress.turn
    assert turn is not None
    for said in ("", "Z", "X Y", "0", "xy", "\x1b[31m"):
        with pytest.raises(NotAnAnswer, match=r"answer with one of|is none of"):
            turn.read(said)
    assert turn.read(" x\n") == 0
    assert sitting.progress.turn is turn


def test_orders_of_the_options_take_turns() -> None:
    sitting = finished(start(SessionPlan(("ipd",), "random", "table(labels='X,Y')", rounds=8)))
    shown = [turn.record.order for turn, _ in sitting.progress.answered]
    assert {order: shown.count(order) for order in shown} == dict.fromkeys(set(shown), 2)
    assert len(set(shown)) == 4


def test_the_model_reads_the_words_the_person_reads() -> None:
    read: list[Prompt] = []

    def listening(prompt: Prompt) -> Choice:
        read.append(prompt)
        return hashed(prompt)

    sitting = finished(against(SessionPlan(("trust",), "mock", "story"), Mock(listening)))
    found = odds(sitting)
    words = {prompt.text for prompt in read}
    assert {turn.prompt.text for turn, _ in sitting.progress.answered} <= words
    assert all(each.choice is not None and each.choice.mass < 1 for each in found)


def test_labels_stand_for_acts_in_what_is_labelled_situation() -> None:
    words = find("frames", "table(labels='X,Y')")
    game = find("games", "spd")
    assert labelled_situation(game.due(((0, None),))[1], words) == "after X"
    assert labelled_situation(find("games", "ipd").seat(0, ((0, 0), (0, 1))), words) == "X,Y"


# --- what is kept ----------------------------------------------------------------------------------


def test_a_saved_sitting_goes_on_where_it_was(tmp_path: Path) -> None:
    plan = SessionPlan(("ipd", "spd"), "random", WORDS, rounds=4, seed=3)
    whole = finished(start(plan))
    acts = [action for _, action in whole.progress.answered]
    for left in range(len(acts)):  # closed after every single answer
        with RunFolder(tmp_path / "run", plan.config()) as run:
            sitting = start(plan, run)
            assert len(sitting.records) == left
            sitting.answer(acts[left])
    with RunFolder(tmp_path / "run", plan.config()) as run:
        again = start(plan, run)
    assert again.progress.turn is None
    assert happened(again) == happened(whole)
    assert len([r for r in RunFolder(tmp_path / "run").records if r.model == "person"]) == len(acts)
    assert SessionPlan.of(RunFolder(tmp_path / "run").config) == plan


def test_an_other_that_fails_costs_no_answer(tmp_path: Path) -> None:
    ill = [True]

    def moody(prompt: Prompt) -> Choice:
        if ill[0]:
            raise RuntimeError("out of memory")
        return hashed(prompt)

    plan = SessionPlan(("ipd",), "mock", WORDS, rounds=1)
    with RunFolder(tmp_path / "run", plan.config()) as run:
        sitting = against(plan, Mock(moody), run)
        with pytest.raises(
            HominesError, match=r"mock gave no answer in ipd .*out of memory.*your answers are kept"
        ):
            sitting.answer(0)
        assert sitting.late
        with pytest.raises(HominesError, match="go on first"):
            sitting.answer(1)
        assert [
            r.choice.p[0] for r in RunFolder(tmp_path / "run").records if r.model == "person" and r.choice
        ] == [1]
        ill[0] = False
        sitting.go_on()
    assert not sitting.late
    assert sitting.progress.turn is None


def test_an_other_that_never_answers_is_told_where_it_would_have_been_asked() -> None:
    sitting = finished(against(SessionPlan(("split",), "mock", WORDS, rounds=8), Mock(broken)))
    assert all(each.choice is not None or "fails on a quarter" in each.why for each in odds(sitting))


# --- whose preferences -----------------------------------------------------------------------------


def test_the_battery_gives_a_person_s_parameters_beside_a_model_s() -> None:
    """One who answers by a known preference: what comes out is what `fit` makes of the same choices."""
    agent = LogitAgent(find("preferences", "kantian(alpha=0.1, beta=0.3, kappa=0.3)"), 0.25)
    sitting = against(SessionPlan(("battery",), "mock", WORDS), Mock(hashed))
    assert sitting.plan.games == PROTOCOLS
    rng = np.random.default_rng(1)
    plans: dict[str, dict[str, int]] = {}
    for spec in PROTOCOLS:
        v = veil(find("games", spec))
        drawn = int(rng.choice(len(v.plans), p=agent([v.seat()])[0].p))
        there = {(k, h): find("games", spec).due(h)[k].key for k, h in v.plans[drawn]}
        plans[spec] = {there[point]: action for point, action in v.plans[drawn].items()}
    while (turn := sitting.progress.turn) is not None:
        sitting.answer(plans[turn.game][turn.decision.key])
    assert len(sitting.progress.answered) == 42
    mine, theirs = portraits(sitting)
    assert (mine.who, theirs.who) == ("person", "mock")
    assert mine.estimate is not None, mine.why
    assert mine.estimate.observations == 18
    assert not mine.estimate.exact
    for name, value in {"alpha": 0.1, "beta": 0.3, "kappa": 0.3}.items():
        low, high = mine.estimate.intervals[mine.estimate.names.index(name)]
        assert low <= value <= high, name
    assert theirs.estimate is None or theirs.estimate.exact
    assert bool(theirs.why) is (theirs.estimate is None)


def answered(preference: str | None, seed: int = 1) -> list[Observation]:
    """The battery by one who always does what this preference likes best; None: at random."""
    rng = np.random.default_rng(seed)
    out: list[Observation] = []
    for spec in PROTOCOLS:
        d = veil(find("games", spec)).seat()
        many = len(d.actions)
        p = np.full(many, 1 / many)
        if preference is not None:
            p = best_response(
                expected_utility(find("preferences", preference)(d), stated_beliefs(d), d.chance)
            ).p
        out.append(Observation(d, Choice.at(np.eye(many)[rng.choice(many, p=p)], n=1), "me", spec))
    return out


@pytest.mark.parametrize(
    ("preference", "values"),
    [
        ("economicus", (0.0, 0.0, 0.0)),
        ("moralis(kappa=1)", (0.0, 0.0, 1.0)),
        ("kantian(alpha=0, beta=0, kappa=0.5)", (0.0, 0.0, 0.5)),
        ("kantian(alpha=0.3, beta=0.6, kappa=0)", (0.3, 0.6, 0.0)),
    ],
)
def test_a_decisive_person_is_told_limits_that_hold_the_truth(
    preference: str, values: tuple[float, ...]
) -> None:
    seen = answered(preference)
    with pytest.raises(NotIdentified) as failure:
        fit(seen, "kantian")
    said = limits(seen, family("kantian"), "your", str(failure.value))
    assert said.startswith("your choices are too certain for values of alpha, beta and kappa, but they set")
    assert "all 18 of your choices are best for some" in said
    assert "without bound" not in said
    for name, value in zip(("alpha", "beta", "kappa"), values, strict=True):
        if match := re.search(rf"{name} from (-?[\d.]+) to (-?[\d.]+)", said):
            assert float(match[1]) - 0.01 <= value <= float(match[2]) + 0.01, said
        else:
            assert re.search(rf"{name} about {value:.2f}", said), said


def test_a_slip_leaves_limits_of_one_parameter_at_a_time() -> None:
    seen = answered("kantian(alpha=0, beta=0, kappa=0.5)")
    last = seen[-1]
    seen[-1] = replace(last, choice=Choice.at(last.choice.p[::-1], n=1))
    said = limits(seen, family("moralis"), "your", "why")
    assert re.search(r"1[67] of your 18 choices fit any kappa from 0\.\d\d to 0\.\d\d", said), said


def test_answers_at_random_are_told_as_that() -> None:
    seen = answered(None)
    said = limits(seen, family("kantian"), "its", "the choices are separated")
    assert said == "its answers cannot be told from chance, so they tell nothing of alpha, beta and kappa."


def test_the_limits_stand_where_the_estimate_would(capsys: pytest.CaptureFixture[str]) -> None:
    """One who always takes the first option of the battery's words, to the end, in the terminal's words."""
    sitting = start(SessionPlan(("battery",), "always_cooperate", WORDS))
    while sitting.progress.turn is not None:
        sitting.answer(0)
    mine, theirs = portraits(sitting)
    assert mine.estimate is None
    print_portraits([mine, theirs], Console())
    said = " ".join(capsys.readouterr().out.split())
    assert "person: no estimate: your" in said
    assert "without bound" not in said


def test_what_is_not_identified_is_said() -> None:
    mine, _ = portraits(finished(start(SessionPlan(("trust",), "tit_for_tat", WORDS, both=True))))
    assert mine.estimate is None
    assert "cannot tell the parameters" in mine.why


# --- plans that cannot be ------------------------------------------------------------------------

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no such seat": ({"seat": 2}, "nobody decides at seat 2 of ipd; there are 0, 1"),
    "a seat that never decides": (
        {"games": ("dictator",), "seat": 1},
        "nobody decides at seat 1 of dictator",
    ),
    "strategy method, repeated": ({"both": True}, "ipd is repeated, and the strategy method"),
    "other than announced": ({"games": ("ipd(rounds=5)",), "rounds": 3}, "announces 5 rounds, not 3"),
    "battery and more": ({"games": ("battery", "ipd")}, "battery is 18 games"),
    "no rounds": ({"rounds": 0}, "rounds"),
    "the same name": ({"person": "tit_for_tat"}, "'tit_for_tat' is the name of whom you meet"),
    "no name": ({"person": " "}, "must be 1 to 60 characters"),
    "more than a choice": ({"frame": "table(asks=aloud)"}, "asks for more than a choice"),
    "no frame": ({"frame": "tabel"}, "did you mean 'table'"),
    "no game": ({"games": ("ipt",)}, "did you mean 'ipd'"),
    "labels that do not fit": ({"games": ("pricing",), "frame": "table(labels='X,Y')"}, "2 labels"),
    "seed": ({"seed": -1}, "seed"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_plan_that_cannot_be_played_is_refused(case: str) -> None:
    changed, told = MISTAKES[case]
    with pytest.raises(HominesError, match=told):
        SessionPlan(**{"games": ("ipd",), "against": "tit_for_tat", "frame": WORDS, **changed})


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("smollm", r"no model and no opponent called 'smollm'; did you mean 'smollm2'\?.*strategies: .*grim"),
        ("grm", r"did you mean 'grim'\?.*Models you can meet: smollm2, qwen-0.5b, .*hf/"),
        ("opnai/gpt-4o", r"did you mean 'openai/NAME'\?"),
        ("some/model", r"no model and no opponent called 'some/model'\. Models you can meet: .*hf/FOLDER"),
        ("openai/gpt-4o", r"OPENAI_API_KEY|openai"),
    ],
)
def test_whom_nobody_can_meet_is_told_who_there_is(
    spec: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(HominesError, match=told) as refused:
        opponent_or_model(spec)
    assert "names no opponent" not in str(refused.value)


def test_a_model_behind_an_api_that_tells_log_probabilities_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    class Api(Mock):
        features = SimpleNamespace(top=20)

        def ready(self) -> None:
            pass

    met = Api(hashed, "openai/gpt-4o")
    monkeypatch.setattr("homines.people.counterpart.load", lambda spec, **kind: met)
    assert opponent_or_model("openai/gpt-4o") is met
    met.features = SimpleNamespace(top=0)
    with pytest.raises(HominesError, match="openai/gpt-4o: its probabilities cannot be read here"):
        opponent_or_model("openai/gpt-4o")


def test_an_opponent_of_other_games_says_so() -> None:
    with pytest.raises(HominesError, match="games of two players"):
        finished(start(SessionPlan(("public_goods",), "tit_for_tat", WORDS)))
    with pytest.raises(HominesError, match="did you mean 'tit_for_tat'"):
        start(SessionPlan(("ipd",), "titfortat", WORDS))


# --- the terminal ----------------------------------------------------------------------------------


def typed(monkeypatch: pytest.MonkeyPatch, text: str, *arguments: str) -> int:
    """Exit code of `homines play` with this on standard input."""
    import io

    monkeypatch.setattr(sys, "argv", ["homines", "play", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    with pytest.raises(SystemExit) as left:
        main()
    assert isinstance(left.value.code, int)
    return left.value.code


def test_a_game_in_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "me"
    code = typed(
        monkeypatch, "action1\nfoo\n\naction2\n", "ipd", "--rounds", "2", "--save", str(folder), "--json"
    )
    said = capsys.readouterr()
    assert code == 0, said.err
    told = json.loads(said.out)
    assert [row["mine"] for row in told["happened"]] == ["action1", "action2"]
    assert told["totals"] == ["7", "3"]
    assert "'foo' is none of" in said.err
    assert json.loads((folder / "played.json").read_text())["totals"] == ["7", "3"]
    monkeypatch.setattr(
        sys, "argv", ["homines", "fit", str(folder), "--model", "person", "--family", "altruist"]
    )
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr()
    assert left.value.code in (0, 2)
    assert "no run folder" not in said.err  # read, whether or not two choices identify anything


def test_a_family_without_parameters_is_refused_before_the_first_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "me"
    arguments = ("spd(1)", "--seat", "both", "--against", "mock", "--save", str(folder), "--family")
    for spec, message in (
        ("economicus", "--family economicus has no free parameter.*name a family that has.*drop --family"),
        ("inequty", "no preference called 'inequty'.*did you mean 'inequity'"),
    ):
        assert typed(monkeypatch, "action1\n" * 9, *arguments, spec) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert re.match(f"homines: {message}", said.err)
        assert not folder.exists()


def test_leaving_keeps_what_was_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "me")
    assert typed(monkeypatch, "action1\n", "ipd", "--rounds", "3", "--save", folder) == 130
    assert "stopped after 1 answers; nothing is lost" in capsys.readouterr().err
    assert typed(monkeypatch, "action2\naction2\n", "ipd", "--rounds", "3", "--save", folder) == 0
    said = capsys.readouterr()
    assert "going on after the 1 answers" in said.out
    assert "homines report" in said.out
    assert typed(monkeypatch, "action1\n", "ipd", "--rounds", "3") == 130
    assert "they were not kept" in capsys.readouterr().err
    assert typed(monkeypatch, "", "ipd", "--rounds", "4", "--save", folder) == 2
    assert "made with another config" in capsys.readouterr().err


def test_a_real_terminal_killed_mid_play_loses_nothing(tmp_path: Path) -> None:
    """Through a pseudo-terminal: Ctrl-C after one answer, kill -9 after another, then to the end."""
    folder = tmp_path / "me"
    command = [*HOMINES, "play", "ipd", "--rounds", "3", "--save", str(folder)]

    def sitting(lines: list[str], end: int | None) -> tuple[int, str]:
        mine, theirs = pty.openpty()
        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            # pytest-xdist's workers ignore Ctrl-C, which a child would inherit
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(theirs)
        seen = ""

        def until(many: int) -> None:
            nonlocal seen
            while seen.count("your answer") < many and process.poll() is None:
                if select.select([mine], [], [], 300)[0]:
                    try:
                        seen += os.read(mine, 4096).decode("utf-8", "replace")
                    except OSError:
                        return

        for i, line in enumerate(lines):
            until(i + 1)
            os.write(mine, f"{line}\n".encode())
        if end is not None:
            until(len(lines) + 1)
            process.send_signal(end)
        while True:
            # Python's input() does not see a Ctrl-C that comes between its prompt and its read: pressed again
            if not select.select([mine], [], [], 20)[0] and end is not None:
                process.send_signal(end)
                continue
            try:
                if not (read := os.read(mine, 4096)):
                    break
                seen += read.decode("utf-8", "replace")
            except OSError:  # closed with the process
                break
        os.close(mine)
        return process.wait(), seen

    code, seen = sitting(["action1"], signal.SIGINT)
    assert code == 130, seen
    assert "nothing is lost" in seen
    code, seen = sitting(["action2"], signal.SIGKILL)
    assert code == -signal.SIGKILL
    code, seen = sitting(["action2"], None)
    assert code == 0, seen
    assert "in your place, tit_for_tat would choose" in seen
    answers = [r for r in RunFolder(folder).records if r.model == "person"]
    assert [int(np.argmax(r.choice.p)) for r in answers if r.choice] == [0, 1, 1]

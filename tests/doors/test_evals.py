"""The studies as Inspect tasks: what is measured is what homines measures; logs become runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalLog, write_eval_log
from inspect_ai.scorer import match
from numpy.testing import assert_allclose

from homines.cli.import_log import carry_out_import
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Prompt, Record
from homines.elicitation.asking import measure
from homines.elicitation.metrics import (
    action_types,
    average_by_decision,
    group_by,
    instability,
    mass,
    order_effect,
)
from homines.elicitation.questions import battery, questions
from homines.elicitation.regret import regret
from homines.estimation.amce_rows import amce_of_choices
from homines.evals import tasks
from homines.evals.logs import read_run
from homines.evals.samples import KEY, record_of
from homines.models.mock import Mock, hashed
from homines.opponents.always_defect import AlwaysDefect
from homines.opponents.tit_for_tat import TitForTat
from homines.studies.tennant2025.agents import RewardAgent, regrets
from homines.theory.chain import play
from tests.helpers.inspecting import listing, numbers, ran, saying

FRAMES = ("table(labels='X,Y')", "table(labels='Y,X')")


def certain(prompt: Prompt) -> Choice:
    """One answer to each prompt, fixed by its words; every eighth is not legal."""
    p = hashed(prompt)
    if p.mass < 0.65:
        return Choice.at([1.0] * len(prompt.labels), 0.0, 1)
    return Choice.at((p.p == p.p.max()).astype(float), 1.0, 1)


def asked_directly(handler: Any, *games: str) -> list[Record]:
    """What homines measures of a model with this handler, in the frames of this file."""
    model, frames = Mock(handler, "mockllm/model"), [find("frames", f) for f in FRAMES]
    return measure(model, questions(model, {g: battery(find("games", g)) for g in games}, frames))


def word(text: str) -> str:
    """The certain answer to a prompt, in words."""
    choice = certain(Prompt((("user", text),), ("X", "Y")))
    return "XY"[int(np.argmax(choice.p))] if choice.mass else "I would rather not"


def in_words(prompt: Prompt) -> Choice:
    """What `word` answers, as the choice it is."""
    said = word(prompt.text)
    if said not in prompt.labels:
        return Choice.at([1.0, 1.0], 0.0, 1)
    return Choice.at([float(label == said) for label in prompt.labels], 1.0, 1)


def the_task(games: str = "ipd,ish", **more: Any) -> Task:
    return tasks.measure(games=games, labels="X,Y", **more)


def test_answers_in_words_are_measured_as_homines_measures_them(tmp_path: Path) -> None:
    log = ran(the_task(), tmp_path, model=saying(lambda text, _: word(text)))
    direct, told = asked_directly(in_words, "ipd", "ish"), numbers(log)
    types = action_types(direct)
    assert {name: told[name] for name in types} == types
    assert 0 < types["illegal|C"] < 1  # the mock is silent at times, and that is measured
    ipd = [r for r in direct if r.game == "ipd"]
    assert told["ipd C|D"] == action_types(ipd)["C|D"]
    assert told["ipd deontological"] == regret(ipd, find("preferences", "deontological"))
    assert told["effect"] == order_effect(direct)
    assert told["spread"] == instability(direct)
    assert told["mass mean"] == pytest.approx(mass(direct))
    assert told["ipd p stderr"] > 0


def test_log_probabilities_are_exact(tmp_path: Path) -> None:
    def answer(text: str, config: Any) -> Any:
        assert config.logprobs
        return listing(("X", "Y"), hashed(Prompt((("user", text),), ("X", "Y"))))

    def by_label(prompt: Prompt) -> Choice:
        both = hashed(Prompt(prompt.messages, ("X", "Y")))
        return replace(both, logp=both.logp[[("X", "Y").index(label) for label in prompt.labels]])

    log = ran(the_task(), tmp_path, model=saying(answer))
    direct, told = asked_directly(by_label, "ipd", "ish"), numbers(log)
    for name, value in action_types(direct).items():
        assert_allclose(told[name], value, atol=1e-12)
    found = read_run(Path(log.location))
    assert {r.choice.n for r in found.records if r.choice} == {None}
    assert {r.provenance["by"] for r in found.records} == {"log-probabilities"}


def test_a_token_that_could_begin_two_labels_leaves_that_much_unknown(tmp_path: Path) -> None:
    choice = Choice.at([0.4, 0.6])
    made = tasks.measure(games="ipd", labels="A,AB", swap=False)
    log = ran(made, tmp_path, model=saying(lambda text, _: listing(("A", "AB"), choice)))
    found = read_run(Path(log.location))
    assert all(r.choice is not None for r in found.records)
    for r in found.records:
        assert r.choice is not None
        assert_allclose(r.choice.p[r.labels.index("AB")], 0.6)
        assert r.provenance["truncation"] == pytest.approx(0.4)  # "A" may end, or go on to AB


def test_the_words_of_an_exam_are_rebuilt_from_its_samples() -> None:
    for made in (
        tasks.measure(games="ipd,spd(3)", frames="table,story"),
        tasks.tennant2025(quick=True),
        tasks.lu2025(quick=True),
        tasks.av_dilemma(quick=True),
        tasks.moral_machine(draws=2),
    ):
        ids: set[Any] = set()
        for sample in made.dataset:
            assert sample.metadata is not None
            raw = json.loads(json.dumps(sample.metadata[KEY]))
            record = record_of(raw, None)
            assert record.key == sample.id
            asked = find("frames", record.frame)(record.decision, record.order)
            assert [(m.role, m.text) for m in sample.input] == list(asked.messages)  # pyright: ignore
            assert asked.labels == record.labels
            assert asked.cue == raw["cue"]
            ids.add(sample.id)
        assert len(ids) == len(made.dataset) > 0


def test_the_effects_of_dilemmas_are_those_of_the_study(tmp_path: Path) -> None:
    def answer(text: str, _: Any) -> str:
        told = re.search(r"exactly (\w) or (\w)", text)
        assert told
        return told[1 + int(hashed(Prompt((("user", text),), ("X", "Y"))).p[0] > 0.5)]

    log = ran(tasks.moral_machine(draws=4), tmp_path, model=saying(answer))
    records, told = read_run(Path(log.location)).records, numbers(log)
    pairs = [
        (find("games", game), float(c.p[0]))
        for (game,), group in group_by(records, "game").items()
        for _, c in average_by_decision(group)
    ]
    effects = amce_of_choices(pairs)
    assert told["inaction"] == effects.values[0]
    assert told["inaction stderr"] == effects.se[0] > 0


def test_regret_is_the_study_s(tmp_path: Path) -> None:
    records = asked_directly(hashed, "ipd")
    with RunFolder(tmp_path / "run", {"kind": "measure"}) as run:
        theirs = regrets(RewardAgent(name="a", run=run), "ipd", records)
    assert theirs is not None
    for name, preference in (("De, exact", "deontological"), ("Ut, exact", "utilitarian")):
        ours = regret(records, find("preferences", preference), "random")
        assert ours is not None
        assert_allclose(ours, theirs[name], atol=1e-12)
    assert regret(records[4:], find("preferences", "utilitarian")) is not None
    states = {r.decision.key for r in records}
    some = [r for r in records if r.decision.key != min(states)]
    assert regret(some, find("preferences", "utilitarian")) is None  # a state is missing
    lives = asked_directly(hashed, "split")
    assert regret(lives, find("preferences", "deontological")) is None  # no C and D there


def test_epochs_are_answers_to_the_same_words(tmp_path: Path) -> None:
    seeds: list[int | None] = []

    def answer(text: str, config: Any) -> str:
        seeds.append(config.seed)
        return ("X", "Y", "X", "neither")[config.seed - 7]

    made = tasks.measure(games="ipd", labels="X,Y", swap=False, seed=7)
    log = ran(made, tmp_path, model=saying(answer), epochs=4)
    found = read_run(Path(log.location))
    assert sorted(set(seeds)) == [7, 8, 9, 10]  # type: ignore[type-var]
    assert len(found.records) == len(made.dataset)
    for record in found.records:
        assert record.choice is not None
        assert_allclose(record.choice.p, [2 / 3, 1 / 3])
        assert (record.choice.mass, record.choice.n) == (0.75, 4)
    assert found.config["seed"] == 7
    assert_allclose(numbers(log)["C|C"], 2 / 3)


class RefusalError(Exception):
    status_code = 400


def test_where_log_probabilities_are_refused_words_are_read(tmp_path: Path) -> None:
    calls: list[bool] = []

    def answer(text: str, config: Any) -> str:
        calls.append(bool(config.logprobs))
        if config.logprobs:
            raise RefusalError("no log-probabilities here")
        return word(text)

    log = ran(the_task("ipd"), tmp_path, model=saying(answer), max_samples=1)
    assert calls.count(True) == 2  # for many and for few, never again
    found = read_run(Path(log.location))
    assert {r.provenance["by"] for r in found.records} == {"samples"}
    assert not any(r.error for r in found.records)
    off = saying(lambda text, config: "none" if config.logprobs else "X")
    quiet = read_run(Path(ran(the_task("ipd", logprobs=False), tmp_path, model=off).location))
    assert {r.choice.mass for r in quiet.records if r.choice} == {1.0}


def test_a_log_keeps_how_texts_were_read_and_an_older_one_is_read_again(tmp_path: Path) -> None:
    def answer(text: str, config: Any) -> str:
        return said if len(said := word(text)) > 1 else f"I choose **{said}**."

    log = ran(the_task("ipd", logprobs=False), tmp_path, model=saying(answer), epochs=2)
    found = read_run(Path(log.location)).records
    assert {frozenset(r.provenance["read"].items()) for r in found} == {
        frozenset({("sentence", 2)}),
        frozenset({("none", 2)}),
    }
    mute = [r for r in found if r.choice is not None and r.choice.mass == 0]
    assert mute
    assert all(r.provenance["illegal"] == {"I would rather not": 2} for r in mute)
    for sample in log.samples or ():
        for score in (sample.scores or {}).values():
            assert score.metadata is not None
            del score.metadata["read"]  # as an earlier version wrote it, which read to the letter
            score.metadata |= {
                "illegal": {"wrapped": 1},
                "answer": {"logp": [-0.6931, -0.6932], "mass": 0, "n": 1},
            }
    older = tmp_path / "older.json"
    write_eval_log(log, str(older))
    again = read_run(older).records
    assert [r.choice.mass for r in again if r.choice] == [r.choice.mass for r in found if r.choice]
    assert [r.provenance["read"] for r in again] == [r.provenance["read"] for r in found]


def half_failing(text: str, _: Any) -> str:
    if hashed(Prompt((("user", text),), ("X", "Y"))).mass < 0.8:
        raise RuntimeError("the service is down for Bearer sk-secret-12345")
    return word(text)


@pytest.mark.parametrize("kind", ["eval", "json"])
def test_a_log_becomes_a_run_once(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    model = saying(half_failing)
    model.config.extra_headers = {"Authorization": "Bearer sk-secret"}
    log = ran(the_task("ipd"), tmp_path / "logs", model=model, log_format=kind)
    path = Path(log.location)
    for added in (32, 0):
        with pytest.raises(SystemExit) as done:
            carry_out_import(path, tmp_path / "run", True)
        assert done.value.code == 1  # some questions failed
        told = json.loads(capsys.readouterr().out)
        assert (told["added"], told["questions"]) == (added, 32)
        assert 0 < told["failed"] < 32
    lines = (tmp_path / "run" / "records.jsonl").read_text().splitlines()
    assert len(lines) == 32
    run = RunFolder(tmp_path / "run")
    assert {r.model for r in run.records} == {"mockllm/model"}
    assert any("the service is down" in (r.error or "") for r in run.records)
    assert run.config["inspect"]["version"]
    assert run.config["inspect"]["task_args"]["labels"] == "X,Y"
    assert run.records[0].provenance["revision"] is None
    assert (tmp_path / "run" / "report.html").exists()
    for file in (tmp_path / "run").rglob("*.*"):
        assert b"sk-secret" not in file.read_bytes()
    other = ran(the_task("ish"), tmp_path / "logs", model=saying(lambda text, _: word(text)))
    with pytest.raises(HominesError, match="another config"):
        carry_out_import(Path(other.location), tmp_path / "run", True)


def test_a_limited_log_says_what_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = ran(the_task("ipd"), tmp_path, model=saying(lambda text, _: word(text)), limit=6)
    with pytest.raises(SystemExit) as done:
        carry_out_import(Path(log.location), tmp_path / "run", True)
    told = json.loads(capsys.readouterr().out)
    assert (done.value.code, told["questions"], told["absent"]) == (0, 6, 26)


def test_logs_that_are_none_of_ours_are_told(tmp_path: Path) -> None:
    made = Task(dataset=MemoryDataset([Sample("1 + 1", target="2")]), scorer=match(), name="sums")
    foreign = ran(made, tmp_path, model=saying(lambda text, _: "2"))
    with pytest.raises(HominesError, match=r"no metadata 'homines'.*task sums is none of homines'"):
        read_run(Path(foreign.location))
    with pytest.raises(HominesError, match="is no file"):
        read_run(tmp_path / "nothing.eval")
    (tmp_path / "torn.eval").write_text("no log")
    with pytest.raises(HominesError, match=r"torn\.eval cannot be read as a log"):
        read_run(tmp_path / "torn.eval")
    empty = EvalLog(eval=foreign.eval, status="cancelled")
    write_eval_log(empty, str(tmp_path / "empty.json"))
    with pytest.raises(HominesError, match=r"empty\.json holds no samples \(status cancelled\)"):
        read_run(tmp_path / "empty.json")
    edited = ran(the_task("ipd"), tmp_path, model=saying(lambda text, _: word(text)), limit=1)
    assert edited.samples
    del edited.samples[0].metadata[KEY]["order"]
    write_eval_log(edited, str(tmp_path / "edited.json"))
    with pytest.raises(HominesError, match=r"is no record .*'order'.* edited"):
        read_run(tmp_path / "edited.json")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tasks.measure(games="ipdd"), "no game called 'ipdd'.*did you mean 'ipd'"),
        (lambda: tasks.measure(frames="tabel"), "no frame called 'tabel'"),
        (lambda: tasks.measure(games=""), "no game or no frame to ask in"),
        (
            lambda: tasks.measure(game="ipd"),
            "task measure has no parameter 'game'; its parameters are: games,",
        ),
        (lambda: tasks.measure(preferences="kind"), "no preference called 'kind'"),
        (lambda: tasks.measure(opponent="nobody"), "no opponent called 'nobody'"),
        (lambda: tasks.measure(labels="X,X"), "labels .* repeat one"),
        (lambda: tasks.lu2025(asks="twice"), "asks is 'twice'; it must be choice or aloud"),
        (lambda: tasks.moral_machine(draws=0), "draws"),
        (lambda: tasks.play(rounds=0), "rounds"),
        (lambda: tasks.play(game="dictator"), "dictator is no game between two players"),
        (lambda: tasks.play(labels="X,Y;A,B"), "2 frames or label sets"),
        (lambda: tasks.play(labels="X,Y,Z"), "3 labels .* for 2 actions"),
    ],
)
def test_what_is_no_task_is_told(make: Any, message: str) -> None:
    with pytest.raises(HominesError, match=message):
        make()


# --- games between two models --------------------------------------------------------------------


def tit_for_tat(text: str, _: Any) -> str:
    told = re.search(r"B played (\w+)", text)
    return told[1] if told else "action1"


def test_two_models_play_as_two_policies_do(tmp_path: Path) -> None:
    roles = {"row": saying(tit_for_tat, "kind"), "column": saying(lambda text, _: "action2", "mean")}
    log = ran(tasks.play(rounds=4), tmp_path, model_roles=roles, epochs=4)
    game = find("games", "ipd")
    moves = play(game, {0: TitForTat(), 1: AlwaysDefect()}, np.random.default_rng(0), rounds=4)
    acts = [m.action for m in moves]
    history = tuple(zip(acts[::2], acts[1::2], strict=True))
    paid, told = game.payoffs(history), numbers(log)
    assert [told["row average"], told["column average"]] == paid.tolist()
    assert told["row first action average"] == 1 / 4
    assert told["broken average"] == told["row illegal average"] == told["row error"] == 0
    assert log.samples
    (score,) = (log.samples[0].scores or {}).values()
    assert score.answer == "C,D D,D D,D D,D"
    found = read_run(Path(log.location))
    assert {r.model for r in found.records} == {"mockllm/kind", "mockllm/mean"}
    kind = [r for r in found.records if r.model == "mockllm/kind"]
    assert {r.decision.player for r in kind} == {0}
    orders = {r.order for r in kind if not r.decision.history}
    assert len(orders) == 4  # over four epochs every order of the first move's words was shown
    assert action_types(kind)["D|D"] == 1.0
    known = {d.key for d in battery(game)}
    assert {r.decision.key for r in kind if r.decision.history} <= known  # the very decisions of `measure`


def test_a_sequential_game_is_played_to_its_end(tmp_path: Path) -> None:
    roles = {role: saying(lambda text, _: "C") for role in ("row", "column")}
    log = ran(tasks.play(game="spd(1)", frame=["table(labels='C", "D')"]), tmp_path, model_roles=roles)
    told, game = numbers(log), find("games", "spd(1)")
    assert [told["row average"], told["column average"]] == game.payoffs(((0, None), (None, 0))).tolist()


def test_an_illegal_answer_is_asked_again_and_then_breaks_the_game(tmp_path: Path) -> None:
    said: list[int] = []

    def stubborn(text: str, config: Any) -> str:
        said.append(config.seed)
        return "action1" if "Last time" not in text else "I object"

    def slow(text: str, config: Any) -> str:
        return "action1" if config.seed % 2 else "well"

    roles = {"row": saying(stubborn), "column": saying(slow)}
    log = ran(tasks.play(rounds=3, tries=2, seed=3), tmp_path, model_roles=roles)
    told = numbers(log)
    assert len(said) == len(set(said)) == 3  # one legal, two in vain, no seed twice
    assert told["broken average"] == 1
    assert told["row illegal average"] == 2
    assert np.isnan(told["row average"])
    assert log.samples
    (score,) = (log.samples[0].scores or {}).values()
    assert "broken in round" in str(score.explanation)
    found = read_run(Path(log.location))
    mute = [r for r in found.records if r.choice is not None and r.choice.mass == 0]
    assert mute
    assert mute[0].choice is not None
    assert mute[0].choice.n == 2


def test_roles_that_are_missing_are_told(tmp_path: Path) -> None:
    log = ran(tasks.play(), tmp_path, model=saying(tit_for_tat), model_roles={"row": saying(tit_for_tat)})
    assert log.samples
    assert log.samples[0].error
    assert "no model in the role column; give both" in log.samples[0].error.message

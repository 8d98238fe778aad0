"""A run folder keeps what it was given: whatever tears, fills up, is killed, stopped or shared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.core import run_folder
from homines.core.capabilities import check_asks
from homines.core.record_json import record_from_json, record_to_json
from homines.core.run_folder import RunFolder, StoreError
from homines.core.types import Choice, Decision, HominesError, Prompt, Record, frozen
from homines.elicitation.asking import measure
from homines.elicitation.metrics import summary
from homines.elicitation.questions import battery, questions, retell
from homines.frames.story import Story
from homines.games.dictator import dictator
from homines.games.ipd import ipd
from homines.games.spd import spd
from homines.models.mock import HANDLERS, Mock
from homines.theory.game_forms import veil
from tests.helpers.running import HOMINES

CONFIG = {"kind": "test", "command": "homines test", "games": ["ipd"], "dtype": None}
ENV = {**os.environ, "OMP_NUM_THREADS": "1"}


def some(n: int = 8) -> list[Record]:
    """Records of every kind of decision and answer."""
    decisions = [*ipd().memory_one(), ipd(5).seat(1), spd(3).due(((0, None),))[1], *battery(dictator())]
    decisions.append(veil(spd(3)).seat())
    decisions.append(replace(ipd().seat(0), others=(frozen([0.1, 0.9]),)))
    out: list[Record] = []
    for i, d in enumerate(decisions[:n]):
        k = len(d.actions)
        answer = Choice.at([0.0, *range(1, k)], mass=1 / 3) if i % 2 else Choice.at(np.ones(k), n=i + 1)
        order = (tuple(range(k)), tuple(range(k))[::-1])
        labels = tuple(f"lábel\u2028\n{j}\r" for j in range(k))
        record = Record(d, "table", order, labels, "möck", f"game {i}", answer)
        out.append(replace(record, provenance={"revision": "r", "prompt": str(i)}))
    return out


def same(a: Record, b: Record) -> None:
    assert a.key == b.key
    assert (a.game, a.model, a.frame, a.order, a.labels) == (b.game, b.model, b.frame, b.order, b.labels)
    assert a.decision.to_json() == b.decision.to_json()
    assert (a.error, a.provenance) == (b.error, b.provenance)
    assert (a.choice is None) == (b.choice is None)
    if a.choice is not None and b.choice is not None:
        assert np.array_equal(a.choice.logp, b.choice.logp)
        assert (a.choice.mass, a.choice.n) == (b.choice.mass, b.choice.n)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with eight records."""
    with RunFolder(tmp_path / "run", CONFIG) as run:
        run.add(some())
    return tmp_path / "run"


# --- keeping -------------------------------------------------------------------------------------


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    """To the last bit, probability nil included."""
    records = some(20)
    failed = replace(records[0], game="other", choice=None, error="Oops: \u2028 \x00 \ud800\n")
    with RunFolder(tmp_path / "run", CONFIG) as run:
        run.add(records)
        run.add([failed])
    for reader in (RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run", CONFIG)):
        for kept, given in zip(reader.records, [*records, failed], strict=True):
            same(kept, given)
        reader.close()
    assert any(r.choice is not None and np.isneginf(r.choice.logp).any() for r in records)


def test_only_what_is_missing_or_failed_is_asked(folder: Path) -> None:
    records = some()
    anew = replace(records[0], game="new")
    with RunFolder(folder, CONFIG) as run:
        assert run.missing(records) == []
        assert run.missing([*records, anew, anew]) == [anew]
        run.add([replace(anew, error="no")])
        assert [r.key for r in run.missing([*records, anew])] == [anew.key]
        run.add([replace(anew, choice=Choice.at([1, 1]))])
        assert run.missing([*records, anew]) == []
    assert len(RunFolder(folder).records) == len(records) + 1
    assert RunFolder(folder).records[-1].error is None


def test_rows_and_notes(folder: Path) -> None:
    with RunFolder(folder, CONFIG) as run:
        for step, reward in ((1, 0.5), (2, float("nan")), (2, 0.75)):
            run.log({"step": step, "reward": reward, "p": {"C,C": (0.5, float("-inf"))}})
        run.log({"phase": "two", "step": 2, "reward": 1.0})
        run.note("side.json", {"x": (1, 2), "bad": float("inf")})
        assert run.noted("nothing.json") is None
    rows = RunFolder(folder).rows()
    assert [(row.get("phase"), row["step"], row["reward"]) for row in rows] == [
        (None, 1, 0.5),
        (None, 2, 0.75),
        ("two", 2, 1.0),
    ]
    assert rows[0]["p"] == {"C,C": [0.5, None]}
    assert RunFolder(folder).noted("side.json") == {"x": [1, 2], "bad": None}
    for line in (folder / "curve.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)  # strict JSON: no NaN, no Infinity


def test_where_it_comes_from_is_kept(folder: Path) -> None:
    told = RunFolder(folder).provenance
    assert told["schema"] == run_folder.SCHEMA
    assert told["homines"]
    assert {"python", "machine", "commit"} <= set(told)
    assert {"numpy", "torch", "transformers"} <= set(told["libraries"])
    assert RunFolder(folder).config == {**CONFIG}


# --- tearing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [1, 40, -1])
def test_a_torn_last_line_is_dropped(folder: Path, left: int) -> None:
    path = folder / "records.jsonl"
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    torn = whole[: -len(last)] + last[:left]
    path.write_bytes(torn)
    for record, given in zip(RunFolder(folder).records, some()[:7], strict=True):
        same(record, given)
    assert path.read_bytes() == torn  # reading changes nothing
    with RunFolder(folder, CONFIG) as run:
        assert len(run.missing(some())) == 1
        run.add(run.missing(some()))
    assert path.read_bytes() == whole


def test_a_file_of_nothing_but_a_torn_line(folder: Path) -> None:
    (folder / "records.jsonl").write_bytes(b'{"game": "ip')
    assert RunFolder(folder).records == []
    with RunFolder(folder, CONFIG) as run:
        run.add(some())
    assert len(RunFolder(folder).records) == 8


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"garbage", r"records.jsonl line 3 is no JSON .*; remove that line"),
        (b"\x00\xff\x00", r"records.jsonl line 3 is no JSON .*; remove that line"),
        (b"{}", r"records.jsonl holds a line that is no record .*; remove that line and run again"),
        (b"[1, 2]", r"holds a line that is no record"),
        (b"3", r"holds a line that is no record"),
        (b"null", r"holds a line that is no record"),
    ],
)
def test_a_damaged_line_is_named_with_its_remedy(folder: Path, line: bytes, message: str) -> None:
    path = folder / "records.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[:2], line + b"\n", *lines[3:]])
    path.write_bytes(damaged)
    for config in (None, CONFIG):
        with pytest.raises(StoreError, match=message):
            RunFolder(folder, config)
        assert path.read_bytes() == damaged
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))  # the remedy
    with RunFolder(folder, CONFIG) as run:
        assert [r.game for r in run.missing(some())] == ["game 2"]


def test_a_record_with_a_damaged_value_is_named(folder: Path) -> None:
    path = folder / "records.jsonl"
    text = path.read_text()
    for whole, damaged in (('"payoffs": [[[', '"payoffs": [[["'), ('"logp": [', '"logp": ["x", ')):
        path.write_text(text.replace(whole, damaged, 1))
        with pytest.raises(StoreError, match=r"no record|no JSON"):
            RunFolder(folder)


# --- whose folder --------------------------------------------------------------------------------


def test_another_config_is_refused_by_name_and_value(folder: Path) -> None:
    before = (folder / "config.json").read_bytes()
    with pytest.raises(
        StoreError, match=r"another config \(games: \['ipd'\] there, \['bos'\] asked\); use another --out"
    ):
        RunFolder(folder, {**CONFIG, "games": ["bos"]})
    with pytest.raises(StoreError, match="extra: None there, 1 asked"):
        RunFolder(folder, {**CONFIG, "extra": 1})
    assert (folder / "config.json").read_bytes() == before
    assert len(RunFolder(folder).records) == 8


def test_a_setting_younger_than_the_folder_is_refused_with_the_options_that_go_on(folder: Path) -> None:
    """Where another setting differs too, these alone would not help; and only `homines align` has them."""
    file = folder / "config.json"
    file.write_text(json.dumps(CONFIG | {"kind": "align"}))

    def refused(settings: dict[str, float], match: str, **more: Any) -> None:
        with pytest.raises(StoreError, match=match):
            RunFolder(folder, CONFIG | {"kind": "align", "settings": settings} | more)

    young = {"until": 0.05, "text_kl": 1.0, "kl_steps": 16}
    refused(young, r"or go on with --until 0 --text-kl 0 --kl-steps 0$")
    refused({**young, "text_kl": 0.0}, r"or go on with --until 0 --kl-steps 0$")
    refused(young, r"or the config that made it$", games=["bos"])
    file.write_text(json.dumps(CONFIG | {"kind": "demo"}))
    refused(young, r"or the config that made it$", kind="demo")
    with RunFolder(folder, CONFIG | {"kind": "demo", "settings": dict.fromkeys(young, 0)}) as run:
        assert len(run.records) == 8


def test_the_commands_spelling_is_no_other_config(folder: Path) -> None:
    with RunFolder(folder, {**CONFIG, "command": "homines test --json"}) as run:
        assert len(run.records) == 8
        assert run.config["command"] == CONFIG["command"]


def test_a_folder_in_which_nothing_was_recorded_takes_another_config(tmp_path: Path) -> None:
    """So that a mistyped command does not block its own correction."""
    RunFolder(tmp_path / "run", CONFIG).close()
    with RunFolder(tmp_path / "run", {**CONFIG, "games": ["bos"]}) as run:
        assert run.config["games"] == ["bos"]
        run.log({"step": 1})
    with pytest.raises(StoreError, match="another config"):
        RunFolder(tmp_path / "run", CONFIG)


def test_a_newer_schema_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.loads((folder / "provenance.json").read_text())
    for schema in (run_folder.SCHEMA + 1, None, "two"):
        (folder / "provenance.json").write_text(json.dumps({**told, "schema": schema, "homines": "9.9"}))
        for config in (None, CONFIG):
            with pytest.raises(StoreError, match=rf"has schema {schema}, .* reads up to 1; install .*9\.9"):
                RunFolder(folder, config)
    (folder / "provenance.json").write_text(json.dumps(told))
    monkeypatch.setattr(run_folder, "SCHEMA", run_folder.SCHEMA + 1)
    assert len(RunFolder(folder).records) == 8  # a newer version reads what an older one wrote


def test_what_is_no_run_folder(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(StoreError, match=r"is no run folder \(no config.json\); make one with"):
        RunFolder(tmp_path)
    with pytest.raises(StoreError, match="is no run folder"):
        RunFolder(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(StoreError, match="is a file, not a folder; choose another --out"):
        RunFolder(file, CONFIG)
    assert file.read_text() == "mine"
    for name in ("config.json", "provenance.json"):
        kept = (folder / name).read_text()
        for damaged in ("", "{", "[1]", "null"):
            (folder / name).write_text(damaged)
            with pytest.raises(StoreError, match=rf"{name} cannot be read .*; restore it, or use another"):
                RunFolder(folder)
        (folder / name).write_text(kept)


def test_one_process_at_a_time(folder: Path) -> None:
    hold = (
        "import sys; from homines.core.run_folder import RunFolder\n"
        f"run = RunFolder({str(folder)!r}, {CONFIG!r}); "
        "print(1, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENV,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"1\n"
        with pytest.raises(StoreError, match="is being written by another process; wait for it, or use"):
            RunFolder(folder, CONFIG)
        assert len(RunFolder(folder).records) == 8  # reading needs no lock
        other.kill()
        other.wait()
        with RunFolder(folder, CONFIG) as run:  # the lock dies with its holder
            assert len(run.records) == 8


def test_a_folder_is_free_again_after_a_failure(folder: Path) -> None:
    with pytest.raises(StoreError), RunFolder(folder, {**CONFIG, "games": []}):
        pass
    with pytest.raises(RuntimeError), RunFolder(folder, CONFIG):
        raise RuntimeError
    with RunFolder(folder, CONFIG) as run:
        assert len(run.records) == 8


# --- what was asked ------------------------------------------------------------------------------


def test_every_prompt_is_kept_verbatim_once_and_a_record_has_its_hash(tmp_path: Path) -> None:
    due = asked()
    with RunFolder(tmp_path / "run", CONFIG) as run:
        measure(Mock(HANDLERS[""]), due[:9], run)
    with RunFolder(tmp_path / "run", CONFIG) as run:
        records = measure(Mock(HANDLERS[""]), due, run)
    lines = (tmp_path / "run" / "prompts.jsonl").read_text(encoding="ascii").splitlines()
    assert len(lines) == len({q.prompt.key for q in due}) == 16
    kept = RunFolder(tmp_path / "run").prompts(r.provenance["prompt"] for r in records)
    for record, question in zip(records, due, strict=True):
        assert kept[record.provenance["prompt"]] == question.prompt
        assert retell(record) == question.prompt
    assert list(RunFolder(tmp_path / "run").prompts([due[3].prompt.key])) == [due[3].prompt.key]
    strange = Prompt((("user", "\ud800 \u2028\n</script>"),), ("A", "\rB"), begins="Answer:")
    with RunFolder(tmp_path / "run", CONFIG) as run:
        run.keep([strange, strange])
    assert RunFolder(tmp_path / "run").prompts([strange.key]) == {strange.key: strange}


def test_a_prompt_that_was_changed_or_torn_is_not_shown(tmp_path: Path) -> None:
    due, path = asked(), tmp_path / "run" / "prompts.jsonl"
    with RunFolder(tmp_path / "run", CONFIG) as run:
        measure(Mock(HANDLERS[""]), due, run)
    keys = [q.prompt.key for q in due]
    lines = path.read_text().splitlines()
    changed = lines[1].replace("market", "casino")
    assert changed != lines[1]
    path.write_text("\n".join([lines[0], changed, "[1]", "no JSON", '{"key": 1}', *lines[2:]])[:-20])
    assert RunFolder(tmp_path / "run").prompts(keys).keys() == {*keys} - {keys[1], keys[-1]}
    with RunFolder(tmp_path / "run", CONFIG) as run:  # the torn line is cut
        run.keep(q.prompt for q in due)
    assert RunFolder(tmp_path / "run").prompts(keys) == {q.prompt.key: q.prompt for q in due}


def test_prompts_without_an_answer_do_not_hold_a_folder_to_its_config(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run", CONFIG) as run:
        run.keep(q.prompt for q in asked())
    with RunFolder(tmp_path / "run", {**CONFIG, "games": ["ish"]}) as run:
        assert run.config["games"] == ["ish"]


def test_a_record_whose_frame_has_changed_since_is_not_told_in_other_words(tmp_path: Path) -> None:
    record = asked()[0].record
    assert retell(record) is not None
    for frame in ("story(memory=2, labels='X,Y')", "no_such_frame", "table(labels='A,B,C')"):
        assert retell(replace(record, frame=frame)) is None
    assert retell(replace(record, provenance={})) is None


# --- a disk that is full, a process that is killed or stopped ------------------------------------


def asked() -> list[Any]:
    """What ARGUMENTS ask: 16 questions."""
    frames = [Story(labels) for labels in (("action1", "action2"), ("action2", "action1"))]
    return [
        question
        for frame in frames
        for question in questions(Mock(HANDLERS["slow"], "mock/slow"), {"ipd": battery(ipd())}, [frame])
    ]


def whole() -> list[Record]:
    """What they get from a run that nothing interrupts (the slow mock is the quick one, delayed)."""
    return measure(Mock(HANDLERS[""], "mock/slow"), asked())


ARGUMENTS = ["measure", "mock/slow", "--frame", "story", "--batch", "1"]


def lines(folder: Path) -> list[dict[str, Any]]:
    """Whole lines of the records, whatever follows them."""
    path = folder / "records.jsonl"
    data = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def check_whole(folder: Path, result: str) -> None:
    """Nothing lost, nothing doubled, the table of an uninterrupted run."""
    keys = [line["key"] for line in lines(folder)]
    assert len(keys) == len(set(keys)) == 16
    there = {record.key: record for record in RunFolder(folder).records}
    for record in whole():
        same(there[record.key], record)
    rows = [json.loads(line) for line in (folder / "prompts.jsonl").read_text().splitlines()]
    assert sorted(row["key"] for row in rows) == sorted({q.prompt.key for q in asked()}), "each prompt once"
    told = json.loads(result)
    assert told["rows"] == json.loads(json.dumps(summary(whole())))
    assert (told["questions"], told["failed"]) == (16, 0)


@contextmanager
def started(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that measures into the folder; it does not outlive the test."""
    command = [*HOMINES, *ARGUMENTS, "--out", str(folder), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def recorded(process: subprocess.Popen[str], folder: Path, n: int) -> None:
    """Wait until n records are there."""
    while len(lines(folder)) < n:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def finished(folder: Path) -> str:
    """What a run to the end prints."""
    with started(folder) as process:
        result, errors = process.communicate()
    assert process.returncode == 0, errors
    return result


def test_a_full_disk_is_told_and_costs_nothing(tmp_path: Path) -> None:
    """Here a limit of the file's size stands for the disk's; both are an OSError while writing."""
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)); from homines.cli.app import main; main()"
    )
    arguments = [*ARGUMENTS, "--batch", "3", "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-c", limited, *arguments], capture_output=True, text=True, env=ENV, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"homines: cannot write to {tmp_path / 'run'}: File too large.")
    assert "What was recorded before is safe; make room" in last
    before = (tmp_path / "run" / "records.jsonl").read_bytes()
    assert 0 < len(lines(tmp_path / "run")) < 16
    assert len(lines(tmp_path / "run")) % 3 == 0  # whole batches
    assert before.endswith(b"\n")
    result = finished(tmp_path / "run")
    assert (tmp_path / "run" / "records.jsonl").read_bytes().startswith(before)
    check_whole(tmp_path / "run", result)


def test_notes_on_a_full_disk_leave_the_old_ones(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with RunFolder(folder, CONFIG) as run:
        run.note("side.json", {"x": 1})
        monkeypatch.setattr(os, "fsync", full)
        for write in (
            lambda: run.note("side.json", {"x": 2}),
            lambda: run.log({"step": 1}),
            lambda: run.add([replace(some()[0], game="new")]),
        ):
            with pytest.raises(StoreError, match=r"cannot write .*No space left on device"):
                write()
        monkeypatch.undo()
    assert RunFolder(folder).noted("side.json") == {"x": 1}
    assert RunFolder(folder).rows() == []
    assert len(RunFolder(folder).records) == 8
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"cannot write .*No space left on device"):
        RunFolder(folder.parent / "other", CONFIG)


def test_killed_again_and_again_it_still_ends_whole(tmp_path: Path) -> None:
    folder, rng, seen = tmp_path / "run", np.random.default_rng(7), 0
    for round_ in range(4):
        with started(folder) as process:
            recorded(process, folder, seen + int(rng.integers(1, 4)))
            time.sleep(float(rng.uniform(0, 0.1)))
            process.kill()
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        now = lines(folder)
        assert seen < len(now) < 16, round_  # every start goes on where the last one fell
        seen = len(now)
    check_whole(folder, finished(folder))


def test_interrupted_it_says_how_to_go_on_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with started(folder) as process:
        recorded(process, folder, 2)
        process.send_signal(signal.SIGINT)
        result, errors = process.communicate()
    assert process.returncode == 130
    assert result == ""
    assert "Traceback" not in errors
    done = len(lines(folder))
    assert errors.strip().endswith(
        f"homines: stopped after {done} of 16 questions; nothing is lost, run the same command again to go on"
    )
    assert 2 <= done < 16
    with RunFolder(folder) as run:
        config = run.config
    with RunFolder(folder, config) as run:
        records = measure(Mock(HANDLERS[""], "mock/slow"), asked(), run)
    for record, other in zip(records, whole(), strict=True):
        same(record, other)
    assert len(lines(folder)) == 16


@pytest.mark.parametrize("asks", ["choice", "aloud", "belief"])
def test_what_a_record_asks_is_stored_and_read_off_the_frame_of_an_earlier_version(asks: str) -> None:
    d = Decision(("C", "D"), frozen([[1.0, 0.0]]))
    record = Record(d, f"table(memory=1, asks={asks})", ((0, 1),), ("A", "B"), "m", asks=check_asks(asks))
    row = record_to_json(record)
    assert row["asks"] == record_from_json(row).asks == asks
    del row["asks"]
    assert record_from_json(row).asks == asks
    with pytest.raises(HominesError, match="asks for no 'nothing'"):
        record_from_json({**row, "asks": "nothing"})
    other = "belief" if asks != "belief" else "choice"
    with pytest.raises(
        ValueError, match=f"asks is '{other}', and the frame"
    ):  # it would leave, or enter, rates
        record_from_json({**row, "asks": other})


def test_a_frame_under_a_condition_asks_what_it_states_after_its_own_frame() -> None:
    d = Decision(("C", "D"), frozen([[1.0, 0.0]]))
    frame = 'under(condition=turns, frame="table(memory=1, asks=choice)", asks=aloud)'
    record = Record(d, frame, ((0, 1),), ("A", "B"), "m", asks="aloud")
    assert record_from_json(record_to_json(record)).asks == "aloud"

"""`homines import` before a stranger's log: bombs, depth, names that lead away, values of other kinds."""

from __future__ import annotations

import copy
import json
import math
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homines.cli.app import main
from homines.cli.import_log import carry_out_import
from homines.core.types import HominesError
from homines.elicitation.metrics import choices, summary
from homines.evals import tasks
from homines.evals.logs import read_run
from homines.evals.samples import KEY
from tests.helpers.inspecting import ran, saying


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON of a log that can be imported."""
    task = tasks.measure(games="ipd", frames="bare", labels="X,Y", swap=False)
    log = ran(
        task, tmp_path_factory.mktemp("log"), model=saying(lambda text, _: "X"), log_format="json", limit=2
    )
    return json.loads(Path(log.location).read_text())


def kept(folder: Path, log: Any) -> Path:
    path = folder / "log.json"
    path.write_text(json.dumps(log))
    return path


def stated(log: dict[str, Any]) -> dict[str, Any]:
    """What a record is made of, in the first sample."""
    return log["samples"][0]["metadata"][KEY]


def scored(log: dict[str, Any]) -> dict[str, Any]:
    """The answer of the first sample."""
    (score,) = log["samples"][0]["scores"].values()
    return score["metadata"]["answer"]


def test_the_log_itself_is_imported(plain: dict[str, Any], tmp_path: Path) -> None:
    assert len(read_run(kept(tmp_path, plain)).records) == 2


# --- size and depth ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["header.json", "samples/1_epoch_1.json", "nothing.bin"])
def test_a_log_that_unpacks_to_too_much_is_not_unpacked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homines.evals.logs.LARGEST", 1_000_000)
    path = tmp_path / "bomb.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as held:
        held.writestr(name, b" " * 1_000_001)
    assert path.stat().st_size < 5000
    with pytest.raises(HominesError, match="is 1 MB of log, unpacked, and at most 1 MB are read"):
        read_run(path)


def test_a_log_that_lies_about_its_size_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homines.evals.logs.LARGEST", 1_000_000)
    path = tmp_path / "lie.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as held:
        held.writestr("header.json", b" " * 5_000_000)
    true = (5_000_000).to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(true) == 2
    path.write_bytes(data.replace(true, (100).to_bytes(4, "little")))
    with pytest.raises(HominesError, match="cannot be read as a log"):
        read_run(path)


def test_a_large_or_deep_file_is_refused(
    plain: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / "deep.json"
    deep.write_text('{"version": 2, "eval": ' + "[" * 200_000)
    with pytest.raises(HominesError, match="cannot be read as a log"):
        read_run(deep)
    below = copy.deepcopy(plain)
    inner: Any = 1
    for _ in range(400):
        inner = [inner]
    stated(below)["decision"]["payoffs"] = inner
    with pytest.raises(HominesError) as told:
        read_run(kept(tmp_path, below))
    assert len(str(told.value)) < 700
    monkeypatch.setattr("homines.evals.logs.LARGEST", 10_000)
    with pytest.raises(HominesError, match="at most 0 MB are read; run the task in parts"):
        read_run(kept(tmp_path, plain))


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../../../victim", "/etc/victim", "a\0b", "..", "x" * 5000, "字" * 200, "a\x1b[2Jb"]
)
def test_names_in_a_log_lead_nowhere(
    name: str, plain: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = copy.deepcopy(plain)
    log["eval"]["task"] = log["eval"]["model"] = log["eval"]["eval_id"] = name
    log["location"] = str(tmp_path / "victim.json")
    for sample in log["samples"]:
        sample["metadata"][KEY]["model"] = name
    here = tmp_path / "a" / "b" / "c"
    here.mkdir(parents=True)
    path = kept(tmp_path, log)
    monkeypatch.chdir(here)
    with pytest.raises(SystemExit) as done:
        carry_out_import(path, None, True)
    assert done.value.code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"a", "log.json"}
    assert [p.name for p in here.iterdir()] == ["runs"]
    (folder,) = (here / "runs").iterdir()
    assert folder.name.startswith("import-")
    assert (folder / "report.html").is_file()


def test_members_that_climb_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    path = here / "climbs.eval"
    with zipfile.ZipFile(path, "w") as held:
        for name in ("../victim.json", "/tmp/victim.json", "samples/../../victim.json", "samples/a\0b.json"):
            held.writestr(name, "{}")
    monkeypatch.chdir(here)
    with pytest.raises(HominesError, match="cannot be read as a log"):
        read_run(path)
    assert [p.name for p in tmp_path.rglob("*")] == ["here", "climbs.eval"]


# --- values of other kinds -----------------------------------------------------------------------

CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no object": lambda log: log["samples"][0]["metadata"].update({KEY: 7}),
    "moves that are none": lambda log: log["samples"][0]["metadata"].update({KEY: [7]}),
    "text for moves": lambda log: log["samples"][0]["metadata"].update({KEY: ["move"]}),
    "no decision": lambda log: stated(log).update(decision=None),
    "labels a number": lambda log: stated(log).update(labels=7),
    "labels numbers": lambda log: stated(log).update(labels=[1, 2]),
    "labels too few": lambda log: stated(log).update(labels=["X"]),
    "labels alike": lambda log: stated(log).update(labels=["X", "X"]),
    "labels without end": lambda log: stated(log).update(labels=["X" * 200_000, "Y"]),
    "game an object": lambda log: stated(log).update(game={"a": 1}),
    "frame a list": lambda log: stated(log).update(frame=["table"]),
    "order of others": lambda log: stated(log).update(order=[[5, 6]]),
    "order of texts": lambda log: stated(log).update(order=[["a", "b"]]),
    "payoffs of texts": lambda log: stated(log)["decision"].update(payoffs=[["a"]]),
    "provenance a text": lambda log: stated(log).update(provenance="x"),
    "answer a text": lambda log: scored(log).update(logp="x"),
    "answer NaN": lambda log: scored(log).update(logp=[math.nan, 0.0]),
    "answer positive": lambda log: scored(log).update(logp=[0.7, -0.7]),
    "answer over one": lambda log: scored(log).update(logp=[-0.1, -0.1]),
    "answer of three": lambda log: scored(log).update(logp=[-1.0986, -1.0986, -1.0986]),
    "mass seven": lambda log: scored(log).update(mass=7),
    "mass null": lambda log: scored(log).update(mass=None),
    "mass true": lambda log: scored(log).update(mass=True),
    "mass a text": lambda log: scored(log).update(mass="1"),
    "mass NaN": lambda log: scored(log).update(mass=math.nan),
    "samples half a one": lambda log: scored(log).update(n=0.5),
    "samples less than none": lambda log: scored(log).update(n=-3),
    "samples null": lambda log: log.update(samples=[None]),
    "metadata null": lambda log: log["samples"][0].update(metadata=None),
    "data set a text": lambda log: log["eval"].update(dataset="x"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_value_of_another_kind_is_told_in_one_sentence(
    change: str, plain: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    log = copy.deepcopy(plain)
    CHANGES[change](log)
    path = kept(tmp_path, log)
    monkeypatch.setattr("sys.argv", ["homines", "import", str(path), "--out", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as done:
        main()
    said = capsys.readouterr().err
    assert done.value.code == 2
    assert said.startswith("homines: ")
    assert len(said.splitlines()) == 1
    assert "Traceback" not in said
    assert [p.name for p in tmp_path.iterdir()] == ["log.json"]


def test_an_output_that_is_no_measurement_fails_alone(
    plain: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = copy.deepcopy(plain)
    log["samples"][0]["scores"] = None

    def hear(*_: Any) -> None:
        raise HominesError("log-probability 0.7 is above 0")

    monkeypatch.setattr("homines.evals.logs.read_output", hear)
    found = read_run(kept(tmp_path, log)).records
    assert sorted(r.error or "" for r in found) == ["", "log-probability 0.7 is above 0"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for key, held in items for inner in places(held, (*path, key)))]


@given(st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_log_is_imported_or_told(plain: dict[str, Any], tmp_path: Path, data: st.DataObject) -> None:
    log = copy.deepcopy(plain)
    part = data.draw(st.sampled_from([log["samples"][0]["metadata"][KEY], scored(log), log["eval"], log]))
    path = data.draw(st.sampled_from(places(part)[1:]))
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = data.draw(JSON)
    with suppress(HominesError):
        found = read_run(kept(tmp_path, log))
        summary(choices(found.records))
        json.dumps(found.config)

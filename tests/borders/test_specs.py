"""Specs that come from a file run nothing: a table of every place that one is read from.

Each place is given specs that would make a folder `marker`, plain and inside the arguments of a spec of ours.
The marker must not appear, whatever the command says.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import homines
from homines.certificates.certificate import seal
from homines.cli.app import main
from homines.core import registry
from homines.core.registry import TrustedPath, TrustedSpec, UntrustedModule, find, spell, trust
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError
from homines.models.mock import uniform
from homines.opponents import opponent
from homines.people.plan import SessionPlan
from homines.preferences.anti_deontological import AntiDeontological
from homines.preferences.deontological import Deontological
from homines.preferences.game_deontological import GameDeontological
from homines.training.schedule import schedule, spell_schedule
from homines.view.live import live
from tests.helpers.tiny import willing

SOURCE = Path(homines.__file__).parent
AWAY = "is not available here"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder to work in, with modules of a person's own on the path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("own.py").write_text(
        "from dataclasses import dataclass\n"
        "from homines.frames.table import Table\n"
        "from homines.games.ipd import ipd\n"
        "from homines.preferences.economicus import Economicus\n"
        "@dataclass(frozen=True)\n"
        "class Terse(Table):\n"
        "    pass\n"
        "@dataclass(frozen=True)\n"
        "class Greedy(Economicus):\n"
        "    pass\n"
        "def rule(d):\n"
        "    from homines.preferences.deontological import betrayal\n"
        "    return betrayal(d)\n"
    )
    yield
    sys.modules.pop("own", None)


Homines = Callable[..., tuple[int, str]]


@pytest.fixture
def homines_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Homines:
    """homines_("report", "run") is (exit code, everything it said)."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["homines", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(str(left.value.code or 0)), said.out + said.err

    return run


# --- the table -------------------------------------------------------------------------------------

MARKER = "marker"
PLAIN = f"os:mkdir('{MARKER}')"
NESTED = f'deontological(rule="{PLAIN}")'
PAYLOADS = {"plain": PLAIN, "nested": NESTED, "scheduled": f"economicus:3 -> {NESTED}"}


def measured(homines_: Homines, name: str = "run") -> Path:
    assert homines_("measure", "mock", "--game", "ipd", "--out", name)[0] == 0
    return Path(name)


def rewritten(path: Path, change: Callable[[Any], None]) -> None:
    """Change every JSON value of a file, as a stranger may."""
    lines = path.suffix == ".jsonl"
    texts = path.read_text().splitlines() if lines else [path.read_text()]
    values = [json.loads(text) for text in texts]
    for value in values:
        change(value)
        if isinstance(value, dict):
            value.pop("sum", None)  # a stranger's lines need no checksum
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


def config_of(payload: str, homines_: Homines) -> Iterator[Callable[[], Any]]:
    run, other = measured(homines_), Path("other")
    shutil.copytree(run, other)
    specs = {"preference": payload, "training_frames": [payload], "frames": [payload], "games": [payload]}
    for kind in ("align", "measure", "play"):
        rewritten(run / "config.json", lambda c, kind=kind: c.update(specs, kind=kind, game=payload))
        yield lambda: homines_("report", "run")
        yield lambda: homines_("report", "run", "other")
        yield lambda: homines_("fit", "run", "--family", "inequity")
        yield lambda: live(run)
        yield lambda: SessionPlan.of(RunFolder(run).config)


def sitting_of(payload: str, homines_: Homines) -> Iterator[Callable[[], Any]]:
    plan = SessionPlan(("ipd",), "tit_for_tat", "table(labels='X,Y')")
    run = Path("sitting")
    with RunFolder(run, plan.config("command")):
        pass
    for field, value in (("games", [payload]), ("model", payload), ("frames", [payload])):
        config = json.loads((run / "config.json").read_text())
        rewritten(run / "config.json", lambda c, f=field, v=value: c.update({f: v}))
        yield lambda: SessionPlan.of(RunFolder(run).config)
        yield lambda: opponent(RunFolder(run).config["model"])
        (run / "config.json").write_text(json.dumps(config))


def records_of(payload: str, homines_: Homines) -> Iterator[Callable[[], Any]]:
    run = measured(homines_)
    for field in ("frame", "game", "model"):
        whole = (run / "records.jsonl").read_text()
        rewritten(run / "records.jsonl", lambda r, f=field: r.update({f: payload}))
        yield lambda: homines_("fit", "run", "--family", "inequity")
        yield lambda: homines_("report", "run")
        yield lambda: live(run)
        (run / "records.jsonl").write_text(whole)


def log_of(payload: str, homines_: Homines) -> Iterator[Callable[[], Any]]:
    from homines.evals import tasks
    from tests.helpers.inspecting import ran, saying

    log = ran(tasks.measure(games="ipd", labels="X,Y"), Path("logs"), model=saying(lambda text, _: "X"),
              log_format="json")  # fmt: skip
    path = Path(log.location)
    whole = path.read_text()
    for field in ("frame", "game"):
        path.write_text(re.sub(rf'"{field}": ?"[^"\\]*"', f'"{field}": {json.dumps(payload)}', whole))
        assert payload.replace('"', '\\"') in path.read_text()
        yield lambda f=field: homines_("import", str(path), "--out", f)
        yield lambda f=field: homines_("fit", f, "--family", "inequity")
        yield lambda f=field: homines_("report", f)


def data_of(payload: str, homines_: Homines) -> Iterator[Callable[[], Any]]:
    from transformers import AutoTokenizer

    from homines.models.catalogue import cache_folder, pull

    code, said = homines_("data", "--to", "economicus", "--n", "4", "--test", "2", "--out", "data")
    assert code == 0, said
    held = cache_folder() / "smollm2"
    tokenizer: Any = AutoTokenizer.from_pretrained(str(held if held.exists() else pull()))
    willing(tokenizer).save_pretrained("net")
    tokenizer.save_pretrained("net")
    data = Path("data")
    asked: dict[str, Any] = {
        "preference": payload,
        "frames": [payload],
        "games": [payload],
        "apart": [payload],
    }
    whole = (data / "recipe.json").read_text()
    for field, value in asked.items():
        rewritten(data / "recipe.json", lambda r, f=field, v=value: r["recipe"].update({f: v}))
        yield lambda: homines_("tune", "hf/net", "--data", "data", "--no-check", "--out", "tuned")
        yield lambda: homines_("finetune", "openai/x", "--data", "data", "--out", "ordered")
        (data / "recipe.json").write_text(whole)
    for field in ("frame", "game"):
        for part in ("train", "test"):
            rewritten(data / f"{part}.facts.jsonl", lambda r, f=field: r.update({f: payload}))
        yield lambda f=field: homines_(
            "tune", "hf/net", "--data", "data", "--no-check", "--out", f"tuned-{f}"
        )


def grid_of(payload: str, homines_: Homines) -> Iterator[Callable[[], Any]]:
    text = json.dumps(payload)
    parts = (
        f"preferences = [{text}]",
        f'preferences = ["economicus"]\nopponents = [{text}]',
        f'preferences = ["economicus"]\n[align]\ngame = {text}',
        f'preferences = ["economicus"]\n[align]\nframes = [{text}]',
        f'preferences = ["economicus"]\n[align]\nrival = {text}',
        f"[measure]\ngames = [{text}]",
        f"[measure]\nframes = [{text}]",
        f"studies = [{text}]",
    )
    for allow in ("", "allow_modules = true\n"):
        for part in parts:
            Path("grid.toml").write_text(f'models = ["smollm2"]\n{allow}{part}\n')
            yield lambda: homines_("sweep", "grid.toml", "--dry-run")
            Path("grid.toml").write_text(f'models = ["mock"]\n{allow}{part}\n')
            yield lambda: homines_("sweep", "grid.toml", "--store", "store")


def table_of(payload: str, homines_: Homines) -> Iterator[Callable[[], Any]]:
    quoted = payload.replace('"', '""')
    for heads in ("subject,decision,option,own,chosen,game", "subject,decision,game,own,chosen,option"):
        rows = [
            f'"{quoted}",1,"{quoted}{end}",{own},{1 - own},"{quoted}"' for end, own in (("", 1), ("x", 0))
        ]
        Path("people.csv").write_text("\n".join([heads, *rows]) + "\n")
        yield lambda: homines_("fit", "people.csv", "--family", "inequity")


def study_of(payload: str, homines_: Homines) -> Iterator[Callable[[], Any]]:
    """A folder of runs, as studies and sweeps leave them."""
    for name in ("study/base", "study/after"):
        run = measured(homines_, name)
        rewritten(run / "config.json", lambda c: c.update(preference=payload, kind="align"))
        rewritten(run / "records.jsonl", lambda r: r.update(frame=payload))
    yield lambda: homines_("report", "study")


def certificate_of(payload: str, homines_: Homines) -> Iterator[Callable[[], Any]]:
    """A certificate whose every name is the payload, under a hash that holds."""
    code, said = homines_("certify", "mock", "--quick", "--out", "certified")
    assert code == 0, said
    facts = json.loads((Path("certified") / "certificate.json").read_text())
    facts["model"] |= {"name": payload, "base": payload, "revision": payload}
    facts["verdict"]["headline"] = facts["software"]["homines"] = payload
    facts["values"][0] |= {"name": payload, "section": payload, "reason": payload}
    facts["asked"][payload] = facts["asked"]["states"]
    facts["records"][0] |= {"section": payload, "question": payload[:64]}
    without = {key: x for key, x in facts.items() if not key.endswith("sha256")}
    path = Path("theirs.json")
    path.write_text(json.dumps(dict(seal(without).facts)))
    yield lambda: homines_("certify", "mock", "--against", str(path))
    yield lambda: homines_("certify", "mock", "--against", str(path), "--json")


Place = Callable[[str, Homines], Iterator[Callable[[], Any]]]
PLACES: dict[str, Place] = {
    "a run's config": config_of,
    "a sitting's config": sitting_of,
    "a run's records": records_of,
    "a log of Inspect": log_of,
    "a data folder": data_of,
    "a sweep's file": grid_of,
    "a table of people": table_of,
    "a study's folder": study_of,
    "a certificate": certificate_of,
}


@pytest.mark.parametrize("payload", list(PAYLOADS))
@pytest.mark.parametrize("place", list(PLACES))
def test_a_spec_from_a_file_runs_nothing(place: str, payload: str, homines_: Homines) -> None:
    tried = 0
    for carry_out in PLACES[place](PAYLOADS[payload], homines_):
        try:
            found = carry_out()
        except HominesError:
            found = None
        assert not Path(MARKER).exists(), f"{place}: step {tried} ran code"
        if isinstance(found, tuple) and isinstance(found[0], int):
            assert found[0] in (0, 1, 2, 3), found[1]
            assert "Traceback" not in found[1]
        tried += 1
    assert tried


READERS = {
    "training/lifecycle.py": "a run's config",
    "elicitation/benchmark_file.py": "",  # texts and places of answers: tests/elicitation/test_benchmark.py
    "elicitation/scenario_file.py": "",  # texts and places of options: tests/elicitation/test_scenarios.py
    "elicitation/scenario_forms.py": "",  # the same, of published sets
    "elicitation/conditions.py": "",  # this package's own texts
    "estimation/amce_rows.py": "",  # tables of responses: codes of countries and characters, no specs
    "estimation/published.py": "",  # a published table of numbers
    "sweeps/claims.py": "",  # leases of cells: tests/borders/test_shared_store.py
    "datasets/folder.py": "a data folder",
    "evals/logs.py": "a log of Inspect",
    "estimation/fitting.py": "a table of people",
    "sweeps/grid.py": "a sweep's file",
    "inference/model_folder.py": "",  # settings of networks and adapters: tests/borders/test_model_folders.py
    "inference/memory.py": "",  # headers of weights, and the machine's own numbers
    "inference/gguf_conversion.py": "",  # a file of the catalogue, known by its hash
    "certificates/certificate.py": "a certificate",
    "certificates/plan.py": "",  # whether a comparison is finished, and of which hash
    "atlases/collection.py": "",  # names of models, which nothing loads; its runs are run folders
    "transfers/asking.py": "",  # words on an adapter's training, which are shown and not looked up
    "inference/adapters.py": "",  # networks by peft, safetensors only
    "cli/demo.py": "",  # the model of a run's config, where the catalogue has it
    "inference/http.py": "",  # replies of a server, which hold answers
    "inference/api_book.py": "",  # tokens of earlier calls
    "models/hf.py": "",  # networks by transformers, safetensors only, remote code off
    "models/catalogue.py": "",  # what this package wrote in its own cache
    "inference/server.py": "",  # replies of a server
    "estimation/observations_csv.py": "a table of people",
    "training/sampled.py": "",  # an adapter of this package's own training
    "sweeps/store.py": "a sweep's file",  # marks: tests/borders/test_shared_store.py
    "core/run_folder.py": "a run's records",
    "studies/task.py": "",  # one number of a study's own
    "sweeps/sweep.py": "",  # a summary's names of cells
    "estimation/tidy_csv.py": "a table of people",
    "training/exact.py": "",  # the state of a walk: tests/borders/test_checkpoints.py
    "training/checkpoints.py": "",  # tests/borders/test_checkpoints.py
    "training/trainer.py": "",  # the config of an adapter that PEFT has just written
    "view/runs.py": "a run's config",
    "serving/request.py": "",  # bodies of requests: words, and a model's name that nothing loads
}
"""Every file that reads a format from a disk, and the place in the table that tries it; '': no specs."""
THROUGH_OTHERS = {
    "training/service.py": ("datasets/folder.py", "a data folder"),  # uploads its files, unparsed
}
"""Files that parse no format themselves: the file of READERS that does it for them, and the place."""

FORMATS = re.compile(
    r"(json|strict)\.loads?\(|tomllib\.|csv\.(DictReader|reader)\(|(read|scan)_(csv|ndjson|json|parquet)\(|"
    r"read_eval_log\(|from_pretrained\(|yaml\.|pickle\.|torch\.load\("
)


def test_whoever_reads_a_file_is_in_the_table() -> None:
    reading = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if FORMATS.search(path.read_text(encoding="utf-8"))
    }
    unlisted, stale = sorted(reading - set(READERS)), sorted(set(READERS) - reading)
    assert not unlisted, f"{unlisted} read files: add to READERS what they read"
    assert not stale, f"{stale} read no file: drop them from READERS"
    assert {place for place in READERS.values() if place} <= set(PLACES)
    for file, (reader, place) in THROUGH_OTHERS.items():
        assert file not in reading
        assert READERS[reader] == place
        module = f"homines.{reader.removesuffix('.py').replace('/', '.')}"
        assert f"from {module} import" in (SOURCE / file).read_text(encoding="utf-8")


TRUSTING = {
    "api.py",
    "api_plans.py",
    "calls.py",
    "cli/data.py",
    "cli/options.py",
    "sweeps/grid.py",
    "core/registry.py",
    "results.py",
    "training/schedule.py",
    "core/run_folder.py",
    "datasets/recipe.py",
}
"""Who makes text trusted: the doors a person types at, and readers that ask a path whether it is trusted."""


def test_text_becomes_trusted_at_few_places() -> None:
    names = {"TrustedSpec", "TrustedPath", "trust"}
    making = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", None) in names or getattr(node.func, "attr", None) in names)
    }
    assert making <= TRUSTING


# --- what a person types ---------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["games", "preferences", "frames", "opponents"])
def test_the_registry_is_closed_to_text(folder: str) -> None:
    with pytest.raises(UntrustedModule, match=AWAY):
        find(folder, "own:rule")
    with pytest.raises(UntrustedModule, match="--trust-modules"):
        registry.arguments(folder, "own:rule()")
    assert "own" not in sys.modules


def test_trust_reaches_every_depth_and_ends_where_text_is_cut() -> None:
    spec = 'deontological(rule="own:rule")'
    assert isinstance(find("preferences", trust(spec)), Deontological)
    assert find("preferences", spell(find("preferences", trust(spec)))).rule == "own:rule"
    for text in (
        spec,
        str(trust(spec)),
        trust(spec)[:],
        f"{trust(spec)}",
        json.loads(json.dumps(trust(spec))),
    ):
        with pytest.raises(UntrustedModule):
            find("preferences", text)(find("games", "ipd").memory_one()[0])
    assert trust({"a": ["b", ("c",)], "n": 1}) == {"a": ["b", ("c",)], "n": 1}
    assert isinstance(trust({"a": ["b", ("c",)]})["a"][1][0], TrustedSpec)
    assert trust(None) is None
    assert trust(uniform) is uniform


def test_a_rule_of_ones_own_is_given_as_itself() -> None:
    rule = import_module("own").rule
    for kind in (Deontological, AntiDeontological, GameDeontological):
        preference = kind(rule=rule)
        assert (preference.rule, type(preference.rule)) == ("own:rule", TrustedSpec)
        assert find("preferences", spell(preference)) == preference
        with pytest.raises(UntrustedModule, match="the function itself"):
            kind(rule="own:rule")


def test_a_schedule_is_trusted_as_it_was_typed() -> None:
    text = "economicus:3 -> own:Greedy():2"
    with pytest.raises(HominesError, match=AWAY):
        schedule(text, 5)
    again = spell_schedule(schedule(trust(text), 5))
    assert [phase.steps for phase in schedule(again, 5)] == [3, 2]


def test_what_is_typed_is_loaded_and_its_run_is_read_back_as_text(homines_: Homines) -> None:
    code, said = homines_("measure", "mock", "--game", "own:ipd()", "--frame", "own:Terse", "--out", "run")
    assert code == 0, said
    assert "own:Terse" in said
    code, said = homines_("fit", "run", "--family", "inequity")
    assert code == 2
    assert AWAY in said
    assert "--trust-modules" in said
    code, said = homines_("fit", "run", "--family", "inequity", "--trust-modules")
    assert AWAY not in said
    assert homines_("report", "run")[0] == 0
    assert homines_("report", "run", "--trust-modules")[0] == 0
    assert isinstance(RunFolder(TrustedPath("run")).records[0].frame, TrustedSpec)
    assert type(RunFolder("run").records[0].frame) is str


def test_a_grid_loads_modules_where_a_person_says_so(homines_: Homines) -> None:
    text = 'models = ["mock"]\n{}[measure]\ngames = ["own:ipd()"]\n'
    Path("grid.toml").write_text(text.format(""))
    assert AWAY in homines_("sweep", "grid.toml", "--dry-run")[1]
    Path("grid.toml").write_text(text.format("allow_modules = true\n"))
    code, said = homines_("sweep", "grid.toml", "--dry-run")
    assert (code, "cannot vouch for itself" in said) == (2, True)
    assert "own" not in sys.modules
    code, said = homines_("sweep", "grid.toml", "--dry-run", "--trust-modules")
    assert code == 0, said

"""The Python interface does what the commands do, in the same folders, whatever was imported before."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path

import pytest

import homines as hm
from homines import namespace
from homines.core.plugins import names
from homines.core.registry import find, spell
from homines.core.run_folder import RunFolder, StoreError
from homines.core.types import HominesError
from homines.elicitation.survey import PROTOCOLS, Survey
from homines.estimation.fit import Estimate
from homines.models.catalogue import cache_folder
from homines.results import Rows, RunResult
from homines.sweeps.grid import parse
from homines.training.settings import Settings
from tests.helpers.running import HOMINES

ROOT = Path(hm.__file__).parent


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def command(*arguments: str) -> None:
    done = subprocess.run([*HOMINES, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- names -----------------------------------------------------------------------------------------


def test_the_import_brings_nothing_and_the_verbs_little() -> None:
    heavy = ("numpy", "torch", "scipy", "transformers", "altair", "jinja2")
    code = (
        "import sys, homines as hm\n"
        f"print([m for m in {heavy} if m in sys.modules])\n"
        "hm.measure, hm.align, hm.report, hm.games.trust, hm.moralis\n"
        "print([m for m in ('torch', 'transformers', 'altair') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_a_verb_is_a_function_whatever_was_imported_before() -> None:
    """The files of the same names, imported first, do not stand in its way."""
    code = (
        "import homines.elicitation.asking, homines.reports.run_page, homines.training.lifecycle\n"
        "import homines as hm\n"
        "homes = 'homines.api', 'homines.api_plans'\n"
        "for verb in hm.__all__: assert getattr(hm, verb).__module__ in homes, verb\n"
        "from homines.elicitation.asking import measure\n"
        "assert measure is not hm.measure\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("folder", namespace.FOLDERS)
def test_a_folder_offers_what_its_files_hold(folder: str) -> None:
    shelf = getattr(hm, folder)
    for name in names(folder):
        __import__(f"homines.{folder}.{name}")
        assert callable(getattr(shelf, name)), name
        assert name in shelf.__all__
    with pytest.raises(AttributeError, match="nosuch"):
        shelf.nosuch  # noqa: B018
    with pytest.raises(ImportError):
        exec(f"from homines.{folder} import nosuch")


def test_things_are_those_that_specs_name() -> None:
    assert (
        hm.moralis(kappa=0.25) == find("preferences", "moralis(kappa=0.25)") == hm.preferences.moralis(0.25)
    )
    assert spell(hm.opponents.tit_for_tat()) == "tit_for_tat"
    game, told = hm.games.trust(5), find("games", "trust(5)")
    assert (game.table == told.table).all()
    assert [getattr(g, "spec", None) for g in (game, hm.games.ipd(), hm.games.ipd(rounds=3))] == [
        "trust(5)",
        "ipd",
        "ipd(rounds=3)",
    ]
    with pytest.raises(AttributeError, match="no attribute 'moralss'"):
        hm.moralss  # noqa: B018  # pyright: ignore


def test_completion_lists_everything() -> None:
    assert {*hm.__all__, *namespace.FOLDERS, *names("preferences")} == set(dir(hm))


def test_no_preference_hides_a_verb_or_a_file() -> None:
    files = {path.stem for path in ROOT.glob("*.py")} | {
        path.name for path in ROOT.iterdir() if path.is_dir()
    }
    assert not set(names("preferences")) & (files | set(hm.__all__))


def test_what_editors_are_told_is_what_there_is() -> None:
    there = (ROOT / "__init__.pyi").read_text(encoding="utf-8")
    assert there == namespace.stub(), "run: python -m homines.namespace > src/homines/__init__.pyi"


def test_a_call_has_the_options_of_the_dataclasses() -> None:
    """Types and defaults are written in the dataclasses alone; a signature is read from them."""
    align, measure = (inspect.signature(call).parameters for call in (hm.align, hm.measure))
    for kind, parameters in ((Settings, align), (Survey, measure)):
        for f in fields(kind):
            if f.name not in ("model", "games", "frames", "labels", "device", "dtype"):
                assert (parameters[f.name].default, parameters[f.name].annotation) == (f.default, f.type)
    assert not {"device", "settings", "transfer_games", "options"} & {*align, *measure}
    assert {"unseen", "other_games", "rival", "progress"} <= {*align}


# --- measuring -------------------------------------------------------------------------------------


def test_a_measurement_is_the_commands(tmp_path: Path) -> None:
    """The same folder, the same config, the same records to the byte."""
    games = [hm.games.ipd(), hm.games.trust(5), "spd(3)"]
    told = [part for game in ("ipd", "trust(5)", "spd(3)") for part in ("--game", game)]
    run = hm.measure("mock", games, frames=["table", hm.frames.sentences()], progress=False)
    command("measure", "mock", *told, "--frame", "table", "--frame", "sentences", "--out", "typed")
    for name in ("records.jsonl",):
        assert (run.folder / name).read_bytes() == (tmp_path / "typed" / name).read_bytes()
    mine, typed = (dict(RunFolder(folder).config) for folder in (run.folder, "typed"))
    assert mine.pop("command").startswith("homines.measure('mock'")
    typed.pop("command")
    frames = mine.pop("frames")
    assert frames == typed.pop("frames")
    assert mine == typed


def test_a_command_goes_on_where_python_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = hm.measure("mock", "ish", labels=["X,Y", "P,Q"], progress=False)
    command("measure", "mock", "--game", "ish", "--labels", "X,Y", "--labels", "P,Q")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [run.folder.name]  # the same default
    monkeypatch.setattr("homines.models.mock.Mock.score", lambda *_: pytest.fail("asked again"))
    again = hm.measure(hm.load("mock"), "ish", labels=["X,Y", "P,Q"], progress=False)
    assert len(again.records) == len(run.records)


def test_the_battery_is_its_games_and_beliefs_however_it_is_asked() -> None:
    """The same folder by its name and by its games, in Python, on the command line and in a sweep's file."""
    run = hm.measure("mock", "battery", progress=False)
    assert {r.asks for r in run.records} == {"choice", "belief"}
    listed = Survey("mock", PROTOCOLS, beliefs=True)
    assert run.folder == listed.folder
    (cell,) = parse({"models": ["mock"], "measure": {"games": ["battery"]}}, "grid").cells
    assert cell.work == listed
    assert cell.columns["game"] == "battery"
    assert Survey("mock", ("ipd", "battery", "spd(1)")).games == ("ipd", *PROTOCOLS)
    silent = hm.measure("mock", "battery", beliefs=False, out="silent", progress=False)
    assert {r.asks for r in silent.records} == {"choice"}
    command("measure", "mock", "--game", "battery", "--no-beliefs", "--out", "typed")
    assert {r.key for r in RunFolder("typed").done.values()} == {r.key for r in silent.records}


@pytest.mark.skipif(not (cache_folder() / "smollm2").exists(), reason="the embedded model was not pulled")
def test_a_real_model_answers_the_same_both_ways(tmp_path: Path) -> None:
    model = hm.load("smollm2", device="cpu")
    run = hm.measure(model, "ipd", labels="X,Y", swap=False, out="python", progress=False)
    command("measure", "smollm2", "--labels", "X,Y", "--no-swap", "--out", "typed", "--device", "cpu")
    assert (run.folder / "records.jsonl").read_bytes() == (tmp_path / "typed/records.jsonl").read_bytes()
    assert (repr(model), model.name) == ("smollm2 (cpu, float32)", "smollm2")


def test_a_run_shows_itself() -> None:
    class Reader(HTMLParser):
        opened: list[str]

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.opened.pop() == tag

    run = hm.measure("mock", ["ipd", "trust(5)"], labels="<b>,&", out="run", progress=False, swap=False)
    table = run.table()
    assert [row["game"] for row in table] == ["ipd", "trust(5)"]
    assert {"C|C", "I first move", "mass", "order_effect"} <= set(table[0])
    for page in (run._repr_html_(), table._repr_html_()):
        reader = Reader()
        reader.opened = []
        reader.feed(page)
        assert not reader.opened
        assert "<b>" not in page
        assert "&lt;b&gt;" in page
    assert "trust(5)" in repr(run)
    assert len(repr(table).splitlines()) == 4
    assert repr(RunResult("run")) == repr(run)
    assert Rows()._repr_html_()


def test_low_legal_mass_is_told() -> None:
    from dataclasses import replace

    run = hm.measure("mock", out="run", progress=False)
    with RunFolder("run", run.config) as held:
        held.add([replace(r, choice=replace(r.choice, mass=0.01)) for r in run.records if r.choice])
    told = RunResult("run")
    assert "legal mass under .5" not in repr(run)
    assert "legal mass under .5" in repr(told)
    assert "legal mass under .5" in told._repr_html_()


def test_an_estimate_is_the_commands() -> None:
    from homines.estimation.fitting import estimate_one, read_observations
    from homines.estimation.options import FitOptions

    run = hm.measure("mock", ["ipd", "trust(5)"], out="run", progress=False)
    found = run.fit(hm.economicus, level=0.9)
    typed = estimate_one(read_observations(Path("run"), None)[0], "economicus", FitOptions(level=0.9))
    assert isinstance(found, Estimate)
    assert repr(found) == repr(typed)
    assert repr(found).startswith("economicus, 10 choices, 90% intervals")
    with pytest.raises(
        HominesError, match="fit has no option 'levle'; its options are model, plans, cluster"
    ):
        run.fit("economicus", levle=0.9)


def test_reports_are_written_beside_each_run() -> None:
    run = hm.measure("mock", out="run", progress=False)
    assert hm.report(run) == Path("run/report.html")
    assert hm.report([run, "run"]) == Path("run/report.html")
    with pytest.raises(HominesError, match="was loaded and not measured"):
        hm.report(hm.load("mock"))
    with pytest.raises(HominesError, match="is no run; give"):
        hm.report([3])
    with pytest.raises(StoreError, match="is no run folder"):
        hm.report("nowhere")


MISTAKES = {
    "game": (lambda: hm.measure("mock", "ipt"), "no game called 'ipt'.* did you mean 'ipd'"),
    "frame": (lambda: hm.measure("mock", frames="tabel"), "did you mean 'table'"),
    "model": (lambda: hm.measure("mok"), "no model called 'mok'"),
    "option": (lambda: hm.measure("mock", lables="X,Y"), "measure has no option 'lables'; there are swap"),  # pyright: ignore
    "no spec": (lambda: hm.measure("mock", find("games", "ipd")), r"make it by hm.games.NAME"),
    "align's option": (lambda: hm.align("mock", hm.economicus(), stesp=1), "align has no option 'stesp'"),  # pyright: ignore
    "preference": (lambda: hm.align("mock", "moralss"), "did you mean 'moralis'"),
    "no training": (lambda: hm.align("mock", "economicus", out="x"), "mock cannot be trained here"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistakes_are_told_and_leave_nothing(what: str, tmp_path: Path) -> None:
    attempt, message = MISTAKES[what]
    with pytest.raises(HominesError, match=f"(?s){message}"):
        attempt()
    assert not list(tmp_path.iterdir())


# --- aligning --------------------------------------------------------------------------------------


def test_an_alignment_is_the_commands_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed to lifecycle.align, by both roads; nothing is trained."""
    from homines.training import lifecycle as module

    seen: list[tuple[object, Path]] = []

    class Enough(Exception):  # noqa: N818
        pass

    def stop(plan: object, folder: Path, **_: object) -> None:
        seen.append((plan, folder))
        raise Enough

    monkeypatch.setattr(module, "align", stop)
    from homines.cli.app import app

    typed = (
        "align smollm2 --to moralis(kappa=0.5) --game ipd --game ish --opponent grim --labels X,Y --steps 3"
    )
    with pytest.raises(Enough):
        app(typed.split(), standalone_mode=False)
    games = [hm.games.ipd(), hm.games.ish()]
    with pytest.raises(Enough):
        hm.align("smollm2", hm.moralis(), games=games, opponent=hm.opponents.grim(), labels="X,Y", steps=3)
    assert seen[0] == seen[1]

"""The command line: a mistake is one sentence and exit code 2, results are JSON where asked, help is fast."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines import __version__
from homines.cli.app import COMMANDS, main
from homines.cli.listing import FOLDERS
from homines.core.plugins import names
from homines.core.run_folder import SCHEMA, RunFolder
from homines.models import kinds

Homines = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder to work in, with a module as a user would write one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_things.py").write_text(
        "from dataclasses import dataclass\n"
        "from homines.core.types import Prompt\n"
        "@dataclass(frozen=True)\n"
        "class Terse:\n"
        "    places = 1\n"
        "    def __call__(self, d, order):\n"
        "        shown = ' or '.join(d.actions[a] for a in order[0])\n"
        "        return Prompt((('user', f'{d.history} {shown}?'),), d.actions)\n"
    )
    yield
    sys.modules.pop("my_things", None)


@pytest.fixture
def homines_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Homines:
    """homines_("measure", "mock") is (exit code, standard output, standard error); no page is drawn."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["homines", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code
        assert isinstance(code, int)
        said = capsys.readouterr()
        return code, said.out, said.err

    def write(folder: Path, out: Path | None = None) -> Path:
        RunFolder(folder)
        return folder / "report.html"

    monkeypatch.setattr(import_module("homines.reports.run_page"), "write", write)
    return run


def test_the_version_is_told_and_nothing_else_is_done(homines_: Homines) -> None:
    assert homines_("--version") == (0, f"homines {__version__}\n", "")
    _, said, complaint = homines_()
    assert "Commands:" in said + complaint


# --- mistakes ------------------------------------------------------------------------------------

MEASURE = ("measure", "mock")
ALIGN = ("align", "mock", "--to", "economicus")
MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "unknown game": (
        (*MEASURE, "--game", "ipt"),
        r"no game called 'ipt'; .* did you mean 'ipd'\? Add games/ipt",
    ),
    "unknown frame": ((*MEASURE, "--frame", "tabel"), "no frame called 'tabel'; .* did you mean 'table'"),
    "unknown preference": (("align", "mock", "--to", "moralss"), "no preference .* did you mean 'moralis'"),
    "unknown opponent": ((*ALIGN, "--opponent", "titfortat"), "no opponent .* did you mean 'tit_for_tat'"),
    "unknown model": (
        ("measure", "mok"),
        "no model called 'mok' .did you mean mock.*there are smollm2, .*mock, .* hf/mok",
    ),
    "unknown mock": (("measure", "mock/bad"), "no mock called 'bad'; there are uniform, slow, broken"),
    "unknown folder": (("list", "gmes"), "no folder called 'gmes'; there are .*frames, games"),
    "no folder": (("list", "."), "no folder called '.'"),
    "a folder of the program itself": (
        ("list", "core"),
        "no folder called 'core'; there are frames, games, models, opponents, preferences, studies$",
    ),
    "no folder at all": (
        ("list", "nonsense"),
        "no folder called 'nonsense'; there are frames, games, models, opponents, preferences, studies$",
    ),
    "unknown road": ((*ALIGN, "--by", "ppo"), "no road called 'ppo'; there are rl, grpo, rloo"),
    "open parenthesis": (("align", "mock", "--to", "moralis(kappa"), r"'moralis\(kappa' names no preference"),
    "no value": (("align", "mock", "--to", "moralis(kappa=1+1)"), r"'1\+1' is not a value"),
    "code": (("align", "mock", "--to", "moralis(exit())"), r"'exit\(\)' is not a value"),
    "unknown parameter": (("align", "mock", "--to", "moralis(k=1)"), "moralis has no parameter 'k'"),
    "out of range": (
        ("align", "mock", "--to", "moralis(kappa=2)"),
        r"kappa must be a number in \[0, 1\], got 2",
    ),
    "parameter missing": ((*MEASURE, "--game", "ordinal"), "cannot make ordinal: missing .*'row'"),
    "no game": ((*MEASURE, "--game", "os:getcwd"), "is no game: it lacks due"),
    "no frame": ((*MEASURE, "--frame", "os:getcwd"), "is no frame: it lacks `places`"),
    "no module": ((*MEASURE, "--game", "nowhere:game"), "cannot import nowhere"),
    "frame without labels": ((*MEASURE, "--frame", "my_things:Terse", "--labels", "X,Y"), "takes no labels"),
    "equal labels": ((*MEASURE, "--labels", "X,X"), r"labels \('X', 'X'\) repeat one"),
    "an empty label": ((*MEASURE, "--labels", "X,"), r"labels \('X', ''\) hold an empty one"),
    "too many labels": (
        (*MEASURE, "--labels", "X,Y,Z"),
        r"3 labels .* for 2 actions \('C', 'D'\); give as many",
    ),
    "too few labels": ((*MEASURE, "--labels", "X"), "1 labels .* for 2 actions"),
    "labels of another": ((*MEASURE, "--game", "trust", "--labels", "K,X"), "give 'K' a second meaning"),
    "unknown layout": ((*MEASURE, "--frame", "table(layout=up)"), "no layout 'up'; there are original"),
    "too many players": ((*MEASURE, "--game", "public_goods(players=10)"), "9 other players are more than"),
    "out is a file": ((*MEASURE, "--out", "my_things.py"), "my_things.py is a file, not a folder; choose"),
    "out is in a file": (
        (*MEASURE, "--out", "my_things.py/deep/run"),
        "my_things.py is a file, not a folder; choose",
    ),
    "study, out is a file": (
        ("study", "tennant2025", "--out", "my_things.py"),
        "my_things.py is a file, not a folder; choose",
    ),
    "study, unknown model": (("study", "tennant2025", "--model", "nosuch"), "no model called 'nosuch'"),
    "study, unknown model, nothing run": (
        ("study", "tennant2025", "--model", "nosuch+x", "--dry-run"),
        r"no model called 'nosuch\+x'; there are smollm2, qwen-0.5b",
    ),
    "study, none of this name": (("study", "demo"), "no study called 'demo'; there are av_dilemma, lu2025"),
    "general and labels": (
        (*ALIGN, "--general", "--labels", "X,Y"),
        "--labels bears on nothing beside --general",
    ),
    "general and a frame": (
        (*ALIGN, "--general", "--frame", "story"),
        "--frame bears on nothing beside --general",
    ),
    "general, labels seen": ((*ALIGN, "--general", "--unseen", "A,B"), "is trained on .*--general.*--unseen"),
    "general, a game seen": ((*ALIGN, "--general", "--other-game", "ish"), "ish is trained on .*--general"),
    "labels seen": ((*ALIGN, "--labels", "X,Y", "--unseen", "X,Y"), "is trained on .*--labels.*--unseen"),
    "rival and opponent": (
        (*ALIGN, "--rival", "economicus", "--opponent", "axelrod:Grudger"),
        "drop --opponent or --rival",
    ),
    "an opponent met nowhere": ((*ALIGN, "--game", "dictator", "--opponent", "grim"), "no repeated game"),
    "nothing to remember": ((*ALIGN, "--game", "dictator", "--memory", "2"), "no repeated game.* --memory"),
    "sets of walkers": ((*ALIGN, "--sample", "8", "--sets", "2"), "sets is 2 and sample 8; .* drop --sets"),
    "no first weight": (
        (*ALIGN, "--by", "grpo", "--kl-start", "3"),
        "--kl-start bears on nothing beside --by grpo",
    ),
    "no completions": ((*ALIGN, "--generations", "8"), "--generations bears on nothing beside --by rl"),
    "no discount": ((*ALIGN, "--gamma", "0.9"), "--gamma bears on nothing beside --objective myopic"),
    "nothing between": ((*ALIGN, "--kl-between", "1"), "--kl-between bears on nothing beside one phase"),
    "steps said twice": (
        ("align", "mock", "--to", "economicus:5", "--steps", "5"),
        "--steps bears on nothing beside --to",
    ),
    "a target of a schedule": (
        ("align", "mock", "--to", "economicus:5", "--until", "0.1"),
        "--until bears on nothing beside this training, which takes all its steps",
    ),
    "a target of none": (
        (*ALIGN, "--until", "-1"),
        "until is -1.0; it must be at least 0",
    ),
    "unknown state": ((*ALIGN, "--states", "C,X"), "no state called 'C,X'; there are C,C"),
    "no state": ((*ALIGN, "--states", ""), "no state to train on"),
    "gamma 1": ((*ALIGN, "--gamma", "1"), r"gamma is 1.0; it must lie in \[0, 1\)"),
    "no steps": ((*ALIGN, "--steps", "0"), "steps is 0; it must be at least 1"),
    "no number": ((*ALIGN, "--kl", "nan"), "kl is nan; it must be at least 0"),
    "align, labels": ((*ALIGN, "--labels", "X,Y,Z"), "3 labels .* for 2 actions"),
    "align, unseen labels": ((*ALIGN, "--unseen", "X,X"), "repeat one"),
    "align, other game": ((*ALIGN, "--other-game", "ipt"), "no game called 'ipt'"),
    "align, asymmetric": (("align", "mock", "--to", "moralis", "--game", "trust"), "needs a symmetric game"),
    "no run folder": (("report", "."), r"\. is no run folder \(no config.json\); make one with"),
    "nowhere": (("report", "nowhere"), "nowhere is no run folder"),
    "pull another": (("pull", "gpt2"), "no model called 'gpt2' is pulled; there are smollm2, qwen-0.5b"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(
    homines_: Homines, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = sorted(p for p in tmp_path.rglob("*") if p.suffix != ".pyc" and p.name != "__pycache__")
    code, out, errors = homines_(*arguments)
    assert code == 2
    assert out == ""
    assert "Traceback" not in errors
    (sentence,) = (line for line in errors.splitlines() if line.strip())
    assert re.match(f"homines: .*{message}", sentence), sentence
    after = sorted(p for p in tmp_path.rglob("*") if p.suffix != ".pyc" and p.name != "__pycache__")
    assert after == before  # a mistake leaves nothing behind


def test_a_model_that_cannot_be_trained(homines_: Homines) -> None:
    code, out, errors = homines_(*ALIGN)
    assert (code, out) == (2, "")
    assert "homines: mock cannot be trained here" in errors.splitlines()[-1]
    # the folder it began blocks no other try
    code, _, errors = homines_(*ALIGN, "--steps", "7")
    assert "homines: mock cannot be trained here" in errors.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("measure",), "Missing argument 'model'"),
        (("measure", "mock", "--nonsense"), "No such option: --nonsense"),
        (("measure", "mock", "--batch", "0"), "Invalid value for '--batch'"),
        (("align", "mock"), "Missing option '--to'"),
        (("align", "mock", "--to", "economicus", "--steps", "few"), "Invalid value for '--steps'"),
        (("report",), "Missing argument 'runs'"),
        (("masure", "mock"), "No such command 'masure'"),
    ],
)
def test_a_misuse_shows_the_usage(homines_: Homines, arguments: tuple[str, ...], message: str) -> None:
    code, out, errors = homines_(*arguments)
    assert (code, out) == (2, "")
    assert errors.startswith("Usage: homines")
    assert message in errors.splitlines()[-1]


def test_a_folder_made_otherwise_is_kept(homines_: Homines, tmp_path: Path) -> None:
    assert homines_(*MEASURE, "--frame", "story", "--out", "run")[0] == 0
    records = (tmp_path / "run" / "records.jsonl").read_bytes()
    code, out, errors = homines_(*MEASURE, "--frame", "story", "--game", "ish", "--out", "run")
    assert (code, out) == (2, "")
    assert "run was made with another config (games: ['ipd'] there, ['ish'] asked" in errors
    told = json.loads((tmp_path / "run" / "provenance.json").read_text())
    (tmp_path / "run" / "provenance.json").write_text(json.dumps({**told, "schema": SCHEMA + 1}))
    for again in ((*MEASURE, "--frame", "story", "--out", "run"), ("report", "run")):
        code, out, errors = homines_(*again)
        assert (code, out) == (2, "")
        assert errors.startswith(f"homines: run has schema {SCHEMA + 1}, this homines")
        assert len(errors.splitlines()) == 1
    assert (tmp_path / "run" / "records.jsonl").read_bytes() == records


@pytest.mark.parametrize("where", ["before the bars", "while measuring"])
def test_ctrl_c_at_any_time_says_how_to_go_on(
    homines_: Homines, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    module, name = ("survey", "questions") if where == "before the bars" else ("asking", "measure")
    monkeypatch.setattr(import_module(f"homines.elicitation.{module}"), name, interrupt)
    code, out, errors = homines_(*MEASURE)
    assert (code, out) == (130, "")
    assert errors.splitlines()[-1].startswith("homines: interrupted; nothing recorded is lost, run the same")


# --- results -------------------------------------------------------------------------------------


def test_measure_tells_its_table_and_where_it_is(homines_: Homines) -> None:
    code, out, _ = homines_(*MEASURE, "--out", "run")
    assert code == 0
    assert "C|C" in out
    assert re.search(r"report +run/report.html", out)
    assert len(RunFolder("run").records) == 32
    code, out, _ = homines_(*MEASURE, "--out", "run", "--json")  # the same run, told otherwise
    assert code == 0
    told = json.loads(out)
    assert (told["folder"], told["report"]) == ("run", "run/report.html")
    assert (told["questions"], told["failed"]) == (32, 0)
    assert len(told["rows"]) == 2
    assert all(0 <= row["C|C"] <= 1 and np.isclose(row["C|C"] + row["D|C"], 1) for row in told["rows"])
    assert 0 <= told["instability"]["ipd"] <= 1
    assert len(RunFolder("run").records) == 32


def test_a_terminal_that_cannot_show_a_label_gets_its_code(
    homines_: Homines, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    code, _, errors = homines_(*MEASURE, "--labels", "é,ß", "--frame", "story", "--out", "run")
    sys.stdout.flush()
    assert code == 0, errors
    assert rb"\xe9,\xdf" in shown.getvalue()
    assert RunFolder("run").records[0].labels == ("é", "ß")


def test_measure_goes_on_where_it_was(homines_: Homines, monkeypatch: pytest.MonkeyPatch) -> None:
    homines_(*MEASURE, "--out", "run")
    monkeypatch.setattr("homines.models.mock.Mock.score", lambda *_: pytest.fail("asked again"))
    assert homines_(*MEASURE, "--out", "run", "--batch", "3")[0] == 0


def test_failed_questions_are_exit_code_one(homines_: Homines) -> None:
    code, out, _ = homines_("measure", "mock/broken", "--out", "run", "--json")
    assert code == 1
    told = json.loads(out)
    assert 0 < told["failed"] < told["questions"] == 32
    assert sum(row["errors"] for row in told["rows"]) == told["failed"]
    failed = [r for r in RunFolder("run").records if r.error]
    assert len(failed) == told["failed"]
    code, out, _ = homines_("measure", "mock/broken", "--out", "run")
    assert code == 1
    assert "failed: RuntimeError: this mock fails" in out
    assert len(RunFolder("run").records) == 32


def test_where_everything_fails_there_is_still_a_result(
    homines_: Homines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("nothing works")

    monkeypatch.setattr("homines.models.mock.Mock.score", fail)
    code, out, _ = homines_(*MEASURE, "--out", "run", "--json")
    told = json.loads(out)
    assert (code, told["failed"]) == (1, 32)
    assert told["instability"] == {"ipd": None}
    code, out, _ = homines_(*MEASURE, "--out", "run")
    assert code == 1
    assert "failed: RuntimeError: nothing works" in out


@pytest.mark.parametrize(
    ("more", "questions"),
    [
        ((), 32),  # 4 states, 2 x 2 orders, labels both ways
        (("--no-swap",), 16),
        (("--frame", "story"), 16),
        (("--labels", "X,Y"), 32),
        (("--labels", "X,Y", "--labels", "Y,X"), 32),
        (("--labels", "X,Y", "--labels", "0,1"), 64),
        (("--labels", ""), 16),  # the actions' own names: no other way round
        (("--frame", "table(labels='a,b')"), 32),
        (("--frame", "table(labels='a,b')", "--labels", "X,Y"), 32),
        (("--frame", "table", "--frame", "table()"), 32),
        (("--frame", "my_things:Terse"), 8),
        (("--game", "ipd", "--game", "ipd"), 32),
        (("--game", "ipd", "--game", "ish"), 64),
        (("--game", "trust"), 8),
        (("--game", "dictator"), 2),
    ],
)
def test_dry_run_counts_and_makes_nothing(
    homines_: Homines, tmp_path: Path, more: tuple[str, ...], questions: int
) -> None:
    code, out, errors = homines_(*MEASURE, "--dry-run", *more)
    assert (code, out, errors) == (0, f"{questions} questions\n", "")
    code, out, errors = homines_(*MEASURE, "--dry-run", "--json", *more)
    assert json.loads(out) == {"questions": questions, "tokens": None}
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Path]]:
    """planned("--steps", "5") is the plan and the run folder that `homines align mock` would carry out."""

    def read(*arguments: str) -> tuple[Any, Path]:
        held: list[tuple[Any, Path]] = []

        def carry_out(plan: Any, folder: Path, *_: Any) -> None:
            held.append((plan, folder))

        monkeypatch.setattr("homines.cli.align.carry_out", carry_out)
        monkeypatch.setattr(sys, "argv", ["homines", "align", "mock", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
        return held[0]

    return read


def test_options_left_out_are_the_settings_own(planned: Callable[..., tuple[Any, Path]]) -> None:
    from homines.training.settings import AlignmentPlan, Settings

    plan, _ = planned("--to", "economicus")
    assert plan.settings == Settings()
    assert plan == AlignmentPlan("mock", "economicus", frames=plan.frames)


@pytest.mark.parametrize(
    ("to", "title"),
    [
        ("economicus", "economicus"),
        ("economicus:20", "economicus"),
        ("moralis(kappa=0.25):20", "moralis"),
        ("homines.preferences.moralis:Moralis(kappa=0.25)", "moralis"),
        ("economicus:5 -> utilitarian", "schedule"),
    ],
)
def test_a_folder_is_named_after_the_preference(
    planned: Callable[..., tuple[Any, Path]], to: str, title: str
) -> None:
    _, folder = planned("--to", to)
    assert re.fullmatch(rf"align-mock-{title}-[0-9a-f]{{6}}", folder.name)


@pytest.mark.parametrize(
    ("words", "states"),
    [
        ((), None),
        (("--states", "C,C  D,C"), ("C,C", "D,C")),
        (("--states", "C,C; D,C;"), ("C,C", "D,C")),
        (("--memory", "2", "--states", "C,C C,D"), ("C,C C,D",)),
        (("--memory", "2", "--states", "C,C C,D ;D,C  D,D"), ("C,C C,D", "D,C D,D")),
        (("--game", "trust", "--states", "after I"), ("after I",)),
    ],
)
def test_states_are_named_as_they_are_called(
    planned: Callable[..., tuple[Any, Path]], words: tuple[str, ...], states: tuple[str, ...] | None
) -> None:
    plan, _ = planned("--to", "economicus", *words)
    assert plan.states == states


def test_a_study_that_is_listed_can_be_outlined(homines_: Homines) -> None:
    for entry in json.loads(homines_("list", "studies", "--json")[1])["studies"]:
        code, out, _ = homines_("study", entry["name"], "--dry-run", "--model", "mock")
        assert code == 0
        assert out


def test_a_game_named_twice_is_trained_on_once(planned: Callable[..., tuple[Any, Path]]) -> None:
    from homines.training.curriculum import GAMES, dilemmas

    plan, _ = planned("--to", "economicus", "--game", "ipd", "--game", "icd", "--game", "ipd")
    assert (plan.game, plan.more_games) == ("ipd", ("icd",))
    plan, _ = planned("--to", "economicus", "--general", "--game", "ipd", "--game", "ish", "--draws", "2")
    assert plan.more_games[0] == "ish"
    assert sorted(plan.more_games) == sorted((*GAMES, *dilemmas(2, 0)))
    plan, _ = planned("--to", "economicus", "--general", "--game", "ish")
    assert (plan.game, plan.more_games) == ("ish", tuple(game for game in GAMES if game != "ish"))


def test_list_tells_everything_there_is(homines_: Homines) -> None:
    code, out, errors = homines_("list")
    assert (code, errors) == (0, "")
    told = json.loads(homines_("list", "--json")[1])
    assert list(told) == list(FOLDERS)
    for folder in FOLDERS:
        there = [name for name in names(folder) if (folder, name) != ("studies", "demo")]  # homines demo
        if folder == "models":
            there = list(kinds())
            assert "Coder" in told[folder][1]["summary"]
        assert [entry["name"] for entry in told[folder]] == there
        assert json.loads(homines_("list", folder, "--json")[1]) == {folder: told[folder]}
        for entry in told[folder]:
            assert entry["summary"]
            assert f"  {entry['name']}{entry['signature']}" in out
            assert "field(" not in entry["signature"]


# --- imports -------------------------------------------------------------------------------------

HEAVY = (
    "torch",
    "scipy",
    "transformers",
    "peft",
    "altair",
    "jinja2",
    "pandas",
    "polars",
    "inspect_ai",
    "ray",
)


def imported_by(arguments: list[str], libraries: tuple[str, ...]) -> tuple[str, list[str]]:
    """What a command printed, and which of these libraries it imported."""
    code = (
        "import json, sys\n"
        "sys.argv[0] = 'homines'\n"
        "from homines.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as left: assert not left.code\n"
        f"print(json.dumps([m for m in {libraries} if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    printed, _, last = done.stdout.rstrip("\n").rpartition("\n")
    return printed, json.loads(last)


@pytest.mark.parametrize("arguments", [["list"], ["measure", "mock", "--dry-run"]])
def test_nothing_heavy_is_imported_before_it_is_needed(arguments: list[str]) -> None:
    assert imported_by(arguments, HEAVY)[1] == []


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_needs_no_heavy_library(name: str) -> None:
    printed, imported = imported_by([*name.split(), "--help"], (*HEAVY, "rich"))
    assert imported == []
    assert printed.startswith(f"Usage: homines {name}".rstrip())
    assert "homines demo" in printed or name

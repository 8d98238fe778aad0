"""What a report says, from run folders whose every probability is chosen here."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homines.core import format
from homines.core.run_folder import StoreError
from homines.core.types import Choice, HominesError, Record
from homines.elicitation.questions import state
from homines.reports import run_charts
from homines.reports import run_page as report

AFTER = "smollm2+runs/demo/adapter"
UNDRAWN = {"preferences"}
"""The made run's choices tell no preference apart."""


def before(r: Record) -> Choice:
    """C with .4 (.1 more where it is shown first at the first place), hardly a legal answer."""
    p = 0.4 + (0.1 if r.order[0][0] == 0 else -0.1)
    return Choice.at([p, 1 - p], mass=0.02)


def after(r: Record) -> Choice:
    """C after C .9, C after D .2; in the words not trained on .7 after C, and mostly illegal."""
    known = "action1" in r.frame
    p = (0.9 if known else 0.7) if (state(r.decision) or "").endswith("C") else 0.2
    return Choice.at([p, 1 - p], mass=0.8 if known else 0.3)


def answers(*given: tuple[str, float]) -> dict[str, Any]:
    rows = [
        {"question": f"Question {i}?", "answer": "Paris", "given": a, "right": a == "Paris", "p": p}
        for i, (a, p) in enumerate(given)
    ]
    right = sum(row["right"] for row in rows)
    numbers = {"right": right, "questions": len(rows), "accuracy": right / len(rows)}
    return numbers | {"mass": 0.5, "answers": rows}


@pytest.fixture(scope="module")
def config(kit: Any) -> dict[str, Any]:
    return {
        "kind": "align",
        "command": "homines align smollm2 --to game_deontological --out runs/demo",
        "model": "smollm2",
        "preference": "game_deontological(rule=betrayal, penalty=3.0)",
        "game": "ipd",
        "games": ["ipd", "ish"],
        "training_frames": [kit.table],
        "frames": [kit.table, kit.other],
        "settings": {"steps": 3, "seed": 7, "lr": 0.0003},
    }


@pytest.fixture(scope="module")
def made(kit: Any, config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run: before and after, two games, two frames, a curve, side effects, one error."""
    games, frames = ("ipd", "ish"), (kit.table, kit.other)
    records = kit.ask("smollm2", before, games, frames) + kit.ask(AFTER, after, games, frames)
    records = [replace(r, provenance={"revision": "f00d"}) for r in records]
    lost = next(i for i, r in enumerate(records) if r.model == AFTER and r.game == "ish" and "X" in r.frame)
    records[lost] = replace(records[lost], choice=None, error="RuntimeError: out of memory")
    curve = [
        {"step": i, "loss": 6.0 - i, "reward": i - 6.0, "mass": i / 3, "kl": 0.1, "grad_norm": None}
        | {"p": {"C,C": [0.4 + i / 10, 0.6 - i / 10], "C,D": [0.5, 0.5]}}
        for i in range(1, 4)
    ]
    sides = {
        "smollm2": answers(("Paris", 0.9), ("Paris", 0.6)) | {"perplexity": 18.25},
        AFTER: answers(("Paris", 0.8), ("Rome", 0.2)) | {"perplexity": 20.5},
    }
    training = {"seconds": 64.2, "steps": 3, "device": "cpu", "dtype": "float32"}
    notes = {"sideeffects.json": sides, "training.json": training}
    folder = kit.fill(tmp_path_factory.mktemp("made") / "run", config, records, curve, notes)
    report.write(folder)
    return folder


@pytest.fixture(scope="module")
def page(made: Path, kit: Any) -> Any:
    return kit.read(made / "report.html")


def line(page: Any, caption: str, *key: str) -> list[str]:
    """The cells after the key, in the table with this caption."""
    rows = next(rows for told, rows in page.tables.items() if told.startswith(caption))
    [found] = [row for row in rows if tuple(row[: len(key)]) == key]
    return found[len(key) :]


def test_the_summary_table_says_what_was_learned_and_what_was_carried_over(page: Any) -> None:
    caption = "What it learned, and what it carried over"
    trained = line(page, caption, "Trained on: ipd1 game, 1 frame")
    assert trained == [".40†", ".90", ".60†", ".80", ".02", ".80"]
    assert line(page, caption, "Same game, other words1 game, 1 frame") == [
        ".40†", ".70†", ".60†", ".80†", ".02", ".30",
    ]  # fmt: skip
    assert line(page, caption, "Other games, same words1 game, 1 frame") == trained


def test_the_lead_sentence_says_the_same_numbers(page: Any) -> None:
    lead = re.sub(r"\s+", " ", page.text)
    assert (
        "After training, smollm2 plays C after C with probability .90 (before .40) and D after D with "
        "probability .80 (before .60), and gives a legal answer with probability .80 (before .02), in the "
        "words it was trained on."
    ) in lead


def test_low_legal_mass_is_flagged_in_words_with_its_number(page: Any) -> None:
    assert "Legal mass .02 to .30: these rates describe answers the model rarely gives." in page.text
    assert "legal mass under .5 in 2 of 4 pairs of game and frame (lowest .30: " in page.text


def test_what_got_worse_is_told_with_its_numbers(page: Any) -> None:
    assert "everyday questions right 2 → 1 of 2 (at most 0 less is allowed)" in page.text
    assert "perplexity of a text 18.2 → 20.5 (at most 10% more is allowed)" in page.text
    assert "Instability over frames rose in 2 of 2 games (most in" in page.text
    assert "1 of 128 questions failed." in page.text
    assert "Deontological regret rose" not in page.text


def test_every_state_is_in_the_table(page: Any) -> None:
    caption = "Probability of the first action, and legal mass"
    assert line(page, caption, "ipd", "table · action1/action2", "D,C", "C") == [".40†", ".90", ".02", ".80"]
    assert line(page, caption, "ish", "table · X/Y", "C,D", "C") == [".40†", ".20†", ".02", ".30"]


def test_action_types_with_illegal_answers(page: Any) -> None:
    # after training, over both frames: C|C (.9 + .7) / 2, legal (.8 + .3) / 2
    assert line(page, "Action types, frames averaged", "ipd") == [
        ".40†", ".80", ".60†", ".20", ".98", ".45", ".40†", ".20", ".60†", ".80", ".98", ".45",
    ]  # fmt: skip


def test_regret_by_hand(page: Any) -> None:
    # deontological: 3 P(D) after C, in half of the states: 3 * .6 / 2, then 3 * .2 / 2
    # utilitarian, ipd, even odds: C brings 5, D 3; so 2 P(D): 2 * .6, then 2 * (.2 + .8) / 2
    # trained for, own payoff less 3 for betrayal: after C, C brings 1.5 and D -.5; after D, 1.5 and 2.5;
    # so (2 P(D) + P(C)) / 2: (2 * .6 + .4) / 2, then (2 * .2 + .2) / 2
    # best reply: C after C, D after D: (.4 + .6) / 2, then (.8 + .8) / 2
    assert line(page, "Regret by game", "ipd") == [
        ".90†", ".30", "1.20†", "1.00", ".80†", ".30", ".50†", ".80",
    ]  # fmt: skip


def test_instability_and_order_effect_by_hand(page: Any) -> None:
    # before: .5 and .3 by the order at the first of two places: (.2 + 0) / 2; words do not matter
    # after: |.9 - .7| after C, 0 after D
    assert line(page, "Instability and order effect", "ipd") == [".00†", ".10", ".10†", ".00", ".02", ".55"]


def test_side_effects_and_the_answers_that_changed(page: Any) -> None:
    assert line(page, "Everyday questions", "before") == ["2", "2", "1.00", ".50", "18.2"]
    assert line(page, "Everyday questions", "after") == ["1", "2", ".50", ".50", "20.5"]
    assert line(page, "Answers that changed: 1 of 2", "Question 1?") == [
        "Paris", "Paris", "Rome", "became wrong", ".60", ".20",
    ]  # fmt: skip


def test_curve_errors_settings_and_provenance(page: Any) -> None:
    assert line(page, "Learning curve", "2") == ["−4.00", ".67", "–", ".10", "–", "4.00", "–"]
    assert line(page, "Failed questions", "RuntimeError: out of memory") == [
        "1", AFTER, "ish", "table · X/Y",
    ]  # fmt: skip
    assert line(page, "Models asked", "smollm2") == ["f00d"]
    assert line(page, "Settings", "settings.seed") == ["7"]
    assert line(page, "Provenance", "schema") == ["1"]
    assert (
        line(page, "Games", "ipd")[1]
        == "C,C:\u00a03,\u00a03; C,D:\u00a00,\u00a04; D,C:\u00a04,\u00a00; D,D:\u00a01,\u00a01"
    )
    assert line(page, "Frames", "table · action1/action2")[0] == "trained on"
    assert "homines align smollm2 --to game_deontological --out runs/demo" in page.text
    assert "Trained for 3 steps (64 s, cpu) on ipd" in page.text


def test_a_report_is_a_pure_function_of_its_folder(made: Path) -> None:
    def held() -> dict[str, str]:
        paths = [made / "report.html", *sorted((made / "figures").glob("*"))]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

    first = held()
    (made / "figures" / "overview.png").unlink()
    (made / "report.html").write_text("")
    assert report.write(made) == made / "report.html"
    assert held() == first
    assert not list(made.glob("*.making"))


def test_images_of_the_charts_that_the_page_draws(made: Path, page: Any) -> None:
    drawn = [attrs["data-chart"] for _, attrs in page.tags if "data-chart" in attrs]
    images = {path.stem: path.read_bytes() for path in (made / "figures").glob("*.png")}
    assert {path.stem for path in (made / "figures").glob("*.svg")} == set(images)
    assert sorted(images) == sorted(drawn) == sorted(set(run_charts.CAPTIONS) - UNDRAWN)
    for name, data in images.items():
        assert data.startswith(b"\x89PNG\r\n\x1a\n"), name
        width, height = struct.unpack(">II", data[16:24])
        assert width > 500, name
        assert height > 100, name


def test_images_no_longer_drawn_are_removed_and_others_kept(kit: Any, tmp_path: Path) -> None:
    folder = kit.fill(tmp_path / "run", {"kind": "measure"})
    (folder / "figures").mkdir()
    for name in ("states.png", "mine.png"):
        (folder / "figures" / name).write_bytes(b"old")
    report.write(folder)
    assert [path.name for path in (folder / "figures").iterdir()] == ["mine.png"]


def test_the_policy_allows_the_scripts_of_the_page_and_nothing_else(page: Any) -> None:
    [policy] = [a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    parts = [rule.strip().partition(" ") for rule in str(policy).split(";")]
    rules = {name: sources for name, _, sources in parts}

    def hashed(source: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"

    data, *scripts = page.scripts
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == [hashed(script) for script in scripts]
    assert rules["style-src"].split() == [hashed(style) for style in page.styles]
    assert "unsafe" not in str(policy)
    assert set(json.loads(data)) == set(run_charts.CAPTIONS) - UNDRAWN


def test_the_page_loads_nothing(page: Any) -> None:
    for tag, attrs in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            if value := attrs.get(name):
                assert value.startswith(("#", "data:")), (tag, name, value)
        assert not any(name.startswith("on") for name in attrs), (tag, attrs)
    assert not re.search(r"@import|url\(", "".join(page.styles))


# --- what is not there -----------------------------------------------------------------------------


def plain(page: Any) -> str:
    """The page's text, checked for words that only a program says."""
    text = re.sub(r"\s+", " ", page.text)
    assert not re.search(r"\b(nan|NaN|None|undefined|Infinity|inf)\b", text)
    return text


def test_an_empty_run_says_how_to_get_what_is_not_there(
    kit: Any, config: dict[str, Any], tmp_path: Path
) -> None:
    page = kit.read(report.write(kit.fill(tmp_path / "run", config)))
    text = plain(page)
    assert "No answers are recorded in this folder, so there is nothing to report yet." in text
    assert f"Run {config['command']} again: it does only what is missing." in text
    assert "No training step is recorded." in text
    assert "Side effects were not measured in this run." in text
    assert "Nothing was asked, so nothing failed." in text
    assert "smollm2, to be aligned to game_deontological" in text
    assert not [a for _, a in page.tags if "data-chart" in a]


def test_an_empty_config_makes_a_page(kit: Any, tmp_path: Path) -> None:
    text = plain(kit.read(report.write(kit.fill(tmp_path / "run", {}))))
    assert "Run the command that made this folder again" in text
    assert "The command that made this run is not in its config.json." in text


def test_only_before(kit: Any, config: dict[str, Any], tmp_path: Path) -> None:
    page = kit.read(report.write(kit.fill(tmp_path / "run", config, kit.ask("smollm2", before))))
    text = plain(page)
    assert "Before training, smollm2 plays C after C with probability .40" in text
    assert "Only the answers before training are recorded" in text
    assert line(page, "Action types and legal mass", "Trained on: ipd1 game, 1 frame") == [
        ".40†", "–", ".60†", "–", ".02", "–",
    ]  # fmt: skip


def test_only_errors(kit: Any, tmp_path: Path) -> None:
    failed = [replace(r, choice=None, error="Timeout: slow") for r in kit.ask("m", before)]
    page = kit.read(report.write(kit.fill(tmp_path / "run", {"kind": "measure", "model": "m"}, failed)))
    assert "16 of 16 questions failed" in plain(page)
    assert line(page, "Failed questions", "Timeout: slow")[0] == "16"


def test_a_curve_without_records(kit: Any, config: dict[str, Any], tmp_path: Path) -> None:
    rows = [{"step": 1, "reward": None, "mass": 0.5, "p": {"C,C": [None, None]}}, {"step": 2, "mass": 0.6}]
    folder = kit.fill(tmp_path / "run", config, curve=rows)
    page = kit.read(report.write(folder))
    plain(page)
    assert [a["data-chart"] for _, a in page.tags if "data-chart" in a] == ["curve_mass"]
    assert line(page, "Learning curve", "1") == ["–", ".50", *["–"] * 5]


def test_notes_and_settings_of_other_shapes(kit: Any, tmp_path: Path) -> None:
    config = {
        "kind": "align",
        "model": "m",
        "games": 5,
        "frames": None,
        "training_frames": [1],
        "settings": "x",
    }
    sides = {
        "m": {"accuracy": None, "answers": [{"question": "Q?", "given": "a", "right": True}, 3]},
        "m+a": {"perplexity": float("nan"), "answers": [{"question": "Q?", "right": False}]},
        "m+b": "none",
    }
    notes = {"sideeffects.json": sides, "training.json": {"seconds": "long", "steps": None}}
    page = kit.read(report.write(kit.fill(tmp_path / "run", config, notes=notes)))
    plain(page)
    assert line(page, "Answers that changed: 1 of 1", "Q?") == ["–", "a", "–", "became wrong", "–", "–"]
    assert line(page, "Everyday questions", "after") == ["–"] * 5


def test_answers_that_are_no_distribution_are_errors(kit: Any, tmp_path: Path) -> None:
    bad = [Choice.at([1, 1], mass=float("nan")), Choice(Choice.at([1, 1]).logp * float("inf"), 1.0)]
    records = kit.ask("m", lambda r: Choice.at([0.3, 0.7], mass=0.9))
    records[:2] = [replace(r, choice=c) for r, c in zip(records[:2], bad, strict=True)]
    page = kit.read(report.write(kit.fill(tmp_path / "run", {"kind": "measure", "model": "m"}, records)))
    assert line(page, "Failed questions", "the stored answer is no distribution")[0] == "2"
    assert line(page, "Action types and legal mass", "ipd1 frame") == [".30", ".70", ".90"]
    plain(page)


def test_games_without_a_last_round(kit: Any, tmp_path: Path) -> None:
    def even(r: Record) -> Choice:
        return Choice.at([1.0] * len(r.labels))

    games = ("ipd", "ultimatum(protocol=3)", "dictator")
    records = kit.ask("m", even, games, ("table",))
    page = kit.read(report.write(kit.fill(tmp_path / "run", {"kind": "measure", "model": "m"}, records)))
    caption = "Probability of the first action"
    assert line(page, caption, "ultimatum(protocol=3)", "table", "first move", "E") == [
        ".50",
        "–",
        "–",
        "1.00",
    ]
    assert line(page, caption, "dictator", "table", "first move")[1:3] == ["–", "50.00"]
    assert line(page, caption, "ultimatum(protocol=3)", "table", "after U", "A")[0] == ".50"
    assert "their actions are others: ultimatum(protocol=3), dictator" in plain(page)


def test_several_models_of_one_measurement(kit: Any, tmp_path: Path) -> None:
    records = kit.ask("one", before) + kit.ask("two", after)
    page = kit.read(report.write(kit.fill(tmp_path / "run", {"kind": "measure"}, records)))
    assert line(page, "Action types and legal mass", "ipd1 frame") == [
        ".40†", ".90", ".60†", ".80", ".02", ".80",
    ]  # fmt: skip


def test_a_name_that_nothing_here_has_is_told_with_the_reason(kit: Any, tmp_path: Path) -> None:
    records = [replace(r, frame="tableau(labels='X,Y')") for r in kit.ask("m", before)]
    config = {"kind": "measure", "model": "m", "games": ["ipd"], "preference": "altruistt(weight=1)"}
    page = kit.read(report.write(kit.fill(tmp_path / "run", config, records)))
    assert (
        "altruistt(weight=1), tableau(labels='X,Y'): not known here; what needs them is missing" in page.text
    )
    assert "no preference called 'altruistt'" in page.text


def test_a_game_in_which_the_preference_has_no_value_is_told(kit: Any, tmp_path: Path) -> None:
    records = kit.ask("m", before, ("ipd", "bos"))
    config = {"kind": "measure", "model": "m", "games": ["ipd", "bos"], "preference": "moralis(kappa=1.0)"}
    page = kit.read(report.write(kit.fill(tmp_path / "run", config, records)))
    assert "moralis(kappa=1.0) has no value in bos: regret and best answers by it are missing" in page.text
    assert "needs a symmetric game" in page.text


def test_no_run_folder_and_no_room(kit: Any, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run folder"):
        report.write(tmp_path)
    folder = kit.fill(tmp_path / "run", {"kind": "measure"})
    (folder / "figures").write_text("in the way")
    with pytest.raises(HominesError, match="cannot write the report"):
        report.write(folder)
    assert not (folder / "report.html").exists()


def test_reading_a_stranger_s_folder_imports_nothing(
    kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stranger_s.py").write_text("class Frame: pass\nclass Aim: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    spec = "stranger_s:Frame()"
    config = {"kind": "align", "preference": "stranger_s:Aim()", "frames": [spec], "training_frames": [spec]}
    records = [replace(r, frame=spec) for r in kit.ask("m", before)]
    report.write(kit.fill(tmp_path / "run", config, records))
    assert "stranger_s" not in sys.modules


@given(st.floats() | st.integers() | st.none() | st.text(), st.integers(0, 4))
def test_a_number_is_short_and_never_nan(x: Any, digits: int) -> None:
    said = format.number(x, digits)
    assert re.fullmatch(r"–|−?\d*\.?\d+(e[+-]\d+)?", said)
    assert len(said) < 16


@given(st.text(st.characters() | st.sampled_from("\x00\u202e\ud800\x1b"), max_size=50))
def test_clean_text_can_be_written_and_hides_nothing(text: str) -> None:
    said = format.clean(text)
    said.encode("utf-8")
    assert not any(c in said for c in "\x00\u202e\x1b")
    assert len(said) >= len(text)

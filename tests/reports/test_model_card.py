"""The card of an adapter: the Hub reads its front matter, hostile text stays text, the folder says it all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard

from homines.core import registry
from homines.core.run_folder import RunFolder, StoreError
from homines.core.types import Choice, Record
from homines.elicitation.questions import battery, questions
from homines.models.mock import Mock, uniform
from homines.reports import model_card
from homines.reports.run_page import write
from homines.reports.tables import Table

TABLE = "table(labels='action1,action2')"
CONFIG = {
    "kind": "align",
    "command": "homines align smollm2 --to 'moralis(kappa=0.8)'",
    "model": "smollm2",
    "preference": "moralis(kappa=0.8)",
    "schedule": "moralis(kappa=0.8)",
    "by": "rl",
    "games": ["ipd", "icd"],
    "training_games": ["ipd"],
    "training_frames": [TABLE],
    "frames": [TABLE],
    "settings": {"steps": 3, "seed": 0},
}
HOSTILE = (
    "x`\n---\nlicense: gpl\n<script>alert(1)</script> | ![a](http://evil.example/b.png) \x00\u202e# y ``` z"
)


def asked(model: str, p: float, mass: float) -> list[Record]:
    """What a model that takes the first action with probability p would have answered."""
    from dataclasses import replace

    games = {game: battery(registry.find("games", game)) for game in ("ipd", "icd")}
    some = questions(Mock(uniform, model), games, [registry.find("frames", TABLE)])
    return [replace(q.record, choice=Choice.at([p, 1 - p], mass)) for q in some]


def trained(folder: Path, config: Mapping[str, Any] = CONFIG, **notes: Any) -> Path:
    """A run folder as an alignment leaves it."""
    with RunFolder(folder, config) as run:
        run.add(asked(str(config["model"]), 0.25, 0.01))
        run.add(asked("after", 1.0, 0.875))
        run.note("training.json", {"result": "adapter", "seconds": 2.0, "steps": 3, **notes})
    for name in ("adapter", "rival"):
        (folder / name).mkdir()
        (folder / name / "adapter_config.json").write_text("{}")
    return folder


def test_the_hub_reads_the_front_matter(tmp_path: Path) -> None:
    (path,) = model_card.write(trained(tmp_path / "run"))
    assert path == tmp_path / "run" / "adapter" / "README.md"
    told = ModelCard.load(path).data.to_dict()
    assert told["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (told["library_name"], told["license"]) == ("peft", "apache-2.0")
    assert "homines" in told["tags"]
    assert told["datasets"] == []


def test_it_tells_what_was_measured_before_and_after(tmp_path: Path) -> None:
    (path,) = model_card.write(trained(tmp_path / "run"))
    lines = path.read_text(encoding="utf-8").splitlines()
    (ipd,) = [line for line in lines if line.startswith("| ipd")]
    # homo moralis at .8 in the dilemma: C is best whatever is believed
    assert ipd == (
        r"| ipd table · action1/action2 (trained) | .250 → 1.000 | C\|C .250 → 1.000; C\|D .250 → 1.000 "
        "| .010 → .875 |"
    )
    assert any(line.startswith("| icd table · action1/action2 |") for line in lines)
    text = "\n".join(lines)
    assert "u(x, y) = (1 - kappa) * pi(x, y) + kappa * pi(x, x)." in text
    assert CONFIG["command"] in text
    assert "Not checked." in text
    for name, version in RunFolder(tmp_path / "run").provenance["libraries"].items():
        assert f"{name} {version}" in text


@pytest.mark.parametrize(
    ("model", "hub", "licence"),
    [
        ("hf/Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", None),
        ("hf/Qwen/Qwen3-0.6B+other/adapter", "Qwen/Qwen3-0.6B", None),
        ("hf//a/folder", None, None),
        ("qwen-0.5b", "Qwen/Qwen2.5-Coder-0.5B-Instruct", "apache-2.0"),
        ("smollm2+runs/x/adapter", "HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0"),
    ],
)
def test_a_base_is_named_where_the_hub_knows_it(model: str, hub: str | None, licence: str | None) -> None:
    assert model_card.base({"model": model}) == (hub, licence)


def test_a_pulled_model_is_named_with_its_publisher_and_what_it_was_trained_for(tmp_path: Path) -> None:
    config = {**CONFIG, "model": "qwen-0.5b"}
    (path,) = model_card.write(trained(tmp_path / "run", config))
    text = path.read_text(encoding="utf-8")
    for part in ("Qwen2.5-Coder-0.5B-Instruct by Qwen", "licence apache-2.0", "trained for code"):
        assert part in text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """In the front matter, in tables and in blocks; nothing ends the place it stands in."""
    settings = {"steps": HOSTILE}
    config = {
        **CONFIG,
        "model": f"hf/{HOSTILE}",
        "schedule": HOSTILE,
        "command": HOSTILE,
        "settings": settings,
    }
    folder = trained(tmp_path / "run", config)
    side = {"right": 1, "questions": 2, "perplexity": 3.0}
    with RunFolder(folder, config) as run:
        run.note("sideeffects.json", {HOSTILE: side})
    (path,) = model_card.write(folder)
    text = path.read_text(encoding="utf-8")
    assert "\x00" not in text
    assert "\u202e" not in text
    told = ModelCard.load(path).data.to_dict()
    assert "license" not in told
    assert "base_model" not in told
    html = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    page = html.render(text.split("---\n", 2)[2])
    assert "<script" not in page
    assert "<img" not in page
    assert "<a href" not in page.replace('<a href="https://pypi.org/project/homines/">', "")
    assert page.count("<h2>") == text.count("\n## ")


def test_it_is_a_function_of_the_folder_and_a_report_makes_it_anew(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run")
    (path,) = model_card.write(folder)
    once = path.read_bytes()
    path.unlink()
    write(folder)
    assert path.read_bytes() == once


def test_both_learners_have_one(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run", {**CONFIG, "rival": "economicus"}, rival="rival")
    mine, other = model_card.write(folder)
    assert "aligned to moralis" in mine.read_text(encoding="utf-8")
    told = other.read_text(encoding="utf-8")
    assert "aligned to economicus" in told
    assert "not measured" in told


def test_a_fine_tuning_tells_its_scores(tmp_path: Path) -> None:
    data = {"preference": "economicus", "train": 12}
    config = {**CONFIG, "kind": "tune", "preference": "economicus", "course": {"by": "sft"}, "data": data}
    folder = trained(tmp_path / "run", {k: v for k, v in config.items() if k not in ("by", "schedule")})
    sides = {"before": 0.5, "after": 0.75}
    scores = {when: {"asked as trained": {"share": x, "right": x, "mass": x}} for when, x in sides.items()}
    (folder / "scores.json").write_text(json.dumps(scores))
    (path,) = model_card.write(folder)
    text = path.read_text(encoding="utf-8")
    assert "| asked as trained | .500 → .750 | .500 → .750 | .500 → .750 |" in text
    assert "train=12" in text


def test_where_nothing_was_trained_there_is_none(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run", {"kind": "measure", "model": "mock"}) as run:
        run.add(asked("mock", 0.5, 1.0))
    assert model_card.write(tmp_path / "run") == []
    with pytest.raises(StoreError, match="no run folder"):
        model_card.write(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text", ["a|b", "*x*", "`", "<b>", "[a](b)", "_a_", "#", "~~a~~", "\\", "&lt;", "{#x}"]
)
def test_text_in_a_table_reads_as_it_was(text: str) -> None:
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    lines = Table([{"head": model_card.plain(text)}]).markdown()
    (row,) = [t.content for t in markdown.parse(lines) if t.type == "inline"][1:]
    shown = "".join(child.content for child in markdown.parseInline(row)[0].children)
    assert shown == text


def test_numbers_are_those_of_the_records(tmp_path: Path) -> None:
    """A law: the legal mass of the card is the mean over its records."""
    (path,) = model_card.write(trained(tmp_path / "run"))
    masses = [r.choice.mass for r in RunFolder(tmp_path / "run").records if r.choice and r.model == "after"]
    assert f"→ {np.mean(masses):.3f}".replace("0.", ".") in path.read_text(encoding="utf-8")

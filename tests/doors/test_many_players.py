"""Games of many players from the command line: measured, trained on, and on the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homines.cli.app import app
from homines.core.run_folder import RunFolder
from homines.elicitation.regret import regret
from homines.games.public_goods_iterated import public_goods_iterated
from homines.opponents import opponent
from homines.preferences.utilitarian import Utilitarian
from homines.theory.chain import chain
from homines.theory.choice import average_choice

GAME = "public_goods_iterated(players=3)"
QUICK = ("--no-check", "--no-rewordings", "--steps", "2", "--rank", "4", "--kl", "0", "--text-kl", "0")


def call(*words: str) -> int:
    """The exit code of a command."""
    try:
        app(list(words), standalone_mode=False)
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def test_a_crowd_is_measured_and_its_page_counts(tmp_path: Path) -> None:
    words = ("--game", GAME, "--frame", "table", "--out", str(tmp_path / "run"))
    assert call("measure", "mock/uniform", *words) == 0
    run = RunFolder(tmp_path / "run")
    records = list(run.records)
    assert {r.decision.crowd for r in records} == {2}
    page = next((tmp_path / "run").rglob("report.html")).read_text()
    assert "C|2" in page
    assert "graded duty regret" in page
    # an even answer against a crowd: by the chain of all three
    everyone = [opponent("random"), *[opponent("linear_contributor")] * 2]
    played = chain(public_goods_iterated(3), everyone)
    assert average_choice([r.choice for r in records if r.choice]).p == pytest.approx([0.5, 0.5])
    assert regret(records, Utilitarian(), "linear_contributor") == pytest.approx(
        played.regret(Utilitarian(), played.long_run())
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--game", GAME, "--opponent", "self"),
        ("--game", "ipd", "--game", GAME, "--game", "spd(3)"),
    ],
)
def test_a_learner_among_its_like_and_over_games_of_all_kinds(
    folder: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    frames = ("--frame", "bare(labels='action1,action2')")
    told = (*words, *frames, *QUICK, "--out", str(out))
    assert call("align", f"hf/{folder}", "--to", "utilitarian", *told) == 0
    rows = [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert (out / "adapter").exists()
    assert next(out.rglob("report.html")).stat().st_size > 0

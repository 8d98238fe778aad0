"""The table of a measurement is read whole in a narrow terminal."""

from __future__ import annotations

import pytest

from homines.core.registry import find
from homines.elicitation.asking import measure
from homines.elicitation.questions import battery, questions
from homines.models.mock import Mock, uniform
from homines.reports.console import print_measurement

GAMES = ("ipd", "public_goods_iterated(players=5)", "commons_iterated(players=20)")


def test_games_of_many_counts_leave_room_for_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    model = Mock(uniform)
    every = {name: battery(find("games", name)) for name in GAMES}
    print_measurement(measure(model, questions(model, every, [find("frames", "table")])))
    out = capsys.readouterr().out
    table, _, below = out.partition("commons_iterated(players=20), table: ")
    heads = next(line for line in table.splitlines() if "game" in line)
    assert heads.split() == ["game", "frame", "C|C", "C|D", "mass", "order", "failed"]
    assert "ipd" in table
    assert all(f"C|{others} 0.50" in " ".join(below.split()) for others in range(20))
    assert "public_goods_iterated(players=5), table: C|4 0.50" in " ".join(out.split())

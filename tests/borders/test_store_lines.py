"""What a run folder's files say is checked line by line: what cannot be believed is one sentence, exit 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from homines.cli.app import main
from homines.core import strict_json
from homines.core.run_folder import RunFolder, StoreError
from homines.core.types import Decision, HominesError
from tests.core.test_run_folder import CONFIG, some


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with RunFolder(tmp_path / "run", CONFIG) as run:
        run.add(some())
        run.note("training.json", {"result": "adapter"})
    return tmp_path / "run"


# --- checksums ------------------------------------------------------------------------------------


def test_no_changed_digit_of_an_answer_is_believed(folder: Path) -> None:
    """Every digit that a line holds, changed alone."""
    path = folder / "records.jsonl"
    first, *rest = path.read_bytes().splitlines(keepends=True)
    for at, byte in enumerate(first):
        if not chr(byte).isdigit():
            continue
        other = b"%d" % ((byte - ord("0") + 1) % 10)
        path.write_bytes(b"".join([first[:at] + other + first[at + 1 :], *rest]))
        with pytest.raises(StoreError, match=rf"{path} line 1 .*; remove that line"):
            RunFolder(folder)
    path.write_bytes(b"".join([first, *rest]))
    assert len(RunFolder(folder).records) == 8


def test_lines_without_a_checksum_still_open(folder: Path) -> None:
    path = folder / "records.jsonl"
    before = RunFolder(folder).records
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(row.pop("sum") for row in rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with RunFolder(folder, CONFIG) as run:
        assert [r.key for r in run.records] == [r.key for r in before]
        run.add(before[:1])
    assert len(RunFolder(folder).records) == 8
    assert '"sum": "' in path.read_text().splitlines()[-1]


def test_json_written_anew_by_another_program_holds(folder: Path) -> None:
    path = folder / "records.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
    assert len(RunFolder(folder).records) == 8
    rows[0]["choice"]["mass"] = 0.25
    path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
    with pytest.raises(StoreError, match="line 1 is no record as it was written"):
        RunFolder(folder)


# --- what no program of ours wrote ----------------------------------------------------------------

DEEP = "[" * 200_000 + "]" * 200_000


def replaced(name: str, data: str | bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())

    return change


def schema(value: str) -> Callable[[Path], None]:
    return replaced("provenance.json", f'{{"schema": {value}, "homines": "0.1.0"}}')


def in_line(old: str, new: str) -> Callable[[Path], None]:
    """Change the first record's line, without its checksum."""

    def change(folder: Path) -> None:
        path = folder / "records.jsonl"
        first, *rest = path.read_text().splitlines(keepends=True)
        row = json.loads(first)
        row.pop("sum", None)
        text = json.dumps(row)
        assert old in text
        path.write_text("".join([text.replace(old, new, 1) + "\n", *rest]))

    return change


BAD: dict[str, Callable[[Path], None]] = {
    "schema true": schema("true"),
    "schema false": schema("false"),
    "schema 0": schema("0"),
    "schema 1.0": schema("1.0"),
    "a deep schema": schema(DEEP),
    "a long schema": schema("1" * 5000),
    "a deep config": replaced("config.json", f'{{"a": {DEEP}}}'),
    "a config of depth 900": replaced("config.json", '{"a":' * 900 + "1" + "}" * 900),
    "a config of lists of depth 900": replaced("config.json", f'{{"a": {"[" * 900}{"]" * 900}}}'),
    "a config that is no UTF-8": replaced("config.json", b'{"a": "\xff\xfe"}'),
    "a config with a huge number": replaced("config.json", f'{{"a": {"9" * 5000}}}'),
    "a config with a number of 400 digits": replaced("config.json", f'{{"a": {"9" * 400}}}'),
    "a config with an infinite number": replaced("config.json", '{"a": 1e999}'),
    "a config that is a list of pairs": replaced("config.json", '[["a", 1]]'),
    "a deep note": replaced("training.json", f'{{"result": {DEEP}}}'),
    "a note that is no UTF-8": replaced("training.json", b"\xff"),
    "a deep record": replaced("records.jsonl", f'{{"a": {DEEP}}}\n'),
    "a record of depth 900": replaced("records.jsonl", f'{{"a": {"[" * 900}{"]" * 900}}}\n'),
    "a record that is no UTF-8": replaced("records.jsonl", b'{"a": "\xff"}\n'),
    "a record with a huge number": in_line("3.0", "9" * 5000),
    "a payoff of 400 digits": in_line("3.0", "9" * 400),
    "a payoff of 1e151": in_line("3.0", "1e151"),
    "a payoff of -1e300": in_line("3.0", "-1e300"),
    "a payoff that is infinite": in_line("3.0", "1e999"),
    "a record with a decision that is none": in_line('"decision": {', '"decision": [], "x": {'),
    "a frame that is a number": in_line('"frame": "table"', '"frame": 3'),
    "a model that is a list": in_line('"model": "m', '"model": [], "x": "m'),
    "a game that is an object": in_line('"game": "game 0"', '"game": {}'),
    "a provenance that is a number": in_line('"provenance": {', '"provenance": 5, "x": {'),
}
COMMANDS = {
    "report": lambda folder: ["report", str(folder)],
    "fit": lambda folder: ["fit", str(folder), "--family", "inequity"],
    "report of several": lambda folder: [
        "report",
        str(folder),
        str(folder),
        "--out",
        str(folder.parent / "o"),
    ],
}


NOTES = {"a deep note": ["report"], "a note that is no UTF-8": ["report"]}
"""What only some commands read."""
CASES = [(bad, name) for bad in BAD for name in NOTES.get(bad, COMMANDS)]


@pytest.mark.parametrize(("bad", "command"), CASES)
def test_it_is_one_sentence_and_exit_2(
    bad: str,
    command: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    BAD[bad](folder)
    monkeypatch.setattr("sys.argv", ["homines", *COMMANDS[command](folder)])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().err.strip()
    assert end.value.code == 2, said
    assert said.startswith("homines: ")
    assert len(said.splitlines()) == 1
    assert "Traceback" not in said
    assert len(said) < 1000


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_sign_is_no_digit(sign: str) -> None:
    assert strict_json.loads(f"{sign}{'1' * 40}") == int(f"{sign}{'1' * 40}")
    with pytest.raises(ValueError, match="a number of 41 digits; at most 40"):
        strict_json.loads(f"{sign}{'1' * 41}")


@pytest.mark.parametrize("paid", [1.0001e150, -1e151, 1e308])
def test_payoffs_are_at_most_1e150(paid: float) -> None:
    with pytest.raises(HominesError, match=r"every payoff must be at most 1e\+150 in absolute value"):
        Decision(("a", "b"), np.array([[paid, 0.0]]))
    with pytest.raises(HominesError, match=r"every payoff must be at most 1e\+150 in absolute value"):
        Decision(("a", "b"), np.zeros((1, 2)), same=np.array([paid, 0.0]))
    Decision(("a", "b"), np.array([[1e150, -1e150]]))

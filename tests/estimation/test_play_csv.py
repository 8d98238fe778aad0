"""`homines import play.csv`: anybody's choices as records that say what records measured directly say."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homines.cli.app import main
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Record
from homines.elicitation.asking import measure
from homines.elicitation.metrics import (
    action_types,
    average_by_decision,
    instability,
    moral_regret,
    summary,
)
from homines.elicitation.survey import Survey
from homines.estimation.fit import Estimate
from homines.estimation.fitting import estimate_one
from homines.estimation.observations import from_records
from homines.estimation.options import FitOptions
from homines.estimation.play_csv import COUNT_COLUMN, REQUIRED_COLUMNS, TEXT_COLUMNS, PlayLog, read_play
from homines.preferences.deontological import Deontological
from homines.preferences.utilitarian import Utilitarian
from homines.reports.run_page import write
from tests.helpers.theorist import Theorist

DOCS = Path(__file__).parents[2] / "docs"
GAMES = (
    "ipd",
    "symmetric(5, 1, 6, 3)",
    "symmetric(6, 0, 9, 2)",
    "spd(1)",
    "spd(4)",
    "trust(2)",
    "ultimatum(3)",
)
COLUMNS = (*REQUIRED_COLUMNS, *TEXT_COLUMNS, COUNT_COLUMN)
N, LEGAL = 40, 36
"""Answers to a question, and legal ones among them."""


@pytest.fixture
def homines_(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["homines", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, said.out, said.err

    return run


def measured(preference: str, seed: int = 0) -> list[Record]:
    """What `measure` records of this preference in GAMES: 36 legal answers of 40 to every question."""
    theorist = Theorist(preference, 0.3)
    asked = Survey(theorist.name, GAMES, labels=None, swap=False).questions(theorist)
    theorist.prepare(asked)
    rng = np.random.default_rng(seed)
    return [
        replace(r, choice=Choice.at(rng.multinomial(LEGAL, r.choice.p), LEGAL / N, N))
        for r in measure(theorist, asked)
        if r.choice is not None
    ]


def rows_of(records: Iterable[Record]) -> list[dict[str, Any]]:
    """The choices behind these records as the rows of a log, illegal ones as empty acts."""
    rows: list[dict[str, Any]] = []
    for r in records:
        d, choice = r.decision, r.choice
        assert choice is not None
        past = dict(enumerate(d.history[-1])) if d.history else {}
        own, other = (
            "".join(d.action_name(k, a) for k, a in past.items() if a is not None and (k == d.player) is mine)
            for mine in (True, False)
        )
        at = {"agent": r.model, "game": r.game, "own_last": own, "other_last": other}
        counts = {name: round(LEGAL * p) for name, p in zip(d.actions, choice.p, strict=True)}
        rows += [at | {"act": name, "n": n} for name, n in (counts | {"": N - LEGAL}).items()]
    return rows


def file_of(path: Path, rows: list[dict[str, Any]]) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def log(tmp_path: Path, text: str) -> PlayLog:
    path = tmp_path / "play.csv"
    path.write_text(text)
    return read_play(path)


# --- the same numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize("one_by_one", [False, True], ids=["counted", "one row a choice"])
def test_a_log_says_what_records_measured_directly_say(one_by_one: bool, tmp_path: Path) -> None:
    direct = measured("kantian(alpha=0, beta=0.1, kappa=0.3)")
    rows = rows_of(direct)
    if one_by_one:
        rows = [{k: v for k, v in row.items() if k != "n"} for row in rows for _ in range(row["n"])]
        np.random.default_rng(1).shuffle(rows)  # pyright: ignore[reportArgumentType]
    found = read_play(file_of(tmp_path / "play.csv", rows))
    assert found.choices == N * len(direct)
    assert found.illegal == {"": (N - LEGAL) * len(direct)}
    with RunFolder(tmp_path / "run", found.config) as run:
        run.add(found.records)
    imported = RunFolder(tmp_path / "run").records  # as they are stored
    assert len(imported) == len({(r.game, r.decision.key) for r in direct})
    of_ipd = [[r for r in records if r.game == "ipd"] for records in (direct, imported)]
    types, types_imported = map(action_types, of_ipd)
    assert types_imported == pytest.approx(types)
    assert types["illegal|C"] == pytest.approx(1 - LEGAL / N)
    for preference in (Deontological(), Utilitarian()):
        regret, regret_imported = (moral_regret(preference, average_by_decision(r)).regret for r in of_ipd)
        assert regret_imported == pytest.approx(regret)
    for family in ("kantian(alpha=0)", "inequity", "moralis"):
        one, other = (
            estimate_one(from_records(records), family, FitOptions()) for records in (direct, imported)
        )
        assert isinstance(one, Estimate)
        assert isinstance(other, Estimate)
        assert other.values == pytest.approx(one.values, abs=1e-6)
        assert other.intervals == pytest.approx(one.intervals, abs=1e-4)
        assert other.observations == one.observations


def test_words_and_treatments_are_frames(tmp_path: Path) -> None:
    found = log(
        tmp_path,
        "game,labels,frame,own_last,other_last,act,n\n"
        "ipd,,,C,D,D,4\n"
        'ipd,"X,Y",,X,Y,X,3\n'
        'ipd,"Y,X",moral,Y,X,X,1\n'
        'ipd,"X,Y",table,X,Y,C,2\n',
    )
    frames = [r.frame for r in found.records]
    assert frames[:3] == ["logged", "logged(labels='X,Y')", "moral(labels='Y,X')"]
    assert frames[3].startswith("table(labels=(X, Y), ")
    assert len({r.decision.key for r in found.records}) == 1
    assert [r.labels for r in found.records] == [("C", "D"), ("X", "Y"), ("Y", "X"), ("X", "Y")]
    assert [list(r.choice.p) for r in found.records[:3] if r.choice] == [[0, 1], [1, 0], [0, 1]]
    by_name = found.records[3].choice
    assert by_name is not None
    assert (list(by_name.p), by_name.mass, by_name.n) == ([1, 0], 1, 2)
    assert instability(found.records[:3]) == 1


def test_seats_that_differ_are_told_apart(tmp_path: Path) -> None:
    found = log(tmp_path, "game,seat,own_last,other_last,act\nbos,0,C,D,C\nbos,1,C,D,C\nipd,1,C,D,C\n")
    assert [(r.decision.player, r.decision.history[-1]) for r in found.records] == [
        (0, (0, 1)),
        (1, (1, 0)),
        (0, (0, 1)),
    ]


# --- what is no choice ---------------------------------------------------------------------------


def test_illegal_and_missing_answers_are_counted(tmp_path: Path, homines_: Any) -> None:
    text = (
        "agent,game,round,own_last,other_last,act\n"
        "Ann,ipd,1,,,C\nAnn,ipd,2,C,C,\nAnn,ipd,3,,D,C\nAnn,ipd,4,C,C,c\nBob,ipd,2,D,C,maybe\n"
    )
    found = log(tmp_path, text)
    assert (found.choices, found.illegal, found.unplaced.total()) == (4, {"": 1, "c": 1, "maybe": 1}, 1)
    masses = {r.model + str(r.decision.history): r.choice.mass for r in found.records if r.choice}
    assert masses == {"Ann()": 1, "Ann((0, 0),)": 0, "Bob((1, 0),)": 0}
    code, out, err = homines_("import", "play.csv", "--out", "run")
    assert code == 0, err
    said = " ".join(out.split())
    assert "4 choices, 3 of them illegal: nothing 1, 'c' 1, 'maybe' 1" in said
    assert "1 choice left out, for the acts before are not known: \"ipd after '' and 'D'\" 1" in said
    assert (tmp_path / "run" / "report.html").exists()
    code, out, _ = homines_("import", "play.csv", "--out", "run", "--json")
    told = json.loads(out)
    assert (code, told["added"], told["choices"], told["failed"]) == (0, 0, 4, 0)
    assert told["illegal"] == {"": 1, "c": 1, "maybe": 1}


def test_acts_are_read_by_name_beside_labels_and_a_word_that_is_both_is_the_label(tmp_path: Path) -> None:
    head = "game,labels,own_last,other_last,act\n"
    for rows in ('ipd,"X,Y",C,D,C\nipd,"X,Y",X,Y,X\nipd,"X,Y",C,Y,X\n', 'ipd,"D,C",D,C,D\n'):
        found = log(tmp_path, head + rows)
        (record,) = found.records
        assert (record.decision.history, found.illegal.total()) == (((0, 1),), 0)
        assert found.choices == rows.count("\n")
        assert record.choice is not None
        assert record.choice.p[0] == 1


def test_columns_that_are_not_read_are_named(tmp_path: Path, homines_: Any) -> None:
    (tmp_path / "play.csv").write_text("game,subject,treatment,act\nipd,1,a,C\n")
    out = " ".join(homines_("import", "play.csv", "--out", "run")[1].split())
    assert "columns not read: subject, treatment; who chose is the column agent" in out
    assert json.loads(homines_("import", "play.csv", "--out", "run", "--json")[1])["unread"] == [
        "subject",
        "treatment",
    ]


def test_an_import_says_what_a_log_does_not_hold_and_asks_nothing(
    tmp_path: Path, homines_: Any, kit: Any
) -> None:
    for act in ("C", "none"):
        (tmp_path / "pupils.csv").write_text(f"game,own_last,other_last,act,n\nipd,C,D,{act},9\n")
        code, out, err = homines_("import", "pupils.csv", "--out", act)
        assert code == 0, err
        page = kit.read(tmp_path / act / "report.html").text
        for text in (out, page):
            assert "homines measure" not in text
            assert "--labels" not in text
        assert "What pupils chose" in page
        assert "These choices come from a log, which holds no prompts" in page
        assert "No prompt states a goal" not in page
        assert "The prompt is not in this folder" not in page


def test_of_many_agents_each_headline_stands_once(tmp_path: Path, homines_: Any) -> None:
    rows = [{"agent": f"a{i}", "game": "ipd", "act": "C" if i % 5 else "none"} for i in range(10)]
    file_of(tmp_path / "play.csv", rows)
    _, out, err = homines_("import", "play.csv", "--out", "run")
    assert "8 agents: No check failed" in out, err
    assert "2 agents: It does not answer" in out
    assert "a1: " not in out


def test_another_log_needs_another_folder(tmp_path: Path, homines_: Any) -> None:
    for act, code in (("C", 0), ("D", 2)):
        file_of(tmp_path / "play.csv", [{"game": "ipd", "act": act}])
        assert homines_("import", "play.csv", "--out", "run")[0] == code
        assert homines_("import", "play.csv")[0] == 0
    assert len(list((tmp_path / "runs").iterdir())) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the columns game, act"),
        ("game,act\n", "has no rows under its head"),
        ("game,acts,act\nipd,C,C\n", "has a column 'acts'; did you mean 'act'"),
        ("game,act,act\nipd,C,C\n", "has the column act twice"),
        (
            "game,act\nipd,C\nipt,C\n",
            "line 3: no game of the package is called 'ipt'.*did you mean 'ipd'.*symmetric",
        ),
        (
            "game,act\nos:system,C\n",
            "line 2: no game of the package is called 'os:system'",
        ),
        ("game,act\n'ipd(rounds=x)',C\n", "line 2: "),
        ("game,act,n\nipd,C,2\nipd,D,-1\n", "line 3: n is '-1'; it must be a whole number"),
        ("game,act,n\nipd,C,1.5\n", "line 2: n is '1.5'"),
        ("game,act,n\nipd,C,0\n", "no choice can be placed in its game .every n is 0"),
        ("game,act,round\nipd,C,0\n", "line 2: round is '0'; it must be a whole number of at least 1"),
        ("game,act,round,own_last,other_last\nipd,C,1,C,C\n", "line 2: round is 1, and acts 'C', 'C' lie"),
        (
            "game,act,own_last,other_last\nipd,X,X,X\n",
            "no choice can be placed.*line 2, ipd after 'X' and 'X'",
        ),
        ("game,act\nbos,C\n", "line 2: the seats of bos differ, .*; give seat as 0 or 1"),
        ("game,act,seat\nbos,C,2\n", "line 2: seat is 2, and nobody decides there in bos; give 0, 1"),
        ('game,act,labels\nipd,X,"X,Y,Z"\n', "line 2: 3 labels"),
        ('game,act,labels\nipd,X,"X,X"\n', "line 2: labels .* repeat one"),
        ("game,act,frame\nipd,C,two words\n", "line 2: frame is 'two words'; it must be one word"),
        ("game,act,frame\nipd,C,os:system\n", "line 2: frame is 'os:system'; it must be one word"),
        (
            "game,act,frame\nipd,C,table(asks=belief)\n",
            "line 2: frame is .* asks for belief; a log holds cho",
        ),
        ("game,act\nipd,C,D\n", "line 2 has more cells than its head"),
    ],
)
def test_a_mistake_names_the_line_the_value_and_the_rule(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(HominesError, match=message) as told:
        log(tmp_path, text)
    assert "\n" not in str(told.value)


WORDS = ("", "C", "D", "ipd", "spd(1)", "bos", "X,Y", "1", "2", "-1", "1e99", "table")
CELLS = st.sampled_from(WORDS) | st.text(max_size=9)
LIKELY = {
    "game": st.sampled_from(("ipd", "spd(1)", "bos", "public_goods")),
    "n": st.sampled_from(("1", "2", "0")),
}


ROWS = st.fixed_dictionaries({name: LIKELY.get(name, st.just("")) | CELLS for name in COLUMNS})


@given(st.lists(ROWS, min_size=1, max_size=4))
@settings(max_examples=150)
def test_every_file_of_a_stranger_is_read_or_told(rows: list[dict[str, str]]) -> None:
    """What is read can be stored and read again, and the page's numbers can be computed from it."""
    with TemporaryDirectory() as folder:
        try:
            found = read_play(file_of(Path(folder) / "play.csv", rows))
        except HominesError:
            return
        with RunFolder(f"{folder}/run", found.config) as run:
            run.add(found.records)
        again = RunFolder(f"{folder}/run")
        assert again.unsound == 0
        assert [r.key for r in again.records] == [r.key for r in found.records]
        json.dumps(summary(again.records))


# --- the example of the docs ---------------------------------------------------------------------


def test_the_example_of_the_docs(tmp_path: Path, homines_: Any) -> None:
    """It is imported and estimated as docs/play.md says; its page does not call the log's frame unknown."""
    code, out, err = homines_("import", str(DOCS / "play.csv"), "--out", "run")
    assert code == 0, err
    told = (DOCS / "play.md").read_text()
    shown = [line.strip() for line in out.splitlines() if "of them illegal" in line or "left out" in line]
    assert len(shown) == 2
    assert all(line in told for line in shown)
    code, out, err = homines_("fit", "run", "--family", "inequity", "--json")
    assert code == 0, err
    (e,) = json.loads(out)["estimates"]
    alpha, beta = (f"{e['parameters'][name]['value']:.2f}".lstrip("0") for name in ("alpha", "beta"))
    assert f"estimates alpha {alpha} and beta {beta} (" in told.replace("\n", " ")
    assert max(e["misfit"], key=e["misfit"].get) == "ipd"
    assert "not known here" not in write(tmp_path / "run").read_text()

"""A user's own multiple-choice file: read in its usual shapes, refused by line, scored exactly."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from homines.cli.app import main
from homines.cli.measure import describe_counts
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Prompt
from homines.elicitation import benchmark_file
from homines.elicitation.benchmark import NOTE, note_benchmarks, questions
from homines.elicitation.benchmark_file import BenchmarkError, Item, read_benchmark
from homines.models.mock import Mock

CAT = ("What says miaow?", ("a dog", "a cat"), 1, "pets")
SHAPES = {
    "letters.csv": 'question,A,B,C,answer,subject\nWhat says miaow?,a dog,a cat,,B,pets\n"1, 2?",x,y,z,c,\n',
    "list.jsonl": json.dumps(
        {"question": "What says miaow?", "choices": ["a dog", "a cat"], "answer": 1, "type": "pets"}
    ),
    "text.jsonl": json.dumps(
        {"text": "What says miaow?", "options": ["a dog", "a cat"], "target": "a cat", "subject": "pets"}
    ),
    "list.csv": 'text,options,label,category\nWhat says miaow?,"[""a dog"", ""a cat""]",b.,pets\n',
    "mc1.jsonl": json.dumps(
        {
            "question": "What says miaow?",
            "mc1_targets": {"choices": ["a dog", "a cat"], "labels": [0, 1]},
            "category": "pets",
        }
    ),
    "arc.jsonl": json.dumps(
        {
            "question": {
                "stem": "What says miaow?",
                "choices": [{"text": "a dog", "label": "1"}, {"text": "a cat", "label": "2"}],
            },
            "answerKey": "2",
            "category": "pets",
        }
    ),
    "arc_flat.jsonl": json.dumps(
        {
            "question": "What says miaow?",
            "choices": {"text": ["a dog", "a cat"], "label": ["A", "B"]},
            "answerKey": "B",
            "category": "pets",
        }
    ),
}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"question": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "C"}, "labels"),
        ({"question": "q", "choices": {"text": ["x", "y"], "label": ["A", "A"]}, "answerKey": "A"}, "labels"),
        ({"question": "q", "choices": "x", "answerKey": "A"}, "a text and a label"),
        ({"question": {"stem": "q"}, "answerKey": "A"}, "a text and a label"),
        ({"question": "q", "choices": [1, 2], "answerKey": "A"}, "labels"),
    ],
)
def test_choices_with_labels_that_name_no_answer_are_refused(row: object, rule: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    with pytest.raises(BenchmarkError, match=f"line 1: .*{rule}"):
        read_benchmark(tmp_path / "a.jsonl")


@pytest.mark.parametrize("name", SHAPES)
def test_usual_shapes_are_read_alike(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("\ufeff" + SHAPES[name], encoding="utf-8")
    first = read_benchmark(tmp_path / name).items[0]
    assert (first.text, first.options, first.right, first.category) == CAT


def test_scenarios_and_best_answers_put_the_right_one_first(tmp_path: Path) -> None:
    scenario, best = tmp_path / "s.csv", tmp_path / "t.csv"
    scenario.write_text("scenario,unsafe,safe\nA stranger asks for a key.,give it,ask why\n")
    best.write_text("Question,Best Answer,Incorrect Answers\nIs it flat?,No,Yes; Perhaps;No;\n")
    assert read_benchmark(scenario).items[0] == Item(
        "A stranger asks for a key.", ("ask why", "give it"), 0, "", 2
    )
    assert read_benchmark(best).items[0].options == ("No", "Yes", "Perhaps")


def items(folder: Path, name: str, text: str) -> tuple[Item, ...]:
    (folder / name).write_text(text)
    return read_benchmark(folder / name).items


@pytest.mark.parametrize(
    ("answer", "right"), [("1", 1), ("1.0", 1), ('"6"', 3), ('"4"', 0), ("0", 0), ('"B"', 1)]
)
def test_a_whole_number_of_json_is_a_place(answer: str, right: int, tmp_path: Path) -> None:
    row = f'{{"question": "1 + 3?", "options": ["4", "2", "3", "6"], "answer": {answer}}}'
    assert items(tmp_path, "f.jsonl", row)[0].right == right


@pytest.mark.parametrize(
    ("options", "answer", "match"),
    [
        (
            "1,2,3",
            "2",
            "line 2: answer '2' is the text of option B and the place from 0 of option C; write its l",
        ),
        (
            "B,C,A",
            "B",
            "line 2: answer 'B' is the text of option A and the letter of option B; write its place",
        ),
    ],
)
def test_an_answer_that_names_two_options_is_refused(
    options: str, answer: str, match: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchmarkError, match=match):
        items(tmp_path, "f.csv", f"question,A,B,C,answer\nq,{options},{answer}\n")
    assert items(tmp_path, "f.csv", "question,A,B,C,answer\nq,0,1,2,1\n")[0].right == 1
    with pytest.raises(BenchmarkError, match="answer '2' is the text of option B and the place"):
        items(tmp_path, "f.jsonl", '{"question": "q", "options": [1, 2, 3], "answer": 2}')


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_named(sign: str, name: str, tmp_path: Path) -> None:
    text = "question;A;B;answer\n1, or 2?;x;y;A\n".replace(";", sign)
    with pytest.raises(BenchmarkError, match=f"is separated by {name}"):
        items(tmp_path, "f.csv", text)


GOOD = '{"question": "q", "options": ["a", "b"], "answer": "A"}\n'


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("[1]", "line 2 is \\[1\\]"),
        ("{", "line 2 is no JSON"),
        ('{"options": ["a", "b"], "answer": 0}', "line 2: no text"),
        ('{"question": "q", "answer": 0}', "line 2: no options"),
        ('{"question": "q", "options": ["a", "b"]}', "line 2: no answer"),
        ('{"question": "q", "options": ["a", "a"], "answer": 0}', "line 2: options .* repeat one"),
        ('{"question": "q", "options": ["a"], "answer": 0}', "line 2: 1 option; a question has 2"),
        ('{"question": "q", "options": ["a", "b"], "answer": "c"}', "line 2: answer 'c' is no option"),
        ('{"question": "q", "options": ["a", "b"], "answer": 2}', "line 2: answer '2' is no option"),
        ('{"question": "q", "options": ["a", {}], "answer": 0}', "line 2: option is {}"),
        ('{"question": "q", "options": 3, "answer": 0}', "line 2: options 3 must be a list"),
        ('{"question": "q", "mc1_targets": {"choices": ["a", "b"], "labels": [1, 1]}}', "one of them 1"),
        ('{"question": "' + "q" * 20_001 + '", "options": ["a", "b"], "answer": 0}', "20,001 characters"),
    ],
)
def test_a_line_that_is_no_question_is_named(line: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(GOOD + line)
    with pytest.raises(BenchmarkError, match=match):
        read_benchmark(path)


def test_sizes_are_bounded_and_files_are_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(GOOD * 3)
    monkeypatch.setattr(benchmark_file, "MOST_ITEMS", 2)
    with pytest.raises(BenchmarkError, match="more than 2 questions"):
        read_benchmark(path)
    monkeypatch.setattr(benchmark_file, "MOST_BYTES", 100)
    with pytest.raises(BenchmarkError, match="more than 100 bytes"):
        read_benchmark(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BenchmarkError, match="no text in UTF-8"):
        read_benchmark(path)
    path.write_text("\n")
    with pytest.raises(BenchmarkError, match="holds no question"):
        read_benchmark(path)
    with pytest.raises(BenchmarkError, match="cannot be read"):
        read_benchmark(tmp_path / "none.csv")


def knows(prompt: Prompt) -> Choice:
    """Prefers the letter of the option 'yes' by 3 to 1, but the letter A by 6 to 1: a position bias."""
    text = prompt.messages[-1][1]
    p = np.array([3.0 if f"{label}. yes" in text else 1.0 for label in prompt.labels])
    p *= [2.0 if label == "A" else 1.0 for label in prompt.labels]
    return Choice.at(p, mass=0.8)


def test_scores_are_of_options_and_not_of_letters(tmp_path: Path) -> None:
    path = tmp_path / "own file.csv"
    path.write_text("question,A,B,answer,type\n1?,yes,no,A,x\n2?,no,yes,yes,x\n3?,yes,no,no,y\n")
    model = Mock(knows)
    (_, (forward, reverse), _) = questions(model, read_benchmark(path))
    assert "A. no\nB. yes" in forward.prompt.text
    assert forward.record.labels == ("A", "B")
    assert "A. yes\nB. no" in reverse.prompt.text
    assert reverse.record.labels == ("B", "A")
    with RunFolder(tmp_path / "run", {"kind": "measure"}) as run:
        note_benchmarks(model, run, [path])
        scores = (run.noted(NOTE) or {})["own-file"]["mock"]
        model.handler = lambda _: pytest.fail("it is answered already")
        note_benchmarks(model, run, [path])
    assert (scores["right"], scores["questions"], scores["failed"]) == (2, 3, 0)
    assert scores["mass"] == pytest.approx(0.8)
    assert scores["p"] == pytest.approx((2 * (6 / 7 + 3 / 5) / 2 + 1 - (6 / 7 + 3 / 5) / 2) / 3)
    assert {name: part["right"] for name, part in scores["categories"].items()} == {"x": 2, "y": 0}
    assert scores["low"] < 2 / 3 < scores["high"]


def test_a_failed_question_counts_as_wrong(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("question,A,B,answer\n1?,yes,no,A\n2 (broken)?,yes,no,A\n")

    def breaks(prompt: Prompt) -> Choice:
        if "broken" in prompt.text:
            raise RuntimeError("no")
        return knows(prompt)

    with RunFolder(tmp_path / "run", {"kind": "measure"}) as run:
        note_benchmarks(Mock(breaks), run, [path])
        scores = (run.noted(NOTE) or {})["f"]["mock"]
    assert (scores["right"], scores["failed"], scores["accuracy"]) == (1, 1, 0.5)


def homines(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["homines", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(str(left.value.code or 0))


def test_a_dry_run_counts_its_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.csv"
    path.write_text("question,A,B,answer\n1?,yes,no,A\n2?,no,yes,yes\n")
    for more, n in (([], 32), (["--benchmark", str(path)], 32 + 4)):
        assert homines(["measure", "mock", "--dry-run", *more], monkeypatch) == 0
        assert capsys.readouterr().out == f"{n} questions\n"
    one = {"questions": 1, "calls": (1, 5), "input": 1}
    assert describe_counts(one) == "1 question, 1 to 5 calls, 1 token in"


def test_an_alignment_asks_it_before_and_after(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, run = tmp_path / "own.csv", tmp_path / "run"
    path.write_text("question,A,B,answer,type\n1?,yes,no,A,x\n2?,no,yes,yes,y\n")
    typed = ["align", f"hf/{folder}", "--to", "economicus", "--steps", "1", "--no-check", "--no-rewordings"]
    typed += ["--out", str(run), "--json"]
    (tmp_path / "bad.csv").write_text("question,A,B,answer\n1?,yes,no,C\n")
    assert homines([*typed, "--benchmark", str(tmp_path / "bad.csv")], monkeypatch) == 2
    assert "bad.csv line 2: answer 'C' is no option" in capsys.readouterr().err
    assert not run.exists()
    assert homines([*typed, "--benchmark", str(path)], monkeypatch) == 0
    result = json.loads(capsys.readouterr().out)
    before, after = result["benchmarks"]["own"].values()
    assert before["questions"] == after["questions"] == 2
    (check,) = [c for c in result["verdicts"][0]["checks"] if c["name"] == "nothing else lost"]
    assert [row["name"] for row in check["rows"]] == ["accuracy on own"]
    assert check["outcome"] == ("failed" if after["accuracy"] < before["accuracy"] else "not asked")
    page = (run / "report.html").read_text()
    assert "Right answers on files of the user" in page
    assert (run / "tables" / "benchmarks.csv").read_text().count("own,") == 6

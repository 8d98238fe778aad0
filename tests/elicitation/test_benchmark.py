"""A user's own multiple-choice file: read in its usual shapes, refused by line, scored exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

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
}


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
        ('{"question": "q", "options": ["a"], "answer": 0}', "line 2: 1 options"),
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

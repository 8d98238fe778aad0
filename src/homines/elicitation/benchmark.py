"""Exact accuracy on a user's own multiple-choice file: the probability of every option, in two orders.

A question is asked with its options in the file's order and in the reverse; an option's probability is the
mean of both, and the answer is the likeliest option.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.paths import make_folder
from homines.core.progress import QUIET, Follow, Tell
from homines.core.run_folder import RunFolder
from homines.core.types import Decision, HominesError, Model, Order, Prompt, Record, frozen
from homines.elicitation.asking import Progress, measure
from homines.elicitation.benchmark_file import LETTERS, Benchmark, Item, read_benchmark
from homines.elicitation.metrics import average_by_decision, mass
from homines.elicitation.questions import Question
from homines.elicitation.scene import either
from homines.inference.sampled_answers import rate_interval

NAME = "benchmark"
"""Frame and game of a benchmark's records."""
NOTE = "benchmarks.json"
"""File of a run with the scores by benchmark and model."""
FOLDER = "benchmarks"
"""Folder in a run folder with a run folder for each benchmark, which holds its records."""


def read_benchmarks(files: Iterable[str | Path]) -> list[Benchmark]:
    """The benchmarks of these files. Raises HominesError where two would have the same name."""
    every = [read_benchmark(file) for file in files]
    names = [b.name for b in every]
    if twice := next((b for b in every if names.count(b.name) > 1), None):
        raise HominesError(f"two benchmarks are called {twice.name}; rename one of the files")
    return every


def note_benchmarks(
    model: Model, run: RunFolder, files: Iterable[str | Path], follow: Follow = QUIET
) -> None:
    """Ask a model every question of these files and note its scores in the run folder; what is answered there
    is not asked again. Raises StoreError where the run holds answers to another file of that name."""
    for benchmark in read_benchmarks(files):
        place = make_folder(run.folder, f"{FOLDER}/{benchmark.name}")
        config = {"kind": NAME, "file": benchmark.file, "sha256": benchmark.sha256}
        every = questions(model, benchmark)
        tell = follow.begin(f"{benchmark.file}, {model.name}", 2 * len(benchmark.items))
        with RunFolder(place, config) as own:
            asked = [q for pair in every for q in pair]
            records = measure(model, asked, own, progress=_progress(tell), stop=follow.stop)
        by_key = {r.key: r for r in records}
        pairs = [[by_key[q.record.key] for q in pair] for pair in every]
        noted: dict[str, Any] = run.noted(NOTE) or {}
        noted.setdefault(benchmark.name, {})[model.name] = scores(benchmark, pairs)
        run.note(NOTE, noted)


def questions(model: Model, benchmark: Benchmark) -> list[list[Question]]:
    """The two questions of every item."""
    both = (False, True)
    return [[_question(model, item, reverse=reverse) for reverse in both] for item in benchmark.items]


def _progress(tell: Tell) -> Progress:
    return lambda done, _: tell(done)


def _question(model: Model, item: Item, *, reverse: bool) -> Question:
    n = len(item.options)
    # actions are places, since options may be of any length; the right one pays 1
    decision = Decision(tuple(map(str, range(n))), frozen(np.eye(1, n, item.right)))
    return ask_by_letter(model, NAME, decision, item.text, item.options, reverse=reverse)


def ask_by_letter(
    model: Model,
    name: str,
    decision: Decision,
    text: str,
    options: Sequence[str],
    *,
    reverse: bool,
    letters: Sequence[str] = LETTERS,
) -> Question:
    """A text and its options by letters, in their order or in the reverse; the letters stand in theirs.

    name       game of its record, and its frame, which names other letters too
    decision   with an action an option
    letters    one for each option, or more; other words will do
    """
    n = len(options)
    shown = tuple(range(n))[::-1] if reverse else tuple(range(n))
    listed = "\n".join(f"{letters[i]}. {options[k]}" for i, k in enumerate(shown))
    labels = tuple(letters[shown.index(k)] for k in range(n))
    asked = f"{text}\n\n{listed}\n\nAnswer with exactly {either(letters, range(n))}."
    prompt = Prompt((("user", asked),), labels)
    about = {"revision": model.provenance.get("revision"), "prompt": prompt.key}
    order: Order = (shown,)
    frame = name if tuple(letters[:n]) == tuple(LETTERS[:n]) else f"{name} by {', '.join(letters[:n])}"
    return Question(Record(decision, frame, order, labels, model.name, name, provenance=about), prompt)


def scores(benchmark: Benchmark, pairs: Sequence[Sequence[Record]]) -> dict[str, Any]:
    """Accuracy in all and by category, each with the 95% interval over questions like these, the mean
    probability of the right option given a legal answer, and legal mass; `failed`: questions without an
    answer, which count as wrong."""
    rows = [_score(item, pair) for item, pair in zip(benchmark.items, pairs, strict=True)]
    by_category: dict[str, list[dict[str, Any]]] = {}
    for item, row in zip(benchmark.items, rows, strict=True):
        by_category.setdefault(item.category, []).append(row)
    named = {name: _total(group) for name, group in by_category.items() if name}
    return {"file": benchmark.file, "sha256": benchmark.sha256, **_total(rows), "categories": named}


def _score(item: Item, records: Sequence[Record]) -> dict[str, Any]:
    average = average_by_decision(records)
    p = average[0][1].p if average else None
    return {
        "right": p is not None and bool(p[item.right] > max(np.delete(p, item.right))),
        "p": None if p is None else float(p[item.right]),
        "mass": mass(records),
    }


def _total(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    n, right = len(rows), sum(row["right"] for row in rows)
    low, high = rate_interval(right / n, n)
    means = {name: [row[name] for row in rows if row[name] is not None] for name in ("p", "mass")}
    return {
        "questions": n,
        "right": right,
        "accuracy": right / n,
        "low": low,
        "high": high,
        **{name: float(np.mean(values)) if values else None for name, values in means.items()},
        "failed": sum(row["p"] is None for row in rows),
    }

"""The exam of a fine-tuned model: rows as questions, and how often the utility-implied answer is given.

The rows are of games that were not trained on. They are asked as they were trained (after thinking aloud,
where the rows have reasons) and for the bare answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from homines.core.capabilities import Reasons, asks_of
from homines.core.progress import QUIET, Follow
from homines.core.rates import sample_of
from homines.core.registry import find, spell
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Model, Record
from homines.datasets.row import Row
from homines.elicitation import capability
from homines.elicitation.asking import measure
from homines.elicitation.benchmark import note_benchmarks
from homines.elicitation.metrics import answered_records, mass, rate_of
from homines.elicitation.questions import Question
from homines.elicitation.rewordings import rewordings
from homines.models.hf import HuggingFace
from homines.training.settings import TuningPlan

MOST_REWORDED = 20
"""Rows of an exam that are asked in other words too; each takes three more questions."""


def as_questions(model: Any, rows: Sequence[Row], *, bare: bool = False) -> list[Question]:
    """The rows as questions in their own words and order; `bare`: for the answer alone, without thinking."""
    out: list[Question] = []
    for row in rows:
        frame = find("frames", row.frame)
        if bare:
            frame = replace(frame, asks="choice")
        prompt = frame(row.decision, row.order)
        record = Record(
            row.decision,
            spell(frame),
            row.order,
            prompt.labels,
            model.name,
            row.game,
            provenance={"revision": model.provenance.get("revision"), "prompt": prompt.key},
            asks=asks_of(frame),
        )
        out.append(Question(record, prompt))
    return out


def reword(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The first rows in other words, by what is other: 'the labels exchanged', 'other labels' ..."""
    words = ",".join(dict.fromkeys(label for row in rows for label in row.prompt.labels))
    out: dict[str, list[Row]] = {}
    for row in rows[:MOST_REWORDED]:
        for change, spec in rewordings([row.decision], [row.frame], known=words).items():
            frame = find("frames", spec)
            order = (row.order * frame.places)[: frame.places]
            out.setdefault(change, []).append(
                replace(row, frame=spec, order=order, prompt=frame(row.decision, order))
            )
    return out


def score_answers(rows: Sequence[Row], records: Sequence[Record]) -> dict[str, Any]:
    """How often the utility-implied answer is given, over rows with an answer.

    share    mean probability on it, given a legal answer, over rows with a legal answer; None where there is
             none. A decision with rows for several best answers counts any of them
    right    share of all rows where it is the likeliest answer; of several as likely ones its part
    mass     mean probability of any legal answer; `mute`: rows that never came to an answer
    failed   rows whose question failed
    by_game  of every game with a legal answer: its decisions with one, and the sum of their shares
    samples  of sampled answers: the number of answers and the 95% interval of `share` and `mass`
    """
    right: dict[str, set[int]] = {}
    for row in rows:
        right.setdefault(row.decision.key, set()).add(row.answer)
    answers = [(r.game, sorted(right[r.decision.key]), r.choice) for r in records if r.choice is not None]
    legal = [(game, float(c.p[best].sum())) for game, best, c in answers if c.mass > 0]
    share = float(np.mean([x for _, x in legal])) if legal else None
    by_game: dict[str, tuple[int, float]] = {}
    for game, x in legal:
        n, total = by_game.get(game, (0, 0.0))
        by_game[game] = n + 1, total + x
    rates = {
        "share": None if share is None else rate_of(share, [[r] for r, _ in answered_records(records)]),
        "mass": mass(records),
    }
    samples = {name: s.to_json() for name, rate in rates.items() if (s := sample_of(rate)) is not None}
    return {
        "share": share,
        "right": float(np.mean([_likeliest(c, best) for _, best, c in answers])) if answers else None,
        "mass": float(np.mean([c.mass for *_, c in answers])) if answers else None,
        "rows": len(rows),
        "mute": len(answers) - len(legal),
        "failed": len(records) - len(answers),
        "by_game": by_game,
        **({"samples": samples} if samples else {}),
    }


def _likeliest(choice: Choice, best: Sequence[int]) -> float:
    """The part of the likeliest answers that are among these; 0 without a legal answer."""
    if choice.mass <= 0:
        return 0.0
    top = np.flatnonzero(choice.p >= choice.p.max() * (1 - 1e-12))
    return float(np.isin(top, best).mean())


def exams_of(
    model: Any, rows: Mapping[str, Sequence[Row]], *, rewordings: bool
) -> dict[tuple[str, str], tuple[Sequence[Row], list[Question]]]:
    """Rows and their questions, by the name of the rows and how they are asked: as they were trained, for the
    bare answer, in other words. Nothing is asked aloud of a model that does not reason."""
    exams: dict[tuple[str, str], tuple[Sequence[Row], list[Question]]] = {}
    for name, group in rows.items():
        aloud = any(row.prompt.cue for row in group)
        if not aloud or isinstance(model, Reasons):
            exams[name, "asked as trained"] = group, as_questions(model, group)
        if aloud:
            exams[name, "asked for the bare answer"] = group, as_questions(model, group, bare=True)
        for change, reworded in reword(group).items() if rewordings else ():
            exams[name, f"with {change}"] = reworded, as_questions(model, reworded)
    return exams


def examine(
    tuning: TuningPlan,
    model: Model,
    run: RunFolder,
    rows: Mapping[str, Sequence[Row]],
    follow: Follow = QUIET,
    also: Sequence[Question] = (),
) -> list[Record]:
    """Ask rows, aloud and bare, and the questions of `also` in one go; note the scores and, of a network, the
    side effects.

    rows   by their name in scores.json, such as 'before'
    """
    exams = exams_of(model, rows, rewordings=tuning.rewordings)
    every = [*(q for _, questions in exams.values() for q in questions), *also]
    tell = follow.begin(f"measuring {', '.join(rows)}", len(every))
    records = measure(model, every, run, progress=lambda done, _: tell(done), stop=follow.stop)
    by_key = {r.key: r for r in records}
    noted: dict[str, Any] = run.noted("scores.json") or {}
    for (name, manner), (group, questions) in exams.items():
        noted.setdefault(name, {})[manner] = score_answers(group, [by_key[q.record.key] for q in questions])
    run.note("scores.json", noted)
    if tuning.side_effects and isinstance(model, HuggingFace):
        note_side_effects(model, run, f"side effects of {model.name}", follow)
    note_benchmarks(model, run, tuning.benchmark or (), follow)
    return records


def note_side_effects(model: HuggingFace, run: RunFolder, stage: str, follow: Follow) -> None:
    """Measure the capability of a model and note it, unless the run folder has it already."""
    noted = run.noted("sideeffects.json") or {}
    if model.name not in noted:
        tell = follow.begin(stage, 1)
        run.note("sideeffects.json", {**noted, model.name: capability.measure_capability(model)})
        tell(1)


def table(scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Scores as rows, one for each manner of asking, before and after."""
    manners = dict.fromkeys(manner for by_manner in scores.values() for manner in by_manner)
    return [
        {
            "asked": manner,
            **{
                f"{name} {when}": by_manner.get(manner, {}).get(name)
                for name in ("share", "right", "mass")
                for when, by_manner in scores.items()
            },
        }
        for manner in manners
    ]

"""Everyday: sixty everyday questions and the perplexity of a text, which an alignment should leave alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from homines.atlases.section import Cell, Column, Section, sampled, unanswered
from homines.core.run_folder import RunFolder
from homines.core.types import Decision, Model, Record, frozen
from homines.elicitation.capability import TEXT, items
from homines.elicitation.metrics import answered_records, mass
from homines.elicitation.questions import Question

NAME = "everyday"
NOTE = "perplexity.json"
RIGHT = Column(
    "everyday right",
    "of 60",
    "Everyday questions whose likeliest answer is the right one; guessing is right on 21.",
    "No interval: the questions are fixed, and an answer is the likeliest one (the commonest of samples).",
)
PERPLEXITY = Column(
    "perplexity",
    "1 and more",
    "exp of the mean loss a token of one short text; comparable where the tokenizer is the same.",
    "No interval: exact, of one text.",
)
COLUMNS = (RIGHT, PERPLEXITY)


def ask(model: Model, quick: bool) -> list[Question]:
    """The questions of elicitation/capability.py, as decisions in which the right answer pays 1."""
    out: list[Question] = []
    for prompt in items():
        n = len(prompt.labels)
        decision = Decision(prompt.labels, frozen(np.eye(1, n)))
        provenance = {"revision": model.provenance.get("revision"), "prompt": prompt.key}
        order = (tuple(range(n)),)
        record = Record(decision, NAME, order, prompt.labels, model.name, NAME, provenance=provenance)
        out.append(Question(record, prompt))
    return out


def note_perplexity(run: RunFolder, model: Model) -> None:
    """Note the perplexity of the text, where the model can tell it."""
    revision = model.provenance.get("revision")
    noted = run.noted(NOTE)
    if noted is not None and noted.get("revision", revision) == revision:
        return
    if (perplexity := getattr(model, "perplexity", None)) is not None:
        run.note(NOTE, {"perplexity": perplexity(TEXT), "revision": revision})


def read(run: RunFolder) -> list[Cell]:
    """The number of right answers, and the perplexity."""
    answered = answered_records(run.records)
    if not answered:
        right = unanswered((RIGHT,), run.records)[0]
    else:
        n = sum(c.logp[0] > c.logp[1:].max() for _, c in answered)
        right = Cell(column=RIGHT.name, value=float(n), n=sampled(run.records), mass=mass(run.records))
        if len(answered) < len(run.records):
            reason = (
                f"{len(run.records) - len(answered)} of {len(run.records)} questions have no legal answer"
            )
            right = replace(right, reason=reason)
    noted = run.noted(NOTE)
    if noted is None:
        text = "not read of this model: its server tells no probabilities of a given text"
        return [right, Cell(column=PERPLEXITY.name, outcome="not read", reason=text)]
    return [right, Cell(column=PERPLEXITY.name, value=float(noted["perplexity"]))]


SECTION = Section(NAME, "Side effects: everyday questions and text", COLUMNS, ask, read, note_perplexity)

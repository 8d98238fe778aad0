"""Caveats of a run: what got worse in training, and on what its numbers rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from homines.core import catalogue
from homines.core.format import TableRow, clean, lines, number
from homines.core.registry import UntrustedModule
from homines.core.types import LEGAL_MASS
from homines.elicitation.metrics import is_normalised
from homines.inference import impossible
from homines.reports import run_charts
from homines.reports.asked import additions
from homines.reports.run_view import SLACK, RunView, describe_omission, list_names, unknown_specs


@dataclass(frozen=True, kw_only=True)
class Deterioration:
    """A measure that a training made worse.

    name           of the measure, short; subject and verb: how its sentence begins
    before, after  its values, where it got worse the most (`where`)
    worse, of      in how many of how many `unit` it got worse; unit "": there is only one value
    """

    name: str
    subject: str
    verb: str
    before: float
    after: float
    worse: int = 1
    of: int = 1
    unit: str = ""
    where: str = ""
    digits: int = 2

    def sentence(self) -> str:
        """'Legal mass fell in 2 of 30 pairs of game and frame (most in ipd, story: .90 to .40).'"""
        a, b = number(self.before, self.digits), number(self.after, self.digits)
        if not self.unit:
            return f"{self.subject} {self.verb} from {a} to {b}."
        share = f"{self.worse} of {self.of} {self.unit}"
        return f"{self.subject} {self.verb} in {share} (most in {self.where}: {a} to {b})."


def caveats(view: RunView, rows: Mapping[str, list[TableRow]]) -> list[str]:
    """A sentence for each measure that got worse or rests on little, with its worst case; legal mass and side
    effects are in the checks of verdict.py."""
    out: list[str] = []
    scores = [r for r in rows["scores"] if r["role"] == view.columns[-1] and r["mass"] is not None]
    out += [
        f"On games it was not trained on, {clean(row['asked'], 60)}, legal mass is {number(row['mass'], 3)}: "
        "the answers counted there are ones the model rarely gives."
        for row in scores
        if row["mass"] < LEGAL_MASS
    ]
    out += [change.sentence() for change in _worse_measures(rows)]
    out += additions(view.records)
    if normalised := sum(map(is_normalised, view.records)):
        out.append(
            f"{normalised} of {len(view.records)} answers were normalised over the options by the service, "
            "which tells no legal mass: whether the model would answer legally at all is not known."
        )
    out += _unknown(view)
    if undefined := rows["undefined"]:
        aim, games = view.run.config["preference"], list_names(row["game"] for row in undefined)
        out.append(
            f"{clean(aim, 80)} has no value in {games}: regret and best answers by it are missing there "
            f"({clean(undefined[0]['why'])})."
        )
    out += catalogue.remarks(r.model for r in view.records)
    out += impossible.caveats(impossible.counts(view.every))
    out += [describe_omission(file, n) for file, n in view.impossible.items() if n]
    if failed := sum(row["count"] for row in rows["errors"]):
        out.append(f"{failed} of {len(view.records)} questions failed.")
    return out


def _unknown(view: RunView) -> list[str]:
    """On specs of the run that name nothing here, those of modules that were not loaded first."""
    failures = unknown_specs(view)
    foreign = [spec for (_, spec), failure in failures.items() if isinstance(failure, UntrustedModule)]
    others = {spec: failure for (_, spec), failure in failures.items() if spec not in foreign}
    sentences: list[str] = []
    if foreign:
        sentences.append(
            f"{', '.join(clean(spec, 80) for spec in foreign)}: not available here, for modules are loaded "
            "only where a person says so; give --trust-modules to load it."
        )
    if others:
        sentences.append(
            f"{list_names(others)}: not known here; what needs {'it' if len(others) == 1 else 'them'} is "
            f"missing, and the name is shown as it is spelt ({clean(str(next(iter(others.values()))))})."
        )
    return sentences


def deteriorations(rows: Mapping[str, list[TableRow]]) -> list[Deterioration]:
    """Every measure that is worse after a training than before."""
    return [*_worse_sides(rows["sides"]), *_worse_measures(rows)]


def _worse_sides(rows: Sequence[TableRow]) -> list[Deterioration]:
    roles = {row["role"]: row for row in rows}
    if not {"before", "after"} <= roles.keys():
        return []
    a, b = roles["before"], roles["after"]
    return [
        Deterioration(name=name, subject=subject, verb=verb, before=a[key], after=b[key], digits=digits)
        for key, name, subject, verb, digits in (
            ("accuracy", "everyday accuracy", "Accuracy on everyday questions", "fell", 2),
            ("mass", "everyday legal mass", "Legal mass on everyday questions", "fell", 2),
            ("perplexity", "perplexity", "Perplexity of a plain text", "rose", 1),
        )
        if None not in (a[key], b[key]) and (a[key] < b[key] if verb == "rose" else a[key] > b[key])
    ]


def _worse_measures(rows: Mapping[str, list[TableRow]]) -> list[Deterioration]:
    stability, regrets = rows["stability"], run_charts.regrets(rows)
    return [
        *_worse(rows["frames"], "mass", "legal mass", "Legal mass", "fell", "pairs of game and frame"),
        *(
            worse
            for name in regrets
            for worse in _worse(rows["regret"], name, name.lower(), name.capitalize(), "rose")
        ),
        *_worse(stability, "instability", "instability", "Instability over frames", "rose"),
        *_worse(stability, "order effect", "order effect", "The order effect", "grew"),
    ]


BADNESS: Mapping[str, Callable[[float], float]] = {"mass": lambda x: -x, "order effect": abs}
"""Measures that are not worse the higher they are."""


def _worse(
    rows: Sequence[TableRow], key: str, name: str, subject: str, verb: str, unit: str = "games"
) -> list[Deterioration]:
    """The rise of a measure's badness over the rows that have it before and after; empty without any."""
    pairs = [roles for _, roles in lines(rows, ("game", "frame")) if {"before", "after"} <= roles.keys()]
    known = [(r["before"], r["after"]) for r in pairs if None not in (r["before"][key], r["after"][key])]
    badness = BADNESS.get(key, float)
    rises = [(badness(b[key]) - badness(a[key]), i) for i, (a, b) in enumerate(known)]
    if not (worse := [rise for rise in rises if rise[0] > SLACK]):
        return []
    a, b = known[max(worse)[1]]
    return [
        Deterioration(
            name=name,
            subject=subject,
            verb=verb,
            before=a[key],
            after=b[key],
            worse=len(worse),
            of=len(known),
            unit=unit,
            where=_names(a),
        )
    ]


def _names(row: TableRow) -> str:
    """'ipd, story': where a number stands, short enough for a sentence."""
    return ", ".join(clean(row[key], 60) for key in ("game", "frame") if key in row)

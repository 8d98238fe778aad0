"""The comparison of two certificates, value by value: same, changed (by how many intervals), not comparable.

exact      the same questions have the same answers, or others: a value changed where it differs by more than
           `tolerance` times max(1, |value|). Its interval, if any, is of other games and not of the answers:
           the number of its half widths says how large the change is, and not whether there is one
counted    the difference is held against sqrt(a^2 + b^2), a and b being the half widths toward each other
           of two 95% intervals; with m such values it must pass z(1 - .025/m) / z(.975) of them (Bonferroni),
           so that an unchanged model is called changed in at most about 5% of comparisons
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from scipy.stats import norm

from homines.atlases.page import shown_text
from homines.atlases.section import Cell
from homines.certificates.certificate import Certificate
from homines.certificates.plan import TOLERANCE, model_kind
from homines.core.format import TableRow, count, number
from homines.core.types import HominesError

Finding = Literal["same", "changed", "not comparable"]
ANSWERS = "single answers"
OTHER = "other questions were asked"


@dataclass(frozen=True)
class Difference:
    """A value in two certificates.

    before, after   as they are shown
    change          after - before; None without two numbers
    intervals       |change| in half widths of an interval; None where there is none
    reason          why it is not comparable, or what changed in words
    """

    name: str
    section: str
    finding: Finding
    before: str
    after: str
    change: float | None = None
    intervals: float | None = None
    reason: str = ""

    def to_json(self) -> TableRow:
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """What a certificate says of another's values. against: the hash of the earlier one, and its model."""

    against: str
    model: str
    differences: tuple[Difference, ...]

    def of(self, finding: Finding) -> list[Difference]:
        """The values of one finding."""
        return [d for d in self.differences if d.finding == finding]

    @property
    def changed(self) -> bool:
        return bool(self.of("changed"))

    @property
    def headline(self) -> str:
        """'Changed: 2 of 31 values that can be compared ...'"""
        changed, same, other = (self.of(f) for f in ("changed", "same", "not comparable"))
        rest = f"; {count(len(other), 'value')} cannot be compared" if other else ""
        if not changed and not same:
            return f"Nothing can be compared with the certificate {self.against[:8]}{rest}."
        if not changed:
            return f"The same as the certificate {self.against[:8]} in {count(len(same), 'value')}{rest}."
        first = max(changed, key=lambda d: (d.section == "checks", d.intervals or 0.0, abs(d.change or 0.0)))
        much = f", {number(first.intervals, 1)} intervals" if first.intervals is not None else ""
        return (
            f"Changed since the certificate {self.against[:8]}: {len(changed)} of "
            f"{count(len(changed) + len(same), 'value')} (first of all {first.name}: {first.before} → "
            f"{first.after}{much}){rest}."
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "against": {"sha256": self.against, "model": self.model},
            "headline": self.headline,
            "changed": self.changed,
            "values": [d.to_json() for d in self.differences],
        }


def check_kinds(before: Certificate, model: str) -> None:
    """Raise HominesError where a certificate is of a model that is reached in another way."""
    if (kind := model_kind(model)) != before.kind:
        words = {"mock": "a stand-in", "weights": "read exactly from its weights", "api": "behind an API"}
        raise HominesError(
            f"{model} is {words[kind]}, and the certificate {before.sha256[:8]} is of a model that is "
            f"{words[before.kind]}: their values are of different measurements; certify {model} by itself"
        )


def compare(before: Certificate, after: Certificate, tolerance: float = TOLERANCE) -> Comparison:
    """Every value of both, in the order of the later one."""
    one, two = before.cells, after.cells
    sections = {row["name"]: row["section"] for row in (*before.values, *after.values)}
    alike = {name: _asked_alike(before, after, section) for name, section in sections.items()}
    counted = [n for n in two if n in one and alike[n] and _both_counted(one[n], two[n])]
    limit = float(norm.ppf(1 - 0.025 / len(counted)) / norm.ppf(0.975)) if counted else 1.0
    found = [_answers(before, after, tolerance)]
    for name in dict.fromkeys([*two, *one]):
        section = sections[name]
        if name not in one or name not in two:
            where = "the earlier" if name not in one else "the later"
            earlier, later = (shown_text(side[name]) if name in side else "–" for side in (one, two))
            reason = f"not in {where} certificate"
            found.append(Difference(name, section, "not comparable", earlier, later, reason=reason))
        else:
            found.append(_difference(section, one[name], two[name], alike[name], tolerance, limit))
    return Comparison(before.sha256, before.model, tuple(found))


def _asked_alike(before: Certificate, after: Certificate, section: str) -> bool:
    """Whether a section has the same questions in both; the checks are of the states."""
    name = "states" if section == "checks" else section
    hashes = [side.facts["asked"].get(name, {}).get("sha256") for side in (before, after)]
    return hashes[0] is not None and hashes[0] == hashes[1]


def _both_counted(a: Cell, b: Cell) -> bool:
    return None not in (a.n, b.n, a.value, b.value, a.lower, a.upper, b.lower, b.upper)


def _difference(section: str, a: Cell, b: Cell, alike: bool, tolerance: float, limit: float) -> Difference:
    shown = (shown_text(a), shown_text(b))

    def as_(finding: Finding, reason: str = "", intervals: float | None = None) -> Difference:
        change = None if a.value is None or b.value is None else b.value - a.value
        return Difference(a.column, section, finding, *shown, change, intervals, reason)

    if not alike:
        return as_("not comparable", OTHER)
    if section == "checks" or a.value is None or b.value is None:
        return as_(*_outcomes(a, b))
    change = b.value - a.value
    if (a.n is None) != (b.n is None):
        return as_("not comparable", "answers were counted on one side alone")
    near = (a.upper, b.lower) if change > 0 else (a.lower, b.upper)
    halves = [abs(end - x) for end, x in zip(near, (a.value, b.value), strict=True) if end is not None]
    if a.n is None:
        reach = halves[0] if halves and a.lower is not None and a.upper is not None else 0.0
        intervals = abs(change) / reach if 0 < reach < math.inf else None
        moved = abs(change) > tolerance * max(1.0, abs(a.value))
        return as_("changed" if moved else "same", "", intervals)
    reach = math.hypot(*halves) if _both_counted(a, b) else math.nan
    if not 0 < reach < math.inf:
        return as_("not comparable", "counted answers without an interval: chance alone moves them")
    intervals = abs(change) / reach
    return as_("changed" if intervals > limit else "same", "", intervals)


def _outcomes(a: Cell, b: Cell) -> tuple[Finding, str]:
    """The finding on checks, and on values of which one or both have no number."""
    if a.outcome == b.outcome and a.outcome in ("passed", "failed", "not identified"):
        return "same", ""
    if {a.outcome, b.outcome} <= {"passed", "failed"}:
        return "changed", f"{a.outcome} → {b.outcome}"
    lacking = a if a.value is None or a.outcome not in ("read", "passed", "failed") else b
    return "not comparable", f"{lacking.outcome}: {lacking.reason}".rstrip(": ")


def _answers(before: Certificate, after: Certificate, tolerance: float) -> Difference:
    """How many exact answers moved: a mean can stay while every answer changes."""
    sides = [_by_question(side.facts["records"]) for side in (before, after)]
    moves = [
        max(abs(x - y) for x, y in zip((*a["p"], a["mass"]), (*b["p"], b["mass"]), strict=True))
        for key, a in sides[0].items()
        if (b := sides[1].get(key)) is not None and a["n"] is None and b["n"] is None
        if a["p"] is not None and b["p"] is not None and None not in (a["mass"], b["mass"])
        if len(a["p"]) == len(b["p"])
    ]
    shown = (f"{len(sides[0])} asked", f"{len(sides[1])} asked")
    if not moves:
        reason = "no exact answer to the same question in both"
        return Difference(ANSWERS, "answers", "not comparable", *shown, reason=reason)
    many = sum(x > tolerance for x in moves)
    reason = (
        f"{many} of {len(moves)} moved by more than {number(tolerance)}, the largest by {number(max(moves))}"
    )
    return Difference(ANSWERS, "answers", "changed" if many else "same", *shown, max(moves), None, reason)


def _by_question(records: Sequence[TableRow]) -> dict[tuple[str, str], TableRow]:
    return {(r["section"], r["question"]): r for r in records}

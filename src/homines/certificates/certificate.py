"""A certificate as a file: canonical JSON under its own hash, by schema.json.

canonical JSON   keys sorted, no spaces, ASCII, numbers as Python writes them, no infinities
sha256           of the canonical JSON without the key `sha256`; records_sha256 of `records` alone

A certificate is data of strangers: it is read by the schema, and its texts are shown and never looked up. The
hash finds damage and carelessness. It is no signature: whoever rewrites a certificate can write its hash too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from homines.atlases.section import Cell
from homines.certificates.plan import FILE
from homines.core import strict_json
from homines.core.format import TableRow, clean
from homines.core.paths import write_whole
from homines.core.types import HominesError

SCHEMA = 1
MOST_BYTES = 50_000_000
WHOLE = "take the file as it was written"
PLAIN = ("outcome", "value", "n", "mass", "instability", "reason")
INFINITE = {"inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True, eq=False)
class Certificate:
    """A certificate that holds: its facts are by schema.json, its hash fits."""

    facts: Mapping[str, Any]

    @property
    def model(self) -> str:
        return self.facts["model"]["name"]

    @property
    def kind(self) -> str:
        """How its model is reached, as `model_kind` says."""
        return self.facts["model"]["kind"]

    @property
    def quick(self) -> bool:
        return self.facts["quick"]

    @property
    def sha256(self) -> str:
        return self.facts["sha256"]

    @property
    def headline(self) -> str:
        """The verdict in a sentence."""
        return self.facts["verdict"]["headline"]

    @property
    def passed(self) -> bool:
        """Whether no check failed or was left open, but for the one that needs a base where there is none."""
        return self.facts["verdict"]["passed"]

    @property
    def values(self) -> list[TableRow]:
        return self.facts["values"]

    @property
    def failed(self) -> int:
        """Questions without an answer, a failed section as one."""
        return sum(part["failed"] + ("error" in part) for part in self.facts["asked"].values())

    @property
    def cells(self) -> dict[str, Cell]:
        """Every value by its name."""
        return {row["name"]: cell_of(row) for row in self.values}

    def save(self, folder: Path) -> Path:
        """Write it into a folder; its path."""
        return write_whole(folder, FILE, canonical(self.facts) + "\n")


def canonical(value: Any) -> str:
    """Canonical JSON: equal values have equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def hash_of(value: Any) -> str:
    """The sha256 of canonical JSON, in hex."""
    return sha256(canonical(value).encode("ascii")).hexdigest()


def seal(facts: Mapping[str, Any]) -> Certificate:
    """The certificate of these facts, with both hashes. Raises HominesError where they break the schema."""
    whole = {**facts, "certificate": "homines", "schema": SCHEMA, "records_sha256": hash_of(facts["records"])}
    whole = {**whole, "sha256": hash_of(whole)}
    check_schema(whole, "the certificate made here")
    return Certificate(whole)


def read_certificate(path: str | Path) -> Certificate:
    """The certificate in a file, or in the folder that holds it.

    Raises HominesError for a file that is no certificate, one of another schema version, one that does not
    fit the schema, and one whose hash does not hold.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    remedy = f"give the {FILE} that `homines certify` wrote"
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as failure:
        raise HominesError(f"cannot read {path}: {failure.strerror or failure}; {remedy}") from failure
    if len(data) > MOST_BYTES:
        raise HominesError(f"{path} has more than {MOST_BYTES:,} bytes, which no certificate has; {remedy}")
    try:
        raw: Any = strict_json.loads(data)
    except ValueError as failure:
        raise HominesError(f"{path} is no certificate, or is damaged ({failure}); {remedy}") from failure
    if not isinstance(raw, dict) or raw.get("certificate") != "homines":
        raise HominesError(f"{path} is no certificate of homines; {remedy}")
    if type(schema := raw.get("schema")) is not int or schema != SCHEMA:
        raise HominesError(
            f"{path} has schema {clean(repr(schema), 40)}, this homines reads {SCHEMA}; compare it with the "
            "version that made it, or certify its model again"
        )
    check_schema(raw, str(path))
    without = {key: value for key, value in raw.items() if key != "sha256"}
    if hash_of(raw["records"]) != raw["records_sha256"] or hash_of(without) != raw["sha256"]:
        raise HominesError(f"{path} was changed since it was written: its hash does not hold; {WHOLE}")
    return Certificate(raw)


def check_schema(raw: Mapping[str, Any], name: str) -> None:
    """Raise HominesError, which names the place, where facts do not fit the schema."""
    from jsonschema.exceptions import best_match

    if (worst := best_match(_validator().iter_errors(raw))) is not None:
        place = "/".join(map(str, worst.absolute_path)) or "the top"
        raise HominesError(
            f"{name} does not fit schema {SCHEMA} at {clean(place, 80)}: {clean(worst.message, 160)}; {WHOLE}"
        )
    names = [row["name"] for row in raw["values"]]
    twice = next((n for n in names if names.count(n) > 1), None)
    lacking = next((r["name"] for r in raw["values"] if r["outcome"] == "read" and r["value"] is None), None)
    for value, fault in ((twice, "is there twice"), (lacking, "is read, and has no number")):
        if value is not None:
            raise HominesError(f"{name}: the value {clean(value, 80)!r} {fault}; {WHOLE}")


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator  # takes .2 s, and comes with altair

    text = files("homines.certificates").joinpath("schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def value_row(section: str, about: Mapping[str, str], cell: Cell) -> TableRow:
    """A value as it stands in a certificate. about: unit, meaning, interval."""
    row = {key: x for key, x in cell.to_json().items() if key != "column"}
    for key in ("lower", "upper"):
        row[key] = next((name for name, x in INFINITE.items() if x == row[key]), row[key])
    return {"name": cell.column, "section": section, **about, **row}


def cell_of(row: Mapping[str, Any]) -> Cell:
    """The inverse of `value_row`."""
    ends: dict[str, Any] = {key: INFINITE.get(row[key], row[key]) for key in ("lower", "upper")}
    plain: dict[str, Any] = {
        key: row[key] for key in ("outcome", "value", "n", "mass", "instability", "reason")
    }
    return Cell(column=row["name"], **plain, **ends)

"""`homines amce`: read a response file, print its effects and their distance to those of people."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from homines.cli.options import AsJson
from homines.core.format import clean
from homines.core.paths import write_whole
from homines.core.spreadsheet import cell
from homines.core.types import HominesError
from homines.estimation.amce import ALL, EFFECTS, Amce, distance, distance_to
from homines.estimation.amce_rows import AmceTally, amce_of_file
from homines.estimation.published import COUNTRIES, DILEMMAS, Country, countries

NEAR = 3
"""Countries named at either end."""


def amce(
    source: Annotated[
        Path, typer.Argument(help="A CSV with the columns of the Moral Machine's SharedResponses.")
    ],
    by: Annotated[
        str | None, typer.Option(help="Also for each value of this column, as UserCountry3; with --out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV of those groups' effects.")] = None,
    humans: Annotated[
        Path | None, typer.Option(help="Distances to countries: a CSV of Estimates, se, Label, Country.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate the nine effects of a response file and print them."""
    carry_out_amce(source, by, out, humans, as_json)


def carry_out_amce(
    source: Path, by: str | None, out: Path | None, humans: Path | None, as_json: bool
) -> None:
    """Estimate and print; a CSV of every group where `by` is given."""
    from homines.estimation.fitting import spell_infinities  # with it comes scipy
    from homines.reports.estimate_console import print_effects

    if (by is None) != (out is None):
        raise HominesError(
            "--by names the groups and --out the CSV they are written to; give both, or neither"
        )
    if out is not None:
        check_place(source, out)
    people = None if humans is None else countries(humans, [e.label for e in EFFECTS])
    start = time.monotonic()
    tally = amce_of_file(source, by)
    overall = tally.overall
    used = tally.rows - sum(tally.skipped.values())
    if not used:
        reasons = "; ".join(f"{why}: {n}" for why, n in tally.skipped.items())
        raise HominesError(f"no row of {source} can be used ({reasons or 'it has none under its head'})")
    apart = {name: distance_to(overall, other) for name, other in DILEMMAS.items()}
    by_country = ranked(overall, people or {})
    if out is not None:
        write_groups(tally, out)
    if as_json:
        fields = {
            "source": str(source),
            "rows": tally.rows,
            "used": used,
            "skipped": tally.skipped,
            "cluster": tally.key and tally.key.name,
            "effects": [as_row(overall, i) for i in range(len(ALL))],
            "distances": apart,
            "countries": by_country,
            "groups": len(tally.names) if by else None,
            "out": None if out is None else str(out),
            "seconds": round(time.monotonic() - start, 3),
        }
        print(json.dumps(spell_infinities(fields)))
        return
    print_effects([as_row(overall, i) for i in range(len(ALL))], str(source))
    if tally.key:
        print(f"errors {tally.key.told}")
    print(f"rows      {used} used, {tally.rows - used} skipped")
    for why, n in tally.skipped.items():
        print(f"          {n}  {clean(why)}")
    near = "  ".join(f"{name} {x:.3f}" for name, x in apart.items() if not math.isnan(x))
    print(f"distance  {near or 'none: an effect has no estimate'}")
    if by_country:
        names = [f"{clean(name)} {x:.3f}" for name, x in by_country.items()]
        print(f"nearest   {', '.join(names[:NEAR])}; farthest {', '.join(names[-NEAR:])}")
    if out is not None:
        print(f"groups    {len(tally.names)} by {by}, in {out}")


def as_row(amce: Amce, i: int) -> dict[str, Any]:
    """One effect, in plain numbers; nan where there is no estimate."""
    low, high = amce.interval()[i]
    return {
        "effect": ALL[i].name,
        "estimate": float(amce.values[i]),
        "se": float(amce.se[i]),
        "low": float(low),
        "high": float(high),
        "rows": int(amce.rows[i]),
        "clusters": int(amce.clusters[i]),
    }


def ranked(amce: Amce, people: Mapping[str, Country]) -> dict[str, float]:
    """Distance to each country, the nearest first; empty where an effect has no estimate."""
    apart = {name: distance(amce.nine, c.values) for name, c in people.items()}
    known = {name: x for name, x in apart.items() if not math.isnan(x)}
    return dict(sorted(known.items(), key=lambda item: item[1]))


def check_place(source: Path, out: Path) -> None:
    """Raise HominesError where the groups cannot be written there, before anything is read."""
    if out.resolve() == source.resolve():
        raise HominesError(f"--out {out} is the response file itself; name another file")
    if out.is_dir() or not out.parent.is_dir():
        raise HominesError(f"cannot write {out}: it is a folder, or lies in none; name a file in a folder")


def write_groups(tally: AmceTally, out: Path) -> None:
    """A row an effect and group, in the columns that `--humans` reads and three more, whole or not at all."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([*COUNTRIES, "low", "high", "rows"])
    for name, amce in tally.groups.items():
        if not name:
            continue  # rows that name no group are counted in the whole alone
        for i, e in enumerate(ALL):
            row = as_row(amce, i)
            if not math.isnan(row["se"]):
                values = (row["estimate"], row["se"], e.label, name, row["low"], row["high"], row["rows"])
                writer.writerow(map(cell, values))
    path = out.resolve()  # what the user names may be a link
    try:
        write_whole(path.parent, path.name, file.getvalue())
    except OSError as failure:
        raise HominesError(f"cannot write {out}: {failure.strerror or failure}") from failure

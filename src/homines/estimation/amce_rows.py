"""Rows of moral dilemmas, of a response file or of a model's choices, as sums by scenario for their effects.

Rows are those of the Moral Machine's files (SharedResponses.csv), or of a model's answers; either is read by
polars, in parts that fit in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from homines.core.spreadsheet import check_not_packed
from homines.core.types import Array, HominesError, Integers
from homines.estimation.amce import ALL, ATTRIBUTES, EFFECTS, NUMBER, Amce, Sums, effects, probability
from homines.estimation.amce_clusters import SCENARIO, ClusterKey, cluster_keys
from homines.estimation.tidy_csv import library
from homines.games.dilemma import DIMENSIONS, Dilemma

if TYPE_CHECKING:
    import polars as pl

REQUIRED_COLUMNS = (
    "Intervention", "PedPed", "Barrier", "CrossingSignal", "AttributeLevel", "ScenarioType",
    "DiffNumberOFCharacters", "Saved",
)  # fmt: skip
LEVELS = {ATTRIBUTES[d.type]: {d.minus: 0, d.plus: 1} for d in DIMENSIONS.values()}
DIGITS = {f"{n}{zeros}": n for n in range(5) for zeros in ("", ".0")}
PLAIN = "Random"
"""The ScenarioType of groups drawn at random: they enter the first three effects."""
BYTES_AT_ONCE = 2**30
"""Bytes of a file whose scenarios are in memory at once."""
MOST_REASONS = 20
GROUP, NAMED, CLUSTER = "group of the row", "whether the row names its scenario", "cluster of the row"


class Kind(NamedTuple):
    """The effects that a row enters: its weight, and codes (2 effect + plus, or None) of inaction, of
    relation or law, of its attribute, and of the difference in numbers."""

    w: float
    whole: int
    road: int | None
    attribute: int | None
    more: int | None


CODES = Kind._fields[1:]


@dataclass(frozen=True, eq=False)
class AmceTally:
    """Sums by group, the number of rows read, and the numbers of rows left out by reason."""

    sums: Sums
    names: tuple[str, ...]
    rows: int
    skipped: Mapping[str, int]
    key: ClusterKey | None = None
    """How the rows of a file are clustered."""

    @property
    def overall(self) -> Amce:
        return effects(self.sums.of(slice(None)))

    @property
    def groups(self) -> dict[str, Amce]:
        """By group, in alphabetical order."""
        return {
            name: effects(self.sums.of(i))
            for name, i in sorted(zip(self.names, range(len(self.names)), strict=True))
        }


def amce_of_choices(chosen: Iterable[tuple[Dilemma, float]]) -> Amce:
    """Effects of choices: scenarios and P(stay). Scenarios that exchange groups are one cluster."""
    rows = [
        {**row, "Saved": saved}
        for d, stays in chosen
        for row, saved in zip(d.outcomes(), (1 - stays, stays), strict=True)
    ]
    pl = library()
    frame = pl.DataFrame(rows, infer_schema_length=None).cast(pl.String).lazy()
    return tally(frame, SCENARIO).overall


def amce_of_file(path: str | Path, by: str | None = None) -> AmceTally:
    """Sums of a response file, a group for each value of `by`; the first of `cluster_keys` that groups rows.

    Raises HominesError where it is no CSV that can be read, or a column is missing.
    """
    path, pl = Path(path), library()
    try:
        check_not_packed(path)
        with open(path, "rb") as file:
            start = file.read(2)
        if start in (b"\xff\xfe", b"\xfe\xff"):
            raise HominesError(f"{path} is UTF-16; save it as UTF-8")
        frame = pl.scan_csv(path, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True)
        heads = frame.collect_schema().names()
        _check(path, heads, by)
        parts = max(1, -(-path.stat().st_size // BYTES_AT_ONCE))
        for key in cluster_keys(heads):
            rows = frame if key.ids is None else frame.with_columns(key.ids.alias(CLUSTER))
            found = tally(rows, None if key.ids is None else CLUSTER, by, parts=parts)
            used, clusters = (int(x[:, 0].sum()) for x in (found.sums.rows, found.sums.clusters))
            if not used or key.fits(used, clusters):
                return replace(found, key=key)
        raise AssertionError("a row is its own cluster where nothing else fits")
    except OSError as failure:
        raise HominesError(f"cannot read {path}: {failure.strerror or failure}") from failure
    except pl.exceptions.PolarsError as failure:
        reason = str(failure).partition("\n")[0]
        raise HominesError(
            f"{path} is no CSV that can be read ({reason}); give rows under a head"
        ) from failure


def _check(path: Path, heads: Sequence[str], by: str | None) -> None:
    wanted = [*REQUIRED_COLUMNS, *([by] if by else [])]
    if missing := [name for name in wanted if name not in heads]:
        raise HominesError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; its head is "
            f"{', '.join(heads)[:300]}. Name the columns as in the Moral Machine's SharedResponses.csv"
        )


def tally(frame: pl.LazyFrame, scenario: str | None, by: str | None = None, *, parts: int = 1) -> AmceTally:
    """Sums of rows of text with the REQUIRED_COLUMNS.

    scenario   column that names a row's scenario; None: every row is its own cluster
    by         column of groups; None: one group
    parts      number of passes over the rows; each holds its part of the scenarios in memory
    """
    pl = library()
    frame = frame.with_columns(pl.col(by).fill_null("").str.strip_chars().alias(GROUP)) if by else frame
    columns = [*REQUIRED_COLUMNS[:-1], *([GROUP] if by else [])]
    named = pl.lit(value=True) if scenario is None else _has_text(scenario)
    rows, skipped, kinds = _kinds(frame.with_columns(named.alias(NAMED)), columns)
    group_names = [(cells[len(REQUIRED_COLUMNS) - 1] or "") if by else "" for cells, _ in kinds]
    groups = tuple(dict.fromkeys(group_names))
    at = np.array([groups.index(name) for name in group_names], dtype=np.int64)
    table = pl.DataFrame(
        [cells for cells, _ in kinds], schema=dict.fromkeys(columns, pl.String), orient="row"
    )
    usable = (
        (frame if scenario else frame.with_row_index("row"))
        .filter(_saved_share().is_between(0, 1) & named)
        .select(*columns, cluster=pl.col(scenario).hash() if scenario else pl.col("row"), y=_saved_share())
        .join(table.with_row_index("kind").lazy(), on=columns, nulls_equal=True)
        .select("cluster", "kind", "y")
    )
    total = Sums.none(len(groups))
    for part in range(parts):
        batch = usable.filter(pl.col("cluster") % parts == part).collect(engine="streaming")
        arrays: Any = [batch[name].to_numpy() for name in ("cluster", "kind", "y")]
        total = total.plus(sum_rows([kind for _, kind in kinds], at, *arrays, groups=len(groups)))
    return AmceTally(total, groups, rows, skipped)


def sum_rows(
    kinds: Sequence[Kind], at: Integers, cluster: Integers, kind: Integers, y: Array, *, groups: int
) -> Sums:
    """Sums of rows: their cluster, kind and whether they were saved, [row]; `at`: the group of a kind."""
    size = groups * len(ALL)
    total = Sums.none(groups)
    first, second, rows_, clusters = (x.reshape(size, *x.shape[2:]) for x in total)
    weights = np.array([k.w for k in kinds])
    for code in CODES:
        codes = np.array([-1 if (c := getattr(k, code)) is None else c for k in kinds], dtype=np.int64)
        rows = np.flatnonzero(codes[kind] >= 0)
        if not len(rows):
            continue
        cell = (at * len(ALL) + codes // 2)[kind[rows]]
        order = np.lexsort((cell, cluster[rows]))
        rows, cell = rows[order], cell[order]
        scenario = cluster[rows]
        start = np.flatnonzero(np.r_[True, (cell[1:] != cell[:-1]) | (scenario[1:] != scenario[:-1])])
        plus, w = codes[kind[rows]] % 2, weights[kind[rows]]
        v = [np.add.reduceat(x, start) for side in (plus, 1 - plus) for x in (side * w * y[rows], side * w)]
        rows_ += np.bincount(cell, minlength=size)
        cell = cell[start]
        clusters += np.bincount(cell, minlength=size)
        for a in range(4):
            first[:, a] += np.bincount(cell, v[a], minlength=size)
            for b in range(4):
                second[:, a, b] += np.bincount(cell, v[a] * v[b], minlength=size)
    return total


def _has_text(column: str) -> pl.Expr:
    return library().col(column).str.strip_chars().fill_null("") != ""


def _saved_share() -> pl.Expr:
    pl = library()
    return pl.col("Saved").str.strip_chars().cast(pl.Float64, strict=False)


def _kinds(
    frame: pl.LazyFrame, columns: Sequence[str]
) -> tuple[int, dict[str, int], list[tuple[tuple[str | None, ...], Kind]]]:
    """(number of rows, numbers left out by reason, [(cells in these columns, Kind)] of the rest)."""
    pl = library()
    wrong = (
        pl.when(~pl.col(NAMED))
        .then(pl.lit(f"{SCENARIO} is empty"))
        .when(~_has_text("Saved"))
        .then(pl.lit("Saved is empty"))
        .when(~_saved_share().is_between(0, 1).fill_null(False))
        .then(pl.lit("Saved is no number from 0 to 1"))
    )
    counts = frame.group_by(*columns, wrong=wrong).agg(n=pl.len()).collect(engine="streaming")
    rows, skipped, kinds = 0, dict[str, int](), list[tuple[tuple[str | None, ...], Kind]]()
    for *cells, why, n in counts.sort(pl.all()).iter_rows():
        kind = (
            kind_of(*((cell or "").strip() for cell in cells[: len(REQUIRED_COLUMNS) - 1]))
            if why is None
            else why
        )
        rows += n
        if isinstance(kind, str):
            skipped[kind] = skipped.get(kind, 0) + n
        else:
            kinds.append((tuple(cells), kind))
    ranked = sorted(skipped.items(), key=lambda item: (-item[1], item[0]))
    if rest := ranked[MOST_REASONS:]:
        ranked = [*ranked[:MOST_REASONS], (f"{len(rest)} other reasons", sum(n for _, n in rest))]
    return rows, dict(ranked), kinds


def kind_of(
    intervention: str, pedestrians: str, barrier: str, signal: str, level: str, kind: str, more: str
) -> Kind | str:
    """The effects of a row from its cells; a text with the reason where it enters none.

    >>> kind_of("1", "1", "0", "2", "Female", "Gender", "0").attribute == 2 * 3 + 1
    True
    >>> kind_of("1", "1", "0", "2", "Ducks", "Gender", "0")
    "unknown AttributeLevel 'Ducks' of ScenarioType Gender"
    """
    i, p, b, c = (DIGITS.get(cell, 3) for cell in (intervention, pedestrians, barrier, signal))
    for name, digit in zip(REQUIRED_COLUMNS, (i, p, b), strict=False):
        if digit > 1:
            return f"{name} is not 0 or 1"
    if c > 2:
        return "CrossingSignal is not 0, 1 or 2"
    if p and b:
        return "passengers (Barrier 1) where PedPed says there are none"
    if kind not in ATTRIBUTES and kind != PLAIN:
        return f"unknown ScenarioType {kind[:40]!r}"
    effect = ATTRIBUTES.get(kind)
    plus = effect and LEVELS[effect].get(level)
    if effect and plus is None:
        return f"unknown AttributeLevel {level[:40]!r} of ScenarioType {kind}"
    by = DIGITS.get(more, 0)
    if effect == NUMBER and not by:
        return "DiffNumberOFCharacters of Utilitarian is not 1 to 4"
    road = 2 + (not b) if not c and not p else 4 + (c == 1) if c and p else None
    return Kind(
        1 / probability(i, b, p, c),
        i,
        road,
        2 * effect + plus if effect and plus is not None else None,
        2 * (len(EFFECTS) - 1 + by) + plus if effect == NUMBER and plus is not None else None,
    )

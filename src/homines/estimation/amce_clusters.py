"""Clusters of a response file's rows: the ids by which its answers depend on each other.

    people: all rows of a user (UserID)          a model: both rows of a scenario (ResponseID)

Some files of models give every row an id of its own (res_0_1 and res_0_2 are the groups of scenario res_0).
Clustering by it would cluster nothing: the errors of effects that compare the two groups of a scenario, such
as "lawful", would be too small by the root of two. There the last number of the id is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from homines.estimation.tidy_csv import library

if TYPE_CHECKING:
    import polars as pl

SCENARIO, USER = "ResponseID", "UserID"
LAST_NUMBER = r"_\d+$"


class ClusterKey(NamedTuple):
    """One way to cluster rows.

    name   what a cluster is: user, scenario, row
    ids    the id of a row's cluster, empty where the row has none; None: every row is its own
    most   rows of a cluster, at most, on average; told   what stands beside the errors
    """

    name: str
    ids: pl.Expr | None
    most: float
    told: str

    def fits(self, rows: int, clusters: int) -> bool:
        """Whether these ids group rows: some come twice, and not all rows have one id."""
        return self.ids is None or (clusters < rows <= self.most * clusters and (clusters > 1 or rows <= 2))


def cluster_keys(heads: Sequence[str]) -> Iterator[ClusterKey]:
    """The ways to cluster the rows of a file with these columns, the first to be taken first."""
    pl = library()
    texts = {name: pl.col(name).str.strip_chars().fill_null("") for name in (USER, SCENARIO) if name in heads}
    if SCENARIO in texts:
        scenario = texts[SCENARIO]
        if USER in texts:
            user = texts[USER]
            either = pl.when(user != "").then(pl.lit("user ") + user).otherwise(scenario)
            yield ClusterKey("user", either, float("inf"), f"clustered by user ({USER})")
        yield ClusterKey("scenario", scenario, float("inf"), f"clustered by scenario ({SCENARIO})")
        without = scenario.str.replace(LAST_NUMBER, "")
        told = f"clustered by scenario ({SCENARIO} without its last number: every row has an id of its own)"
        yield ClusterKey("scenario", without, 2.0, told)
    why = f"no {SCENARIO} is on two rows" if SCENARIO in heads else f"there is no {SCENARIO}"
    told = f"by row, and may be too small: {why}, so both rows of a scenario count as independent"
    yield ClusterKey("row", None, 1.0, told)

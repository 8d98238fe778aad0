"""The table of docs/checks.md: python docs/checks.py (a minute). Known numbers, and what this package gives.

Rows that need public data that is not shipped (../shared/data) are left out where it is not there.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from homines.core.registry import find
from homines.core.types import frozen
from homines.elicitation.metrics import moral_regret
from homines.estimation.fit import fit
from homines.estimation.mixture import mixture
from homines.estimation.observations_csv import read_csv
from homines.games.spd import spd
from homines.opponents.always_cooperate import AlwaysCooperate
from homines.opponents.always_defect import AlwaysDefect
from homines.preferences.deontological import Deontological
from homines.preferences.utilitarian import Utilitarian
from homines.theory.game_forms import veil
from homines.theory.market import Market

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
C, D = 0, 1


class Check(NamedTuple):
    """One number known from elsewhere, and ours."""

    source: str
    what: str
    known: str
    ours: str


def prices() -> Iterator[Check]:
    """Calvano et al. (2020): the market every pricing study here stands in."""
    for firms, nash, cartel in ((2, 1.4729267, 1.9249809), (3, 1.3701627, 2.0), (4, 1.3314607, 2.0544112)):
        market = Market((2.0,) * firms, (1.0,) * firms)
        for name, known, found in (("Nash", nash, market.nash()), ("cartel", cartel, market.monopoly())):
            what = f"{name} price, {firms} firms"
            yield Check("market of Calvano et al. 2020", what, f"{known:.7f}", f"{found[0]:.7f}")


def unequal() -> Iterator[Check]:
    """Calvano et al. (2020), table 4: the market of a firm of cost 1 and one that has a lower cost."""
    for cost, known in ((0.875, 0.545), (0.75, 0.588), (0.625, 0.627), (0.5, 0.662), (0.25, 0.722)):
        market = Market(cost=(1.0, cost))
        sold = market.shares(market.nash())
        what = f"Nash market share of firm 2, costs 1 and {cost:g}"
        yield Check("Calvano et al. 2020, table 4", what, f"{known:.3f}", f"{sold[1] / sold.sum():.3f}")


def regrets() -> Iterator[Check]:
    """Tennant et al. (2025): moral regret of two fixed policies, the other playing as published."""
    printed = {"ipd": (0.263, 0.097), "ish": (0.399, 0.207), "icn": (0.264, 0.038), "bos": (0.191, 0.264)}
    policies = {"always defects": AlwaysDefect(), "always cooperates": AlwaysCooperate()}
    for game, known in printed.items():
        for (name, policy), number in zip(policies.items(), known, strict=True):
            seats = [find("games", game).seat(0, ((D, D),))] * 50
            moves = [C] * 21 + [D] * 29
            met = [
                replace(d, others=(frozen(np.eye(2)[move]),)) for d, move in zip(seats, moves, strict=True)
            ]
            found = moral_regret(
                Utilitarian(), list(zip(met, policy(met), strict=True)), illegal=-6, published=True
            )
            what = f"utilitarian regret, {game}, {name}"
            yield Check("Tennant et al. 2025", what, f"{number:.3f}", f"{found.share:.3f}")
    seats = [find("games", "ipd").seat(0, ((D, move),)) for move in [C] * 23 + [D] * 27]
    pairs = list(zip(seats, AlwaysDefect()(seats), strict=True))
    duty = moral_regret(Deontological(penalty=4), pairs, published=True)
    yield Check("Tennant et al. 2025", "deontological regret (xi = 4), ipd", "1.84", f"{duty.regret:.2f}")


def plans() -> Iterator[Check]:
    """van Leeuwen & Alger (2024), derived: what homo moralis plays in a sequential prisoner's dilemma."""
    decision = veil(spd(3)).seat()
    chance = decision.chance
    assert chance is not None
    names = veil(spd(3)).names
    for kappa, known in ((0.0, "DDD"), (0.25, "DCC DDC"), (0.5, "CCC CCD DDC"), (1.0, "CCC CCD")):
        u = find("preferences", f"moralis(kappa={kappa})")(decision) @ chance
        found = sorted(name for i, name in enumerate(names) if u[i, i] >= u[:, i].max() - 1e-9)
        what = f"equilibria of spd(3), kappa {kappa:g}"
        yield Check("games of van Leeuwen & Alger 2024", what, known, " ".join(found))


def people() -> Iterator[Check]:
    """Bruhin, Fehr & Schunk (2019), session 1: 18,720 choices of 160 people."""
    file, dropped = DATA / "bfs2019_session1.csv", DATA / "bfs2019_dropped_subjects.csv"
    if not file.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tidy.csv"
        _tidy(file, set(dropped.read_text().split()), path)
        choices = read_csv(path)
    e = fit(choices, "bfs")
    known = {"alpha": 0.083, "beta": 0.261, "gamma": 0.072, "delta": -0.042, "precision": 0.016}
    for name, number in known.items():
        yield Check("Bruhin et al. 2019, table 1", name, f"{number:.3f}", f"{e[name]:.3f}")
    yield Check("Bruhin et al. 2019, table 1", "ln L", "-5472.31", f"{e.loglik:.2f}")
    m = mixture(choices, "bfs", 3)
    for share, number in zip(m.shares, (0.474, 0.405, 0.121), strict=True):
        yield Check("Bruhin et al. 2019, replicated", "share of a type", f"{number:.3f}", f"{share:.3f}")


def _tidy(file: Path, dropped: set[str], out: Path) -> None:
    """The published file as the tidy CSV that `homines fit` reads: a row an option."""
    with open(file, newline="") as there, open(out, "w", newline="") as here:
        rows = csv.writer(here)
        rows.writerow(["subject", "game", "decision", "option", "own", "other", "chosen", "kindness"])
        for row in csv.DictReader(there):
            if row["sid"] not in dropped:
                kind, x = int(row["q"]) - int(row["v"]), int(row["choice_x"])
                for option, chosen in (("x", x), ("y", 1 - x)):
                    paid = row[f"self_{option}"], row[f"other_{option}"]
                    rows.writerow([row["sid"], row["gid"], row["gid"], option, *paid, chosen, kind])


def main() -> None:
    print("| source | what | known | ours |\n|---|---|---|---|")
    for part in (prices, unequal, regrets, plans, people):
        for check in part():
            print(f"| {' | '.join(check)} |")


if __name__ == "__main__":
    main()

"""What one person's battery of 42 questions can tell: sittings simulated with a known preference.

    python bench/sitting.py [--sittings 40]

Each sitting draws a plan in each of the 18 games from the logit choice of the same agent, and is estimated
as `homines play battery` does. Writes bench/sitting.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from homines.core.registry import find
from homines.core.types import Choice, HominesError
from homines.elicitation.survey import PROTOCOLS
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.theory.choice import LogitAgent
from homines.theory.game_forms import veil

HERE = Path(__file__).parent
TRUE = {"alpha": 0.1, "beta": 0.3, "kappa": 0.3}
PRECISION = 0.25


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sittings", type=int, default=40)
    many = parser.parse_args().sittings
    written = ", ".join(f"{name}={value}" for name, value in TRUE.items())
    agent = LogitAgent(find("preferences", f"kantian({written})"), PRECISION)
    seats = {spec: veil(find("games", spec)).seat() for spec in PROTOCOLS}
    odds = dict(zip(seats, agent(list(seats.values())), strict=True))
    rng = np.random.default_rng(0)
    values, errors, covered = [], [], []
    for _ in range(many):
        seen = [
            Observation(
                d,
                Choice.at(np.eye(len(d.actions))[rng.choice(len(d.actions), p=odds[spec].p)], n=1),
                "",
                spec,
            )
            for spec, d in seats.items()
        ]
        try:
            e = fit(seen, "kantian")
        except HominesError:
            continue
        values.append([e[name] for name in TRUE])
        errors.append([e.se[e.names.index(name)] for name in TRUE])
        ends = [e.intervals[e.names.index(name)] for name in TRUE]
        covered.append([low <= x <= high for (low, high), x in zip(ends, TRUE.values(), strict=True)])
    out = {"sittings": many, "estimated": len(values), "precision": PRECISION, "true": TRUE}
    for name, column in (("median estimate", values), ("median se", errors)):
        out[name] = dict(zip(TRUE, np.round(np.median(column, axis=0), 2).tolist(), strict=True))
    out["covered"] = dict(zip(TRUE, np.round(np.mean(covered, axis=0), 2).tolist(), strict=True))
    print(json.dumps(out, indent=1))
    (HERE / "sitting.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""The numbers of docs/dilemmas.md: python docs/dilemmas.py (some seconds).

What policies score that look at nothing, or count heads alone, in balanced scenarios and in the order of the
public generator; and what `fit` says of them.
"""

from __future__ import annotations

from homines.core.types import Choice
from homines.estimation.amce import EFFECTS, distance_to, effects_of
from homines.estimation.amce_nulls import NULLS, nulls, stay_over_both_orders
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.problem import NotIdentified
from homines.estimation.published import DILEMMAS
from homines.games.dilemma import DIMENSIONS, dilemma

PEOPLE = DILEMMAS["all people"]
SCENARIOS = [dilemma(kind, draw) for kind in DIMENSIONS for draw in range(400)]
SHORT = ("inac", "ped", "law", "fem", "fit", "stat", "young", "more", "human")


def main() -> None:
    print(f"{'':<50}" + "".join(f"{name:>7}" for name in SHORT) + "  distance")
    print(f"{'all people':<50}" + "".join(f"{x:7.3f}" for x in PEOPLE.values))
    for (name, design), found in nulls(SCENARIOS).items():
        told = "".join(f"{x + 0.0:7.3f}" for x in found.values[effects_of(PEOPLE)].round(3))
        print(f"{name + ', ' + design:<50}{told}{distance_to(found, PEOPLE):10.3f}")
    for name in ("coin", "headcount"):
        choices = [(d, Choice.at([p := stay_over_both_orders(NULLS[name], d), 1 - p])) for d in SCENARIOS]
        data = [Observation(d.due(())[0], c, name, f"{d.kind} {d.draw // 2}") for d, c in choices]
        try:
            fit(data, "lives")
        except NotIdentified as why:
            print(f"{name}: {str(why).partition('. ')[0].partition(' along')[0]}")
    assert len(SHORT) == len(EFFECTS)


if __name__ == "__main__":
    main()

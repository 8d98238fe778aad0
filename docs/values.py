"""The figure and the numbers of docs/values.md on an agent that is known: python docs/values.py (a minute).

Its utility of an outcome is that of its kind, plus .35 ln of its number where it holds one, plus a number of
its own; a pair adds noise, and the option that is shown first .3 in log-odds.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import homines as hm
from homines.core.format import number
from homines.core.types import Choice, Prompt, digest
from homines.elicitation.outcome_file import built_in
from homines.loaded import Loaded
from homines.models.mock import Mock

HERE = Path(__file__).parent
KINDS = dict(zip(built_in().kinds, (0.0, 1.0, 0.5, 1.5, -0.5), strict=True))
SLOPE, OWN, NOISE, PLACE = 0.35, 0.3, 0.4, 0.3
OUTCOMES = {o.text: o for o in built_in().outcomes}


def draw(*words: str) -> float:
    """A standard normal number that words decide."""
    return float(np.random.default_rng(int(digest(words), 16)).normal())


def utility(text: str) -> float:
    """What the agent holds an outcome for."""
    o = OUTCOMES[text]
    by_number = 0.0 if o.amount is None else SLOPE * float(np.log(o.amount)) - 1.5
    return KINDS[o.kind] + by_number + OWN * draw(text)


def choose(prompt: Prompt) -> Choice:
    """The logit of utilities, with noise a pair and a liking for the first place."""
    options = dict(re.findall(r"^(\w)\. (.*)$", prompt.text, re.MULTILINE))
    first, (low, high) = next(iter(options)), sorted(options.values())
    pair = {low: NOISE * draw(low, high), high: 0.0}
    z = [utility(options[x]) + pair[options[x]] + PLACE * (x == first) for x in prompt.labels]
    return Choice.of(z)


def main() -> None:
    with TemporaryDirectory() as folder:
        run = hm.values(Loaded(Mock(choose), "mock"), out=Path(folder, "run"), progress=False)
        run.report()
        shutil.copy(run.folder / "figures" / "scale.svg", HERE / "values_scale.svg")
        print("\n".join(run.verdict), "\n")
        for name in ("kinds", "fit", "transitivity", "slopes", "rates"):
            for row in run.table(name):
                print(name, {key: number(x) if isinstance(x, float) else x for key, x in row.items()})
        found = np.array([row["utility"] for row in run.table()])
        true = np.array([utility(row["outcome"]) for row in run.table()])
        print("correlation with the true utilities", number(float(np.corrcoef(found, true)[0, 1]), 3))


if __name__ == "__main__":
    main()

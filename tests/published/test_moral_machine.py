"""Country means of the Moral Machine, from the public table of countries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from homines.estimation.amce import EFFECTS
from homines.estimation.published import DILEMMAS, countries, mean_of

TABLE = Path(__file__).parents[3] / "shared" / "data" / "moral_machine_country_amce.csv"


def test_means_of_countries_and_the_usa_are_as_published() -> None:
    if not TABLE.exists():
        pytest.skip(f"{TABLE} is not here; it is public data that the package does not ship")
    people = countries(TABLE, [e.label for e in EFFECTS])
    np.testing.assert_allclose(mean_of(people), DILEMMAS["mean of countries"].values, atol=1e-3)
    np.testing.assert_allclose(people["USA"].values, DILEMMAS["USA"].values, atol=6e-4)

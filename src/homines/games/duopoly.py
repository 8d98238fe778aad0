"""Two firms' profits as a plain table of payoffs, without the words of a market."""

from __future__ import annotations

import numpy as np

from homines.core.checks import count, number
from homines.core.types import Array, HominesError, frozen
from homines.games.pricing import draw_demand, shop
from homines.theory.game_forms import NormalForm
from homines.theory.market import Market
from homines.theory.stakes import check_stake

NAMES = ("K", "L", "M", "N")


def duopoly(
    points: int = 2, *, quality: float = 2, mu: float = 0.25, size: float = 100, xi: float = 0
) -> NormalForm:
    """Static price competition under logit demand (`homines.theory.market`), told as a table of payoffs.

    points   prices of each firm, 2 to 4, named K, L, M, N from the lowest: equally spaced on
             [pN - xi (pM - pN), pM + xi (pM - pN)], pN the price of the Nash equilibrium, pM of the cartel
    size     customers. Profits are rounded to whole points: a larger size rounds less

    Homo economicus answers what the other may charge; homo moralis at kappa = 1 takes the price that pays
    both most, which is that of the cartel.

    >>> duopoly().table[0].tolist()  # mine, [my price, the other's]
    [[22.0, 37.0], [12.0, 34.0]]
    """
    count("points", points, 2, len(NAMES))
    number("xi", xi, 0)
    table = whole_profits(shop(quality=quality, mu=mu, size=size), points, xi)
    if not distinct(table[0]):
        raise HominesError(
            f"size {size:g} makes two of {points} prices pay the same in whole points; use a larger size, or "
            "fewer points"
        )
    return NormalForm((NAMES[:points],) * 2, frozen(table), symmetric=True)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """Another demand, with profits of 0 to `most` of which the highest is half of it or more."""
    check_stake("duopoly", most, 6)
    xi = float(rng.choice((0, 0.1, 0.2)))
    points, quality, mu, size = draw_demand(rng, most, (2, 3, 4), xi)
    profits = whole_profits(shop(quality=quality, mu=mu, size=size), points, xi)[0]
    if profits.min() < 0 or not distinct(profits):
        return draw(rng, most)
    return f"duopoly(points={points}, quality={quality}, mu={mu}, size={size}, xi={xi})"


def whole_profits(market: Market, points: int, xi: float) -> Array:
    """Profits in whole points [firm, price_0, price_1]."""
    return np.round(market.table(market.menus(points, xi))[:2]) + 0.0


def distinct(profits: Array) -> bool:
    """Whether no two prices pay the same, whatever the other charges."""
    return len({tuple(row) for row in profits.tolist()}) == len(profits)

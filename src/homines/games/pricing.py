"""Repeated price competition."""

from __future__ import annotations

import numpy as np

from homines.core.checks import count, number
from homines.core.types import HominesError, frozen
from homines.theory.game_forms import NormalForm, Repeated
from homines.theory.market import Market
from homines.theory.stakes import check_stake

MOST_ENTRIES = 1_000_000
MOST_FIRMS, MOST_POINTS = 20, 1000
"""More of either make a table of more than MOST_ENTRIES."""
QUALITIES, MUS = (1.4, 1.6, 1.8, 2.2, 2.4, 2.6, 2.8, 3.0), (0.15, 0.2, 0.3, 0.35, 0.4, 0.5)
"""Demand of drawn markets, none of it that of the default."""


def pricing(
    firms: int = 2,
    *,
    points: int = 15,
    xi: float = 0.1,
    costs: tuple[float, ...] = (),
    quality: float = 2,
    mu: float = 0.25,
    size: float = 100,
    scale: float = 1,
    customers: bool = False,
) -> Repeated:
    """Firms set prices again and again under logit demand (`homines.theory.market`).

    points, xi   a menu of prices for each firm, equally spaced on [pN - xi (pM - pN), pM + xi (pM - pN)], pN
                 its price in the Nash equilibrium and pM in the cartel, written to the cent (of `scale`); the
                 prices are what is written
    costs        of a unit, for each firm; left out: 1 each. Firms of unequal costs have unequal menus
    size         customers; profits are in units of price times customers, to two digits for a hundred
    customers    whether they have a seat after the firms', paid their surplus: `utilitarian` then counts them
    Calvano, Calzolari, Denicolo & Pastorello (2020), AER 110: 3267, but for the cents and the size (1).

    >>> pricing(points=3).stage.actions[0]
    ('1.43', '1.70', '1.97')
    """
    market = shop(firms, costs=costs, quality=quality, mu=mu, size=size, scale=scale)
    names = menu_names(market, points, xi)
    if (entries := (firms + 1) * points**firms) > MOST_ENTRIES:
        raise HominesError(
            f"{firms} firms with {points} prices make a table of {entries} payoffs, more than "
            f"{MOST_ENTRIES}; use fewer firms or points"
        )
    fine = max(0, round(4 - np.log10(market.size * market.scale)))
    table = np.round(market.table([[float(price) for price in menu] for menu in names]), fine)
    paid = frozen(table if customers else table[:firms])
    many = "{other} sells" if firms == 2 else f"{firms - 1} others sell"
    rules = tuple(
        f"You sell a good that costs you {scale * cost:.10g} a unit to make, and {many} a similar good. "
        "Every period all name a price at the same time, without seeing the others'. The lower a price, the "
        "more is sold at it; the others' lower prices draw customers away. You earn your price less your "
        "cost, times what you sell."
        for cost in market.cost
    )
    return Repeated(NormalForm(names, paid, symmetric=market.symmetric, rules=rules))


def shop(
    firms: int = 2,
    *,
    costs: tuple[float, ...] = (),
    quality: float = 2,
    mu: float = 0.25,
    size: float = 100,
    scale: float = 1,
) -> Market:
    """The market that a game of `pricing` is made of."""
    count("firms", firms, 2, MOST_FIRMS)
    return Market((quality,) * firms, tuple(costs) or (1.0,) * firms, mu=mu, size=size, scale=scale)


def menu_names(market: Market, points: int = 15, xi: float = 0.1) -> tuple[tuple[str, ...], ...]:
    """The prices of every firm's menu as text, to the cent of the unit of price."""
    count("points", points, 2, MOST_POINTS)
    number("xi", xi, 0)
    digits = max(0, 2 - round(np.log10(market.scale)))
    menus = market.menus(points, xi)
    if menus.min() < 0:
        raise HominesError(
            f"the menu begins at a price of {menus.min():.2f}, and must be above 0; use a smaller xi"
        )
    names = tuple(tuple(f"{price:.{digits}f}" for price in menu) for menu in menus)
    for menu in names:
        if len(set(menu)) < len(menu):
            raise HominesError(
                f"{points} prices between {menu[0]} and {menu[-1]} are not all different; use fewer"
            )
    return names


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A duopoly of other demand with a menu of 3 to 6 prices or 11; the highest profit is half of `most` or
    more. Profits are to the digits of `pricing`, not whole."""
    check_stake("pricing", most, 2)
    points, quality, mu, size = draw_demand(rng, most, (3, 4, 5, 6, 11), 0.1)
    return f"pricing(points={points}, quality={quality}, mu={mu}, size={size})"


def draw_demand(
    rng: np.random.Generator, most: int, points: tuple[int, ...], xi: float
) -> tuple[int, float, float, float]:
    """(points, quality, mu, size) of two equal firms, whose highest profit is between most / 2 and most."""
    many, quality, mu = int(rng.choice(points)), float(rng.choice(QUALITIES)), float(rng.choice(MUS))
    market = shop(quality=quality, mu=mu, size=1)
    highest = float(market.table(market.menus(many, xi))[0].max())
    size = most * float(rng.uniform(0.5, 1)) / highest
    return many, quality, mu, float(f"{size:.3g}") if size < 1000 else float(round(size))

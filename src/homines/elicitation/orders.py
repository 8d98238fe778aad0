"""Option orders: a balanced set in which every question is asked; the answers are averaged."""

from __future__ import annotations

from itertools import permutations, product

from homines.core.types import HominesError, Order

MOST_PERMUTED = 3


def orders(actions: int, places: int) -> tuple[Order, ...]:
    """A balanced set of option orders, for a frame that lists the options at `places` places.

    Up to three actions: every permutation at the first place; up to eight: the Latin square of
    rotations, forward and backward (each action stands at each position equally often); more (menus
    of numbers, whose order has a meaning): forward and backward. Two actions: every combination over
    the places. More: the later places repeat the first place's order, which keeps the set small.

    >>> orders(2, 1)
    (((0, 1),), ((1, 0),))
    >>> len(orders(2, 2)), len(orders(3, 1)), len(orders(8, 1)), len(orders(101, 1))
    (4, 6, 16, 2)
    """
    forward = tuple(range(actions))
    if actions <= MOST_PERMUTED:
        arrangements = tuple(permutations(forward))
    else:
        arrangements = (forward, forward[::-1])
        if actions <= 8:
            arrangements = tuple(row[i:] + row[:i] for row in arrangements for i in range(actions))
    if actions == 2:
        return tuple(product(arrangements, repeat=places))
    return tuple((row,) * places for row in arrangements)


def few_orders(actions: int, places: int, most: int, turn: int) -> tuple[Order, ...]:
    """At most `most` of the balanced orders, in turn, for questions too many to ask in all orders.

    most   1: one order, another at each turn; as many turns as there are orders show every order once (a
           Latin square). 2: an order and its reverse; each action stands first once at each place

    >>> few_orders(2, 2, 2, turn=0)
    (((0, 1), (0, 1)), ((1, 0), (1, 0)))
    """
    balanced = orders(actions, places)
    if most >= len(balanced):
        return balanced
    if most == 1:
        return (balanced[turn % len(balanced)],)
    if most == 2:
        one = balanced[turn % len(balanced)]
        return tuple(sorted((one, tuple(row[::-1] for row in one))))
    raise HominesError(f"{most} orders of {len(balanced)} cannot be balanced; ask 1, 2 or all")

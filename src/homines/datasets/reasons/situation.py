"""What others may yet do, said before all else: which gains are certain and which are not.

One wording alone: a small model that goes straight to the steps takes a gain that depends on others for a
certain one, and where each wording of the rest has its own for this, it learns them one by one
(docs/preferences_taught.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.core.types import Decision, Order
from homines.elicitation.scene import Names, either

SURE = "Nobody decides after me."
PICKS = "The other{s} may pick {theirs}."
REPLIES = "The other may reply {theirs}{after}."
ENDS = " after {open}, nothing after {closed}"


def tell_situation(d: Decision, labels: Sequence[str]) -> str:
    """Who may yet do what; '' for lives, and where several others may do different things."""
    names = Names.of(d, labels if tuple(labels) != d.actions else ())
    if d.does or len({tuple(each) for each in names.theirs}) > 1:
        return ""
    acts = range(len(d.actions))
    closed = [a for a in acts if is_last(d, a)]
    if not names.theirs or (d.reply and len(closed) == len(d.actions)):
        return SURE
    theirs = either(names.theirs[0], range(len(names.theirs[0])))
    if not d.reply:
        return PICKS.format(theirs=theirs, s="s" * (len(names.theirs) > 1))
    opened = either(names.mine, [a for a in acts if a not in closed])
    after = ENDS.format(open=opened, closed=either(names.mine, closed)) if closed else ""
    return REPLIES.format(theirs=theirs, after=after)


def order_lines(d: Decision, order: Order) -> Order:
    """The order in which reasons take the options: as they are shown, but those that the other replies to
    before those that end the game, as the situation names them. In the order shown, whichever comes first,
    a small model takes the reply for one to the first option (docs/decisions.md)."""
    if not d.reply:
        return order
    first, *rest = order
    return (tuple(sorted(first, key=lambda a: is_last(d, a))), *rest)


def is_last(d: Decision, a: int) -> bool:
    """Whether everybody's gains after this act are the same whatever the others do."""
    return not np.ptp(d.payoffs[:, a].reshape(len(d.payoffs), -1), axis=1).any()

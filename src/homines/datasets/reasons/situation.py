"""What others may yet do, said before all else: which gains are certain and which are not.

One wording alone: a small model that goes straight to the steps takes a gain that depends on others for a
certain one, and where each wording of the rest has its own for this, it learns them one by one
(docs/preferences_taught.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.core.types import Decision
from homines.elicitation.scene import Names, either

SURE = "Nobody decides after me."
PICKS = "The other{s} may pick {theirs}."
REPLIES = "The other may reply {replies}."
AFTER = " after "


def tell_situation(d: Decision, labels: Sequence[str], order: Sequence[int]) -> str:
    """Who may yet do what; '' for lives, and where several others may do different things. What follows the
    first option shown comes first, as in the lines after it: where it came second, a small model took the
    reply for one to the first option (docs/decisions.md).

    order   my actions as they are shown
    """
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
    if not closed:
        return REPLIES.format(replies=theirs)
    opened = [a for a in acts if a not in closed]
    parts = [f"{theirs}{AFTER}{either(names.mine, opened)}", f"nothing{AFTER}{either(names.mine, closed)}"]
    return REPLIES.format(replies=", ".join(parts if order[0] in opened else parts[::-1]))


def is_last(d: Decision, a: int) -> bool:
    """Whether everybody's gains after this act are the same whatever the others do."""
    return not np.ptp(d.payoffs[:, a].reshape(len(d.payoffs), -1), axis=1).any()

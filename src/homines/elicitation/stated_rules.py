"""Whether a decision is told by its rule, in place of its outcomes."""

from __future__ import annotations

import numpy as np

from homines.core.types import Decision

MOST_LISTED = 24
"""Outcomes above which a frame states a decision's rule, where it has one, in place of its outcomes."""


def states_rule(d: Decision) -> bool:
    """Whether frames state a decision's rule in place of its outcomes. Among a crowd they list its payoffs by
    count, as a rule."""
    if d.crowd:
        return True
    many = int(np.prod(d.payoffs.shape[1:])) > MOST_LISTED
    return bool(d.rule) and (many or bool(d.does) or _bystanders(d) or tells_situation(d))


def _bystanders(d: Decision) -> bool:
    """Whether the decision pays somebody who does not choose: the rule does not mention them."""
    return bool(d.theirs) and len(d.payoffs) > 1 + len(d.theirs)


def tells_situation(d: Decision) -> bool:
    """Whether the rule tells all of a decision that I take alone, and names nobody."""
    return bool(d.rule) and not d.theirs and "{other}" not in d.rule

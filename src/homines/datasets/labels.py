"""Words for the actions of a row: sets of labels by number, and the named set `many`."""

from __future__ import annotations

from collections.abc import Sequence

from homines.core.types import Decision, HominesError
from homines.elicitation.scene import split_labels

MANY = (
    "A,B", "X,Y", "K,M", "1,2", "red,blue", "action1,action2", "circle,square", "blim,dast",
    "A,B,C", "1,2,3", "red,blue,green", "action1,action2,action3", "blim,dast,vorn",
    "A,B,C,D", "1,2,3,4", "red,blue,green,white", "action1,action2,action3,action4",
)  # fmt: skip
"""Letters, numbers, colours, numbered words, shapes, words without a meaning. `P,Q` and `left,right` are none
of them: rewordings ask in these what was never trained."""


def label_sets(words: Sequence[str]) -> list[tuple[str, ...]]:
    """The sets of labels that a recipe names; 'many' stands for those of MANY.

    >>> label_sets(["P,Q"]), len(label_sets(["many"]))
    ([('P', 'Q')], 17)
    """
    return [split_labels(one) for text in words for one in (MANY if text == "many" else (text,))]


def fitting_labels(d: Decision, words: Sequence[str]) -> list[tuple[str, ...]]:
    """The sets of labels that can name a decision's actions, of those a recipe names; () is the actions' own
    names.

    A rule in words speaks of amounts, so amounts keep their names. A set that names another's action is left
    out. Where none is left, and for three and more actions where the recipe has no set of that number, those
    of MANY are taken, else the actions' own names. Raises HominesError where the recipe has no pair for two
    actions.
    """
    n, sets = len(d.actions), label_sets(words)
    if d.rule and not d.does and all(name.replace(".", "", 1).isdigit() for name in d.actions):
        return [()]
    if n == 2 and not any(len(labels) == n for labels in sets):
        raise HominesError(
            f"no labels of {', '.join(words)} are {n}, as many as the actions {', '.join(d.actions)}; give "
            "as many (--labels)"
        )
    taken = {word for named in (*d.theirs, *d.names) if named != d.actions for word in named}
    for among in (sets, label_sets(["many"])):
        if fitting := [labels for labels in among if len(labels) == n and not taken & set(labels)]:
            return fitting
    return [()]

"""The Python interface of valuations: `hm.values`, as the command."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homines.core.options import fields_among, option, with_options
from homines.core.progress import QUIET
from homines.inference.processes import quiet
from homines.loaded import LOADING, Loaded, loading_of
from homines.reports.console import Bars
from homines.results import ValuesResult
from homines.valuations.plan import ValuesPlan


@dataclass(frozen=True, kw_only=True)
class ValuingOptions:
    """How a valuation is carried out from Python."""

    progress: bool = option(True, "Bars on standard error.")


@with_options(ValuesPlan, ValuingOptions, without=("model", "outcomes", "kind", "labels", "ask", *LOADING))
def values(
    model: str | Loaded,
    outcomes: str | Path | None = None,
    *,
    kind: str | Sequence[str] = (),
    pairs: str | int = "few",
    labels: str | Sequence[str] = ("A,B", "X,Y"),
    ask: str | Sequence[str] = "outcomes",
    out: str | Path | None = None,
    **options: Any,
) -> ValuesResult:
    """Ask a model choices between outcomes in words, as `homines values` does.

    outcomes   a file, CSV or JSON lines; None: 80 outcomes of this package, of five kinds
    kind       kinds of outcomes to ask; none named: all
    pairs      "few": three an outcome, chosen as answers come; "all"; or a number
    ask        outcomes, budgets, lotteries, delays: one or several
    out        run folder; None: one in runs/. What is answered there is not asked again
    budgets    a file of budgets; None: divisions between yourself and a stranger
    progress   bars on standard error (default)
    The page is `.report()`. Raises HominesError, which names the line, for a file that is none, before a
    model is loaded.
    """
    from homines.valuations.asking import value

    loaded = model if isinstance(model, Loaded) else None
    spec = loaded.spec if loaded else str(model)
    plan = ValuesPlan(
        model=spec,
        outcomes=None if outcomes is None else Path(outcomes),
        kind=_several(kind),
        pairs=str(pairs),
        labels=_several(labels),
        ask=_several(ask),
        **loading_of([loaded] if loaded else []),
        **{name: x for name, x in options.items() if name != "progress"},
    )
    plan.check()
    given = "" if outcomes is None else f", {str(outcomes)!r}"
    command = f"homines.values({spec!r}{given}, pairs={plan.pairs!r})"
    quiet()
    shown = ValuingOptions(**fields_among(ValuingOptions, options)).progress
    with Bars() if shown else nullcontext() as bars:
        follow = QUIET if bars is None else bars.follow()
        folder = plan.folder if out is None else Path(out)
        models_of = {} if loaded is None else {spec: loaded.model}
        found = value(plan, folder, loaded=models_of, command=command, follow=follow)
    return ValuesResult(found, command)


def _several(words: str | Sequence[str]) -> tuple[str, ...]:
    """One or several words, as a tuple."""
    return (words,) if isinstance(words, str) else tuple(words)

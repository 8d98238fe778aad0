"""Command line of `homines measure MODEL --until`; the work is in design/adaptive.py."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from homines.cli.options import Output
from homines.core.types import HominesError
from homines.design.adaptive import AdaptivePlan, Outcome, inquire
from homines.design.stopping import Standing
from homines.elicitation.asking import spent
from homines.estimation.fit import Estimate, fit
from homines.estimation.fitting import estimate_row, spell_infinities
from homines.models import load
from homines.reports.console import Bars, command, stopping
from homines.reports.estimate_console import print_estimate
from homines.reports.run_page import write


def measure_until(plan: AdaptivePlan, output: Output, *, batch: int | None, trust_remote_code: bool) -> int:
    """Ask, print the estimate or why there is none, and how far it is from what was wanted; the number of
    questions that failed."""
    survey = plan.survey
    inquiry = plan.begin()  # a mistyped family or kind costs no loading
    model = load(survey.model, device=survey.device, dtype=survey.dtype, trust_remote_code=trust_remote_code)
    if output.dry_run:
        each = len(plan.questions(model, inquiry, 0))
        few, most = each * plan.options.least, min(plan.options.max_questions, each * len(inquiry.pool))
        counts = {"questions": [few, most], "each_game": each, "games_drawn": len(inquiry.pool)}
        text = f"{few:,} to {most:,} questions, {each} a game, of {len(inquiry.pool):,} games drawn"
        print(json.dumps(counts) if output.as_json else text)
        return 0
    folder = output.out or plan.folder
    with plan.run(folder, command()) as run, Bars() as bars, stopping() as stop:
        tell = bars.begin("games", plan.options.least)

        def watch(now: Standing) -> None:
            tell(min(now.games, plan.options.least))

        outcome = inquire(model, plan, run, batch=batch, watch=watch, stop=stop)
        used = spent(run) or None
    print_outcome(outcome, folder, used, as_json=output.as_json)
    return sum(r.error is not None for r in outcome.records)


def print_outcome(outcome: Outcome, folder: Path, used: Any, *, as_json: bool) -> None:
    """The estimate as `homines fit` has it, what was wanted and how it ended."""
    page, spec = write(folder), outcome.inquiry.family.spec
    estimate, refused = estimate_of(outcome)
    if as_json:
        row = {"folder": str(folder), "report": str(page), "questions": len(outcome.records), **outcome.row()}
        row |= {"estimate": estimate and estimate_row(estimate), "refused": refused or None, "calls": used}
        print(json.dumps(spell_infinities(row)))
        return
    for line in lines(outcome):
        print(line)
    if estimate is not None:
        print_estimate(estimate)
    else:
        print(f"no estimate: {refused}")
    if used:
        from homines.inference.api_budget import sentence

        print(f"calls     {sentence(used)}")
    print(f"report    {page}\nnext      {shlex.join(['homines', 'fit', str(folder), '--family', spec])}")


def estimate_of(outcome: Outcome) -> tuple[Estimate | None, str]:
    """The ordinary estimate from all answers; None and why where there is none."""
    try:
        return fit(outcome.observations, outcome.inquiry.family), ""
    except HominesError as why:
        return None, str(why)


def lines(outcome: Outcome) -> list[str]:
    """What was wanted, how far the answers came, and what the end means."""
    s = outcome.standing
    out = [
        f"{s.sentence}, {len(outcome.records)} questions",
        f"ended because {outcome.why}",
    ]
    if s.value is None and len(outcome.observations) < outcome.inquiry.least:
        out.append(f"it has no value: {s.why}")
    elif not s.reached and s.games_needed:
        out.append(
            f"about {s.games_needed:,} games would reach it, if it falls with the root of their number"
        )
    if outcome.exact:
        out.append(
            "answers are exact: nothing was drawn, more of them are not more certain, and the error is of "
            "which games were asked"
        )
    else:
        out.append(
            "a stop at an error that was wanted is a stop at a lucky one now and then: docs/next_question.md"
        )
    shares = ", ".join(f"{spec} {share:.2f}" for spec, share in outcome.inquiry.weights.items())
    return [*out, f"families as the prior has them, after these answers: {shares}"]

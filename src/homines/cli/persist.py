"""Command line of `homines persist`; the work is in training/persistence.py."""

from __future__ import annotations

import json
import sys

from homines.cli.measure import BudgetOptions, count_questions, describe_counts, limit
from homines.cli.options import Output
from homines.inference.processes import quiet
from homines.training.persistence_plan import PersistencePlan


def persist(plan: PersistencePlan, budget: BudgetOptions, output: Output) -> None:
    """Ask the same questions plainly and under every condition, and print what each changes."""
    from rich.console import Console
    from rich.text import Text

    from homines.elicitation.conditions import PLAIN
    from homines.models import load
    from homines.reports.console import Bars, command, stopping
    from homines.reports.persistence import condition_effects
    from homines.reports.persistence_text import (
        NOTE,
        brief_checks,
        brief_kappas,
        brief_rates,
        headline,
        kappa_reasons,
        rate_name,
        to_json,
    )
    from homines.reports.run_page import write
    from homines.reports.run_view import read
    from homines.reports.tables import Table
    from homines.training.persistence import persist as carry_out

    quiet()
    plan.check()
    limit(budget, [plan.model])
    folder = output.out or plan.folder
    if output.dry_run:
        model = load(plan.model, **plan.placement)
        prompts = [q.prompt for q in plan.questions(model, (PLAIN, *plan.names))]
        totals = count_questions(model, prompts) | ({"rows": plan.tune} if plan.tune else {})
        print(json.dumps(totals) if output.as_json else describe_counts(totals))
        return
    with Bars() as bars, stopping() as stop:
        records = carry_out(plan, folder, command=command(), follow=bars.follow(stop))
    page, view = write(folder), read(folder)
    failed = sum(r.error is not None for r in records)
    if output.as_json:
        result = {"folder": str(folder), "report": str(page), "questions": len(records), "failed": failed}
        effects, rate = condition_effects(view), rate_name(view)
        print(json.dumps({**result, "headline": headline(effects, rate), "conditions": to_json(view)}))
        sys.exit(1 if failed else 0)
    effects, rate = condition_effects(view), rate_name(view)
    console = Console(soft_wrap=True, highlight=False)
    console.print(Text(headline(effects, rate), style="bold"))
    tables = {rate: brief_rates(effects), "kappa": brief_kappas(effects)}
    tables["checks, each with its figure"] = brief_checks(effects)
    for title, rows in tables.items():
        if rows:
            console.print(Table(rows).console(title, left=("condition", "finding"), wrap=False))
    for text in kappa_reasons(effects):
        console.print(Text(text))
    console.print(Text(NOTE))
    for text in dict.fromkeys(r.error for r in records if r.error):
        console.print(Text(f"failed: {text}"))
    print(f"\nreport    {page}")
    sys.exit(1 if failed else 0)

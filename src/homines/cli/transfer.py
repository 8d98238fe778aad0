"""Command line of `homines transfer`; the work is in transfers/."""

from __future__ import annotations

import json
import sys

from homines.cli.measure import BudgetOptions, count_questions, describe_counts, limit
from homines.cli.options import Output
from homines.inference.processes import quiet
from homines.transfers.plan import TransferPlan


def transfer(plan: TransferPlan, budget: BudgetOptions, output: Output) -> None:
    """Ask several models the same scenarios, and print what the others do otherwise than the first."""
    from rich.console import Console
    from rich.text import Text

    from homines.reports.console import Bars, command, stopping
    from homines.reports.tables import Table
    from homines.transfers.asking import plan_questions
    from homines.transfers.asking import transfer as carry_out
    from homines.transfers.page import brief_changes, brief_rates, change_rows, rate_rows, write_transfer
    from homines.transfers.verdict import OF_WHAT, headlines

    quiet()
    plan.check()
    limit(budget, plan.models)
    if output.dry_run:
        totals = {
            name: count_questions(model, [q.prompt for q in asked])
            for name, model, asked in plan_questions(plan)
        }
        for name, counts in totals.items() if not output.as_json else ():
            print(f"{name}: {describe_counts(counts)}")
        if output.as_json:
            print(json.dumps(totals))
        return
    with Bars() as bars, stopping() as stop:
        found = carry_out(plan, output.out or plan.folder, command=command(), follow=bars.follow(stop))
    page = write_transfer(found, command())
    if output.as_json:
        result = {"folder": str(found.folder), "report": str(page), "failed": found.failed}
        result |= {"verdict": headlines(found), "rates": rate_rows(found), "changes": change_rows(found)}
        print(json.dumps(result))
        sys.exit(1 if found.failed else 0)
    console = Console(soft_wrap=True, highlight=False)
    for sentence in headlines(found):
        console.print(Text(sentence, style="bold"))
    tables = {f"probability of {found.scenarios.implied}": brief_rates(found)}
    tables[f"against {found.first.name}"] = brief_changes(found)
    for title, rows in tables.items():
        if rows:
            console.print(Table(rows).console(title, left=("part", "agent", "finding"), wrap=False))
    console.print(Text(OF_WHAT))
    for text in dict.fromkeys(r.error for a in found.agents for r in a.records if r.error):
        console.print(Text(f"failed: {text}"))
    print(f"\nreport    {page}")
    sys.exit(1 if found.failed else 0)

"""Command line of `homines population`; the work is in populations/."""

from __future__ import annotations

import json
import sys

from homines.cli.measure import BudgetOptions, count_questions, describe_counts, limit
from homines.cli.options import Output
from homines.inference.processes import quiet
from homines.populations.plan import PopulationPlan


def population(plan: PopulationPlan, budget: BudgetOptions, output: Output) -> None:
    """Let agents meet in pairs, and print who invades whom and what a population of them earns."""
    from rich.console import Console
    from rich.text import Text

    from homines.populations.asking import plan_questions
    from homines.populations.asking import population as carry_out
    from homines.populations.findings import brief_payoffs, brief_residents
    from homines.populations.page import to_json, write_population
    from homines.populations.verdict import COMPUTED, headlines
    from homines.reports.console import Bars, command, stopping
    from homines.reports.tables import Table

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
        if not totals and not output.as_json:
            print("no model is asked")
        if output.as_json:
            print(json.dumps(totals))
        return
    with Bars() as bars, stopping() as stop:
        found = carry_out(plan, output.out or plan.folder, command=command(), follow=bars.follow(stop))
    page = write_population(found, command())
    code = 1 if found.failed else 0
    if output.as_json:
        about = {"folder": str(found.folder), "report": str(page), "failed": found.failed}
        print(json.dumps(about | to_json(found)))
        sys.exit(code)
    console = Console(soft_wrap=True, highlight=False)
    for sentence in headlines(found):
        console.print(Text(sentence, style="bold"))
    tables = {
        "points a round, row against column": (brief_payoffs(found), ("agent",)),
        "who withstands the others": (brief_residents(found), ("agent", "withstands", "invaded by")),
    }
    for title, (rows, left) in tables.items():
        console.print(Table(rows).console(title, left=left, wrap=False))
    console.print(Text(COMPUTED))
    for text in dict.fromkeys(r.error for m in found.everyone for r in m.records if r.error):
        console.print(Text(f"failed: {text}"))
    print(f"\nreport    {page}")
    sys.exit(code)

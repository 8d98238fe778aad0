"""Command line of `homines values`; the work is in valuations/."""

from __future__ import annotations

import json
import sys

from homines.cli.measure import BudgetOptions, limit, print_counts
from homines.cli.options import Output
from homines.inference.processes import quiet
from homines.valuations.plan import ValuesPlan


def values(plan: ValuesPlan, budget: BudgetOptions, output: Output) -> None:
    """Ask a model choices between outcomes, and print whether they make one scale, and which."""
    from rich.console import Console
    from rich.text import Text

    from homines.models import load
    from homines.reports.console import Bars, command, stopping
    from homines.reports.tables import Table
    from homines.valuations.asking import questions_like, value
    from homines.valuations.page import ValuesReport, brief, write_values

    quiet()
    plan.check()
    limit(budget, [plan.model])
    if output.dry_run:
        model = load(str(plan.model), **plan.placement)
        print_counts(model, [q.prompt for q in questions_like(plan, model)], output.as_json)
        return
    with Bars() as bars, stopping() as stop:
        found = value(plan, output.out or plan.folder, command=command(), follow=bars.follow(stop))
    report = ValuesReport(found)
    page = write_values(report, command())
    code = 1 if found.failed else 0
    if output.as_json:
        about = {"folder": str(found.folder), "report": str(page), "failed": found.failed}
        print(json.dumps(about | report.to_json()))
        sys.exit(code)
    console = Console(soft_wrap=True, highlight=False)
    for sentence in report.headlines:
        console.print(Text(sentence, style="bold"))
    for title, rows in brief(report).items():
        if rows:
            console.print(Table(rows).console(title, left=("outcome", "kind", "of", "in"), wrap=False))
    for text in dict.fromkeys(r.error for r in found.records if r.error):
        console.print(Text(f"failed: {text}"))
    print(f"\nreport    {page}")
    sys.exit(code)

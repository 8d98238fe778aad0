"""Command line of `homines certify`; the work is in certificates/."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from homines.certificates.plan import CertificatePlan
from homines.cli.atlas import print_plan
from homines.cli.measure import BudgetOptions, limit
from homines.cli.options import Output
from homines.inference.processes import quiet

if TYPE_CHECKING:
    from homines.certificates.comparison import Comparison
    from homines.certificates.issue import Issue

CHANGED = 3
"""Exit code where a value changed against the certificate."""


def certify(plan: CertificatePlan, budget: BudgetOptions, output: Output) -> None:
    """Write a model's certificate and its page; with --against compare it with an earlier one (exit code 3:
    changed)."""
    from homines.atlases.collection import plan as count_questions
    from homines.certificates.page import write_page
    from homines.certificates.recertification import certify_plan, read_earlier
    from homines.certificates.sections import SECTIONS
    from homines.models import load
    from homines.reports.console import Bars, command, stopping

    quiet()
    plan.check()
    limit(budget, [plan.model])
    plan, earlier = read_earlier(plan)
    folder = output.out or plan.folder
    if output.dry_run:
        model = load(plan.model, **plan.placement)
        print_plan(dict(count_questions(plan.row(folder), SECTIONS, model)), output.as_json)
        return
    with Bars() as bars, stopping() as stop:
        issue, comparison = certify_plan(plan, folder, earlier, command=command(), follow=bars.follow(stop))
    page = write_page(issue, comparison, command())
    if output.as_json:
        facts = {key: x for key, x in issue.certificate.facts.items() if key != "records"}
        result = {"folder": str(folder), "report": str(page), "failed": issue.certificate.failed}
        print(json.dumps({**result, **facts, "comparison": comparison and comparison.to_json()}))
    else:
        print_issue(issue, comparison)
        print(f"\ncertificate {issue.folder / 'certificate.json'}\nreport      {page}")
    if comparison is not None and comparison.changed:
        sys.exit(CHANGED)
    sys.exit(1 if issue.certificate.failed else 0)


def print_issue(issue: Issue, comparison: Comparison | None) -> None:
    """The comparison, the verdict, every value, the cost."""
    from rich.console import Console
    from rich.text import Text

    from homines.certificates.page import STAND_IN, change_lines, value_lines
    from homines.core.catalogue import remarks
    from homines.core.format import count
    from homines.reports.tables import Table

    console, c = Console(soft_wrap=True, highlight=False), issue.certificate
    if comparison is not None:
        console.print(Text(comparison.headline, style="bold"))
        if rows := change_lines(comparison):
            print(Table(rows).text())
    console.print(Text(f"{c.model}: {c.headline}", style="bold"))
    for text in (*([STAND_IN] if c.kind == "mock" else []), *remarks([c.model])):
        console.print(Text(text))
    for line in value_lines(c):
        console.print(Text(f"{line['value']:<34}{line['']}"))
    used = [f"{x:,.10g} {name}" for name, x in c.facts["cost"].items() if x is not None]
    console.print(Text(f"cost: {', '.join(used)}"))
    for name, part in c.facts["asked"].items():
        if "error" in part or part["failed"]:
            console.print(
                Text(f"{name}: {part.get('error') or count(part['failed'], 'question') + ' failed'}")
            )

"""`homines measure`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Model, Prompt, Record
from homines.elicitation.asking import spent
from homines.elicitation.metrics import choices, group_by, instability, summary
from homines.inference.impossible import counts, sentences
from homines.models import behind
from homines.reports.console import print_measurement


def finish(model: str, folder: Path, records: list[Record], as_json: bool) -> None:
    """Report a measurement and print it; exits like `carry_out`."""
    from homines.reports.run_page import write

    page = write(folder)
    failed = sum(r.error is not None for r in records)
    chosen = choices(records)
    believed = len(records) - len(chosen)
    if as_json:
        games = group_by(chosen, "game")
        result = {
            "folder": str(folder),
            "report": str(page),
            "questions": len(records),
            "failed": failed,
            "rows": summary(records),
            "instability": {name: instability(group) for (name,), group in games.items()},
            "calls": spent(RunFolder(folder)) or None,
            "impossible": counts(records),
        }
        print(json.dumps(result))
    else:
        print_measurement(chosen)
        if believed:
            print(f"and {believed} answers on what another would do, for `homines fit`")
        if used := spent(RunFolder(folder)):
            from homines.inference.api_budget import sentence

            print(f"\ncalls     {sentence(used)}")
        for told in sentences(counts(records)):
            print(f"\n{told}")
        print(f"\nreport    {page}")
        following = (
            f"fit {folder} --family inequity"
            if believed or behind(model)
            else f"align {shlex.quote(model)} --to game_deontological"
        )
        print(f"next      homines {following}")
    sys.exit(1 if failed else 0)


def limit(max_tokens: int | None, max_cost: float | None, price: str | None, named: Sequence[str]) -> None:
    """Set the budget of this command. Raises HominesError where none of these models is behind an API."""
    if max_tokens is None and max_cost is None and price is None:
        return
    from homines.inference.api_budget import METER, Budget, Price

    if not any(map(behind, named)):
        raise HominesError(
            "--max-tokens, --max-cost and --price bear on models behind an API alone, not on "
            f"{', '.join(named)}; drop them"
        )
    METER.budget = Budget(max_tokens, max_cost, Price.read(price) if price else None)


def reckoned(model: Model, prompts: Sequence[Prompt], as_json: bool) -> None:
    """Print what a measurement would ask: questions, and tokens where they can be counted; of a model
    behind an API calls, tokens and dollars, from and to."""
    counted: dict[str, Any] = {"questions": len(prompts)}
    if (reckon := getattr(model, "reckon", None)) is not None:
        counted |= reckon(prompts)
    else:
        tokens = getattr(model, "tokens", None)
        counted["tokens"] = None if tokens is None else tokens(prompts)
    if as_json:
        print(json.dumps(counted))
        return
    words = {"input": "tokens in", "output": "tokens out"}

    def told(value: Any) -> str:
        if not isinstance(value, tuple):
            return f"{value}"
        return " to ".join(f"{x:.2f}" if isinstance(x, float) else f"{x:,}" for x in value)

    print(
        ", ".join(
            f"{told(value)} {words.get(name, name)}" for name, value in counted.items() if value is not None
        )
    )

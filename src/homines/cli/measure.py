"""Command line of `homines measure`; the work is in elicitation/asking.py."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from homines.cli.options import Output
from homines.core.capabilities import CountsTokens, EstimatesCost
from homines.core.options import BENCHMARK, TRUST_REMOTE_CODE, option
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Model, Prompt, Record
from homines.design.options import DesignOptions
from homines.elicitation import asking
from homines.elicitation.answers_in_words import answers_in_words, none_legal, remedies
from homines.elicitation.benchmark import NOTE, note_benchmarks, read_benchmarks
from homines.elicitation.benchmark import questions as own_questions
from homines.elicitation.metrics import choices, group_by, instability, summary
from homines.elicitation.promises import promise_rows
from homines.elicitation.questions import Question
from homines.elicitation.survey import Survey
from homines.elicitation.treatments import untreated
from homines.inference.impossible import counts, sentences
from homines.inference.processes import quiet
from homines.models import behind, load


@dataclass(frozen=True)
class BudgetOptions:
    """What a command may use of models behind an API."""

    max_tokens: int | None = option(
        None, "Of a model behind an API, in and out, by this command; then it stops."
    )
    max_cost: float | None = option(None, "Dollars, the same; needs --price.")
    price: str | None = option(None, "IN,OUT: dollars for a million tokens of an API, as 2.5,10.")


@dataclass(frozen=True)
class CarryingOut:
    """How the questions of a survey are asked."""

    trust_remote_code: bool = option(False, TRUST_REMOTE_CODE)
    batch: int | None = option(
        None, "Prompts between two writes; default: 32 of a local model. Of an API each is written.", low=1
    )


def measure(
    survey: Survey,
    budget: BudgetOptions,
    design: DesignOptions,
    output: Output,
    how: CarryingOut,
    benchmark: Annotated[list[str] | None, typer.Option(help=BENCHMARK)] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Also print a prompt of each wording with its likeliest answers.")
    ] = False,
) -> None:
    """Ask the questions of a survey that its run folder does not hold, and print what the answers show."""
    if design.until is not None:
        if benchmark or show:
            raise HominesError("--until asks games drawn and nothing else; leave out --benchmark and --show")
        carry_out_until(survey, design, budget, output, how)
    from homines.reports.console import Bars, command, stopping  # with it comes rich

    quiet()
    survey.words()  # a mistyped one costs no loading
    benchmarks = read_benchmarks(benchmark or ())
    limit(budget, [survey.model])
    model = load(
        survey.model, device=survey.device, dtype=survey.dtype, trust_remote_code=how.trust_remote_code
    )
    questions = survey.questions(model)
    folder = output.out or survey.folder
    if output.dry_run:
        own = [q for each in benchmarks for pair in own_questions(model, each) for q in pair]
        print_counts(model, [q.prompt for q in (*questions, *own)], output.as_json)
        if show:
            print_prompts(folder, questions)
        return
    with survey.run(folder, command()) as run, Bars() as bars, stopping() as stop:
        tell = bars.begin("measuring", len(questions))
        records = asking.measure(
            model, questions, run, batch=how.batch, progress=lambda done, _: tell(done), stop=stop
        )
        note_benchmarks(model, run, benchmark or (), bars.follow(stop))
    if show:
        print_prompts(folder, questions)
    finish(survey, folder, records, how.trust_remote_code, output.as_json)


def carry_out_until(
    survey: Survey, design: DesignOptions, budget: BudgetOptions, output: Output, how: CarryingOut
) -> NoReturn:
    """Ask the next best question until what is wanted is reached; exits with 1 where some failed, else 0."""
    quiet()
    from homines.cli.until import measure_until  # with it comes scipy
    from homines.design.adaptive import AdaptivePlan

    plan = AdaptivePlan(survey, design)
    limit(budget, [survey.model])
    failed = measure_until(plan, output, batch=how.batch, trust_remote_code=how.trust_remote_code)
    sys.exit(1 if failed else 0)


def print_prompts(folder: Path, questions: Sequence[Question]) -> None:
    """Print one prompt of each wording, verbatim, and the likeliest of the answers that the run folder has;
    on standard error, where --json leaves it alone."""
    from homines.reports.asked import text_of, wordings

    known = RunFolder(folder).done if (folder / "config.json").exists() else {}
    prompts = {q.prompt.key: q.prompt for q in questions}
    records = [known.get(q.record.key, q.record) for q in questions]
    for wording in wordings(records, lambda _: prompts):
        print(f"\n{text_of(wording)}", file=sys.stderr)


def finish(
    survey: Survey, folder: Path, records: list[Record], trust_remote_code: bool, as_json: bool
) -> None:
    """Report a measurement and print it; exits with 1 where some questions failed, else with 0."""
    from homines.estimation.decomposition import decompositions
    from homines.reports.asked import additions, effect_rows
    from homines.reports.console import print_benchmarks, print_measurement, print_verdicts
    from homines.reports.decomposition_text import tidy
    from homines.reports.promises_text import lines
    from homines.reports.run_page import write
    from homines.reports.suggestions import next_command
    from homines.reports.verdict_text import verdict_json

    page = write(folder)
    failed = sum(r.error is not None for r in records)
    chosen = choices(records)
    plain = untreated(chosen)
    believed = len(records) - len(chosen)
    if as_json:
        games = group_by(plain, "game")
        result = {
            "folder": str(folder),
            "report": str(page),
            "questions": len(records),
            "failed": failed,
            "verdicts": verdict_json(folder),
            "rows": summary(records),
            "instability": {name: instability(group) for (name,), group in games.items()},
            "treatments": effect_rows(chosen),
            "benchmarks": RunFolder(folder).noted(NOTE) or {},
            "promises": promise_rows(plain),
            "decomposition": tidy(decompositions(plain)),
            "calls": asking.spent(RunFolder(folder)) or None,
            "impossible": counts(records),
            "words": asdict(words) if (words := answers_in_words(records)) else None,
            "remedies": remedies(chosen) if none_legal(chosen) else [],
        }
        print(json.dumps(result))
    else:
        print_verdicts(folder)
        print_measurement(plain)
        for text in additions(plain):
            print(text)
        for text in lines(plain):
            print(text)
        print_treatments(chosen)
        if survey.decompose:
            print_decompositions(plain)
        print_benchmarks(RunFolder(folder).noted(NOTE) or {})
        if believed:
            print(f"and {believed} answers on what another would do, for `homines fit`")
        if used := asking.spent(RunFolder(folder)):
            from homines.inference.api_budget import sentence

            print(f"\ncalls     {sentence(used)}")
        for text in sentences(counts(records)):
            print(f"\n{text}")
        print(f"\nreport    {page}")
        if command := next_command(survey, folder, records, trust_remote_code=trust_remote_code):
            print(f"next      {command}")
    sys.exit(1 if failed else 0)


def print_treatments(records: Sequence[Record]) -> None:
    """Print what a stated goal and an answer begun move; nothing where no question was asked in both ways."""
    from homines.reports.asked import effect_line, effect_rows

    if rows := effect_rows(records):
        print("\nthe same questions without → with; rates are given a legal answer")
    for row in rows:
        print(effect_line(row))


def print_decompositions(records: Sequence[Record]) -> None:
    """Print what moves the choices, a table of shares a model, frame and pair of acts."""
    from homines.estimation.decomposition import decompositions
    from homines.reports.decomposition_text import cautions, headline, share_rows
    from homines.reports.tables import Table

    for d in decompositions(records):
        print(f"\nshares of the mean square\n{headline(d)}")
        for text in cautions(d):
            print(text)
        print(Table(share_rows({"": d})).text())


def limit(budget: BudgetOptions, models: Sequence[str]) -> None:
    """Set the budget of this command. Raises HominesError where none of these models is behind an API."""
    if budget == BudgetOptions():
        return
    from homines.inference.api_budget import METER, Budget, Price

    if not any(map(behind, models)):
        raise HominesError(
            "--max-tokens, --max-cost and --price bear on models behind an API alone, not on "
            f"{', '.join(models)}; drop them"
        )
    price = Price.read(budget.price) if budget.price else None
    METER.budget = Budget(budget.max_tokens, budget.max_cost, price)


def print_counts(model: Model, prompts: Sequence[Prompt], as_json: bool) -> None:
    """Print how many questions and tokens a measurement would take; of a model behind an API also calls and
    dollars, from and to."""
    totals = count_questions(model, prompts)
    print(json.dumps(totals) if as_json else describe_counts(totals))


def count_questions(model: Model, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """How many questions and tokens these prompts are; of a model behind an API also calls and dollars, each
    as (from, to)."""
    totals: dict[str, Any] = {"questions": len(prompts)}
    if isinstance(model, EstimatesCost):
        return totals | dict(model.estimate_cost(prompts))
    return totals | {"tokens": model.tokens(prompts) if isinstance(model, CountsTokens) else None}


WORDS = {"questions": "question{}", "tokens": "token{}", "calls": "call{}", "input": "token{} in"}
WORDS |= {"output": "token{} out", "dollars": "dollar{}"}


def describe_counts(totals: Mapping[str, Any]) -> str:
    """'32 questions, 128 to 640 calls, ...'; what is not counted is left out."""

    def spelt(value: Any) -> str:
        if not isinstance(value, tuple):
            return f"{value:,}" if isinstance(value, int) else f"{value}"
        return " to ".join(f"{x:.2f}" if isinstance(x, float) else f"{x:,}" for x in value)

    return ", ".join(
        f"{spelt(value)} {word.format('' if value == 1 else 's')}"
        for name, word in WORDS.items()
        if (value := totals.get(name)) is not None
    )

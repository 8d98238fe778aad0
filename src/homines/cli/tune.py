"""Command line of `homines tune`; the work is in training/lifecycle.py."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Annotated

from homines.cli.options import AsJson, Fields, Out, TrustModules, Values, trusted
from homines.core.progress import Follow
from homines.core.run_folder import RunFolder, default_folder
from homines.elicitation.benchmark import NOTE
from homines.elicitation.survey import Survey
from homines.inference import processes
from homines.inference.reasoning import ReasoningOptions
from homines.training.settings import SupervisedSettings, TuningPlan, without_benchmark

CHECKS_AND_PLACEMENT = "rewordings side_effects benchmark device dtype trust_remote_code"


def tune(
    plan: Annotated[Values, Fields(TuningPlan, "model data")],
    settings: SupervisedSettings,
    reasoning: Annotated[Values, Fields(Survey, "traces temperature think")],
    further: Annotated[Values, Fields(TuningPlan, CHECKS_AND_PLACEMENT)],
    out: Out = None,
    trust_modules: TrustModules = False,
    as_json: AsJson = False,
) -> None:
    """Carry out a tuning in its run folder."""
    processes.quiet()
    data = trusted(plan["data"], trust_modules)
    aloud = ReasoningOptions(reasoning["traces"], reasoning["temperature"], reasoning["think"], settings.seed)
    tuning = TuningPlan(plan["model"], data, settings, aloud, **further)
    settled = {**without_benchmark(tuning), "data": str(data)}
    folder = out or default_folder(f"tune-{tuning.model}-{data.name}", settled)
    carry_out_tuning(tuning, folder, as_json)


def carry_out_tuning(tuning: TuningPlan, folder: Path, as_json: bool) -> None:
    """Tune on a data folder and print what it changed."""
    from homines.reports.console import (
        Bars,
        command,
        print_benchmarks,
        print_scores,
        print_verdicts,
        stopping,
    )
    from homines.reports.suggestions import loading_options
    from homines.reports.verdict_text import verdict_json
    from homines.training import distributed
    from homines.training.exam import table
    from homines.training.lifecycle import tune
    from homines.training.student import name_after

    distributed.divides_weights()
    if not processes.is_first():
        with stopping() as stop:
            tune(tuning, folder, follow=Follow(stop=stop))
        return
    start = time.monotonic()
    with Bars() as bars, stopping() as stop:
        trained = tune(tuning, folder, command=command(), follow=bars.follow(stop))
    run = RunFolder(folder)
    rows, side = table(run.noted("scores.json") or {}), run.noted("sideeffects.json")
    benchmarks = run.noted(NOTE) or {}
    name = name_after(tuning, trained.folder)
    seconds = round(time.monotonic() - start, 1)
    if as_json:
        out = {"folder": str(folder), "model": name, "verdicts": verdict_json(folder), "scores": rows}
        print(json.dumps({**out, "side_effects": side, "benchmarks": benchmarks, "seconds": seconds}))
        return
    print_verdicts(folder)
    print_scores(rows, str(run.config["preference"]))
    print_benchmarks(benchmarks)
    print(f"result    {trained.folder}")
    print(f"time      {seconds:.0f} s in all, {trained.seconds:.0f} s of it training")
    loading = loading_options(tuning.device, tuning.dtype, tuning.trust_remote_code)
    print(f"next      homines measure {shlex.join([name, *loading])}")

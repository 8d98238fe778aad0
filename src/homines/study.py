"""What studies share: a folder of runs, each trained and measured once, and how the work is followed.

A file of studies/ holds `run(task: Task) -> Path`: it trains and measures what is missing in the task's
folder and writes its report there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homines.align import Begin, Made, Plan, Say, config, name_after, student, train
from homines.core import Model, Record
from homines.measure import Question, measure
from homines.store import Run
from homines.train import check


@dataclass(frozen=True)
class Task:
    """A study's settings, and how its work is followed.

    seeds   one training each
    quick   the short form: everything once, little of each
    """

    model: str
    folder: Path
    seeds: tuple[int, ...]
    quick: bool = False
    device: str | None = None
    dtype: str | None = None
    command: str = ""
    say: Say = lambda text: None
    begin: Begin = lambda what, total: lambda done: None
    on_step: Callable[[dict[str, Any]], None] = lambda row: None
    stop: Callable[[], bool] = lambda: False

    def run(self, name: str, plan: Plan) -> Run:
        """The run folder of one training, held open by the caller."""
        return Run(self.folder / name, config(plan, kind="align", command=self.command))

    def trained(self, name: str, plan: Plan) -> str:
        """Train a plan where that is not done yet; the MODEL string of the result."""
        with self.run(name, plan) as run:
            if noted := run.noted("training.json"):
                return name_after(plan, run.folder / noted["result"])
            self.say(name)
            made, model = Made.of(plan), student(plan, plan.model)
            taught, rival = made.lesson(model, plan), made.rivals(model, plan)
            check(taught, plan.settings, rival)
            done = train(plan, taught, model, run, rival, self.say, self.begin, self.on_step, self.stop)
            return name_after(plan, done.folder)

    def asked(self, run: Run, model: Model, questions: Sequence[Question], what: str) -> list[Record]:
        """Answers to these questions, in the run's folder; only missing ones are asked."""
        tell = self.begin(what, len(questions))
        return measure(model, questions, run, progress=lambda done, _: tell(done), stop=self.stop)

    def clock(self, seconds: float) -> float:
        """Add this call's seconds to those of the calls before; the sum."""
        path = self.folder / "seconds.json"
        before = json.loads(path.read_text())["seconds"] if path.exists() else 0.0
        path.write_text(json.dumps({"seconds": before + seconds}))
        return before + seconds

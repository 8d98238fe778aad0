"""What is lost, doubled or invented by kills, cut files, full disks, changed bytes and faulty replies.

    python bench/faults.py [--kills N] [--truncations N] [--disks N] [--flips N] [--replies N] [--quick]

kills        `homines measure` of a stand-in model, killed (SIGKILL) at random moments until it is whole
truncations  records, curve, config and provenance cut at every byte of their last lines, then gone on with
full disks   the same command under a limit on a file's size, at random bytes; then again without
flips        one bit of a run's records changed
replies      an OpenAI-compatible server on loopback whose true answers are known (faulty.py), wrong in every
             way in turn; then the same run against it in order

lost: questions without an answer at the end; doubled: answered by two lines; invented: recorded with another
answer than the true one. refused: told in one sentence, with nothing recorded. Writes faults.json beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from faulty import KEY, KINDS, Provider, provide, truth

import homines.reports.run_page
from homines.cli.app import main as homines
from homines.core.record_json import record_to_json
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Interrupted, Record
from homines.elicitation.asking import measure
from homines.elicitation.questions import Question, battery, questions
from homines.models import load

HERE = Path(__file__).parent
COMMAND = shlex.split(
    "homines measure mock --batch 1 --no-swap --frame 'bare(memory=4)' --game ipd --game ish"
)
"""1,024 short records, each written by itself."""
MOST_KILLS = 12
"""Kills of one run before it may end."""
LONGEST_LIFE = 3.0
"""Seconds a run that is to be killed lives, at most."""
MOST_WRITTEN = 100_000
"""Bytes of records that it writes before, at most."""
MODEL = "openai-api/faults/truth(read=logprobs, walks=2, retries=0, seconds=1)"
PATIENCE = 60
"""Seconds for an answer that has no fault."""
NEAR = 1e-6
ROWS = 3
"""Last lines of a file that are cut at every byte."""


@dataclass
class Count:
    """A line of the table."""

    tries: int = 0
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    refused: int = 0
    midst: int = 0
    """Kills that left some of the records, and not all."""
    of: Counter[str] = field(default_factory=Counter[str])
    """Inventions by their cause."""

    def add(self, found: tuple[int, int, int], cause: str = "") -> None:
        lost, doubled, invented = found
        self.lost, self.doubled, self.invented = (
            self.lost + lost,
            self.doubled + doubled,
            self.invented + invented,
        )
        if invented:
            self.of[cause] += invented


Answer = tuple[Any, ...]


def answer(record: Record) -> Answer:
    """All that a record says, but for what differs between machines."""
    return tuple(sorted((k, json.dumps(v)) for k, v in record_to_json(record).items() if k != "provenance"))


def compared(folder: Path, true: Mapping[str, Answer]) -> tuple[int, int, int]:
    """(lost, doubled, invented) of a run folder that is whole."""
    there = {record.key: answer(record) for record in RunFolder(folder).records}
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    times = Counter(line["key"] for line in lines if line["error"] is None)
    wrong = sum(there[key] != true.get(key) for key in there)
    return len(true.keys() - there.keys()), sum(n - 1 for n in times.values()), wrong


# --- a process that is killed ---------------------------------------------------------------------


def begun(folder: Path, most_bytes: int | None = None) -> int:
    """The command in a process of its own, by its id. most_bytes: of any file it writes."""
    child = os.fork()
    if child:
        return child
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    if most_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    sys.argv = [*COMMAND, "--out", str(folder)]
    code = 0
    try:
        homines()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        code = 99
    os._exit(code)


def ended(child: int) -> int:
    """The exit status of a process; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def whole(folder: Path) -> dict[str, Answer]:
    """An undisturbed run's answers."""
    if (code := ended(begun(folder))) != 0:
        raise SystemExit(f"the undisturbed run ended with {code}")
    return {record.key: answer(record) for record in RunFolder(folder).records}


def killed(root: Path, many: int, true: Mapping[str, Answer], rng: random.Random) -> Count:
    """Runs that are killed at random moments, and begun again until they are whole."""
    out = Count()
    while out.tries < many:
        folder = root / f"killed-{out.tries}"
        for _ in range(min(MOST_KILLS, many - out.tries)):
            child = begun(folder)
            live(folder, rng)
            os.kill(child, signal.SIGKILL)
            if ended(child) != -signal.SIGKILL:
                break  # it was whole before
            out.tries += 1
            there = lines(folder)
            out.midst += 0 < there < len(true)
            if there >= len(true):
                break  # what is killed from here on is the page
        out.refused += ended(begun(folder)) != 0
        out.add(compared(folder, true))
        shutil.rmtree(folder)
    return out


def live(folder: Path, rng: random.Random) -> None:
    """Let a run live: to a random moment, or until it has written so many bytes."""
    if rng.random() < 0.1:
        time.sleep(rng.uniform(0, LONGEST_LIFE))
        return
    path = folder / "records.jsonl"
    wanted, end = written(path) + rng.randrange(MOST_WRITTEN), time.monotonic() + LONGEST_LIFE
    while written(path) <= wanted and time.monotonic() < end:
        time.sleep(0.0005)


def lines(folder: Path) -> int:
    path = folder / "records.jsonl"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def written(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def filled(root: Path, many: int, true: Mapping[str, Answer], rng: random.Random) -> Count:
    """Runs that find the disk full at a random byte. A full disk must be told of: exit 2, no traceback."""
    out = Count()
    largest = (root / "whole" / "records.jsonl").stat().st_size
    for i in range(many):
        folder = root / f"full-{i}"
        code = ended(begun(folder, rng.randrange(1, largest)))
        out.tries += 1
        out.refused += code == 2
        if code not in (0, 2):
            out.of[f"exit {code}"] += 1
        if ended(begun(folder)) != 0:
            out.lost += len(true)
        else:
            out.add(compared(folder, true))
        shutil.rmtree(folder)
    return out


# --- files that are cut or changed ----------------------------------------------------------------


def asked(model: Any, memory: int = 1) -> list[Question]:
    frames = [find("frames", f"bare(memory={memory})")]
    return questions(model, {"ipd": battery(find("games", "ipd"), memory)}, frames)


def cut(root: Path, many: int, rng: random.Random) -> Count:
    """A run and its curve, cut at each byte of the last lines of every file; then gone on with."""
    model, out = load("mock"), Count()
    wanted, config = asked(model), {"kind": "measure", "model": "mock"}
    rows = [{"step": i, "reward": i / 7, "mass": 0.5} for i in range(1, 9)]
    made = root / "cut"
    with RunFolder(made, config) as run:
        true = {record.key: answer(record) for record in measure(model, wanted, run)}
        for row in rows:
            run.log(row)
    places = list(cuts(made))
    for name, size in rng.sample(places, many) if many < len(places) else places:
        folder = root / "cut-now"
        shutil.copytree(made, folder)
        os.truncate(folder / name, size)
        out.tries += 1
        try:
            with RunFolder(folder, config) as run:
                measure(model, wanted, run)
                kept = run.rows()
                for row in rows[len(kept) :]:
                    run.log(row)
            out.add(compared(folder, true), name)
            out.invented += kept != rows[: len(kept)]
            out.lost += RunFolder(folder).rows() != rows
        except HominesError:  # what was recorded is there: with the small file put back it opens
            out.refused += 1
            shutil.copy(made / name, folder / name)
            out.add(compared(folder, true), name)
        shutil.rmtree(folder)
    return out


def cuts(folder: Path) -> Iterator[tuple[str, int]]:
    """Every byte of the last lines of each file, as (name, size to cut to)."""
    for name in ("records.jsonl", "curve.jsonl", "config.json", "provenance.json"):
        data = (folder / name).read_bytes()
        last = sum(map(len, data.splitlines(keepends=True)[-ROWS:]))
        yield from ((name, size) for size in range(max(0, len(data) - last), len(data)))


def flipped(root: Path, many: int, rng: random.Random) -> Count:
    """One bit of a run's records changed: refused, or without effect; else it is believed."""
    made, out = root / "cut", Count()
    true = {record.key: answer(record) for record in RunFolder(made).records}
    data = (made / "records.jsonl").read_bytes()
    folder = root / "flipped"
    shutil.copytree(made, folder)
    for _ in range(many):
        at, bit = rng.randrange(len(data)), rng.randrange(8)
        (folder / "records.jsonl").write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
        out.tries += 1
        try:
            found = {record.key: answer(record) for record in RunFolder(folder).records}
        except HominesError:
            out.refused += 1
            continue
        wrong = sum(found[key] != true.get(key) for key in found)
        out.add((0, 0, wrong), "a changed bit")
    return out


# --- replies --------------------------------------------------------------------------------------


@contextmanager
def served() -> Iterator[tuple[Provider, Callable[[], Any]]]:
    """The provider, and what connects to it."""
    with provide() as provider:
        os.environ |= {"FAULTS_API_KEY": KEY, "FAULTS_BASE_URL": f"{provider.url}/v1"}
        yield provider, lambda: load(MODEL)


def differs(question: Question, record: Record) -> bool:
    """Whether a recorded answer is not the provider's, allowing for what the record says it does not know."""
    if record.choice is None or record.provenance.get("counted"):
        return False  # what was said was counted, and it was said
    p = truth("\n".join(text for _, text in question.prompt.messages), tuple(sorted(record.labels)))
    wide = NEAR + float(record.provenance.get("truncation") or 0.0)
    told = record.choice.p * record.choice.mass
    return bool(np.any(np.abs(told - [p[label] for label in record.labels]) > wide))


def replied(root: Path, many: int, kinds: Sequence[str]) -> Count:
    """Every fault in turn on all replies of a run but the first; then the same run with none."""
    out = Count()
    with served() as (provider, connect):
        for kind in kinds:
            folder, model = root / "replied", connect()
            wanted = asked(model, 2)[: max(1, many // len(kinds) // 2)]
            provider.fault = kind
            try:
                first = tried(folder, model, wanted)
            finally:
                provider.fault = None
            model.options = replace(model.options, seconds=PATIENCE)  # a slow machine is no fault
            out.refused += sum(r.error is not None for r in first.values())
            again = tried(folder, model, wanted)
            lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
            times = Counter(line["key"] for line in lines if line["error"] is None)
            lost = sum(again[q.record.key].choice is None if q.record.key in again else 1 for q in wanted)
            wrong = sum(
                any(differs(q, held[q.record.key]) for held in (first, again) if q.record.key in held)
                for q in wanted
            )
            out.add((lost, sum(n - 1 for n in times.values()), wrong), kind)
            model.close()
            shutil.rmtree(folder)
        out.tries = provider.faulty.total()
    return out


def tried(folder: Path, model: Any, wanted: list[Question]) -> dict[str, Record]:
    """What a run holds after these questions were put, whatever came of them."""
    with RunFolder(folder, {"kind": "measure", "model": "faults"}) as run:
        with suppress(HominesError, Interrupted):  # told, and the run holds what was answered
            measure(model, wanted, run)
        return dict(run.done)


# --- the table --------------------------------------------------------------------------------------

COLUMNS = ("tries", "lost", "doubled", "invented", "refused")
QUICK = {"kills": 4, "truncations": 60, "disks": 1, "flips": 60, "replies": len(KINDS) * 4}


def counts(given: argparse.Namespace, root: Path) -> dict[str, Count]:
    rng = random.Random(given.seed)
    true = whole(root / "whole")
    out = {"kills": killed(root, given.kills, true, rng), "full disks": filled(root, given.disks, true, rng)}
    out["truncations"] = cut(root, given.truncations, rng)
    out["changed bytes"] = flipped(root, given.flips, rng)
    out["faulty replies"] = replied(
        root, given.replies, KINDS
    )  # last: it starts threads, and forks come before
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, many in {"kills": 220, "truncations": 740, "disks": 20, "flips": 1000, "replies": 1150}.items():
        parser.add_argument(f"--{name}", type=int, default=many)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few of each, in seconds")
    parser.add_argument("--json", action="store_true", help="print JSON, and write no file")
    given = parser.parse_args()
    if given.quick:
        vars(given).update(QUICK)
    root, start = Path(tempfile.mkdtemp(prefix="faults-")), time.monotonic()
    try:
        found = counts(given, root)
    finally:
        shutil.rmtree(root)
    told = {
        name: {column: getattr(count, column) for column in COLUMNS} | {"of": dict(count.of)}
        for name, count in found.items()
    }
    if given.json:
        print(json.dumps(told))
        return
    print(f"{'':16}" + "".join(f"{column:>10}" for column in COLUMNS))
    for name, row in told.items():
        print(f"{name:16}" + "".join(f"{row[column]:>10}" for column in COLUMNS))
    for name, row in told.items():
        for cause, many in row["of"].items():
            print(f"{name}: {many} by {cause}")
    print(f"{found['kills'].midst} kills left some of the records, and not all")
    print(f"{len(KINDS)} kinds of faulty replies; {time.monotonic() - start:.0f} s")
    if not given.quick:
        (HERE / "faults.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()

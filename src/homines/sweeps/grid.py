"""A sweep's file: models x preferences x opponents x seeds, models x games, models x studies, in TOML.

models = ["smollm2"]                        # all of them, whatever is done with them
seeds = [0, 1, 2]
preferences = ["economicus", "moralis(kappa=0.5)"]
opponents = ["tit_for_tat", "random"]
studies = ["moral_machine"]
device = "cpu"                              # as --device and --dtype; default: the best there is

[align]      # what all alignments share: fields of AlignmentPlan and Settings
steps = 24
[measure]    # what every model is asked, untrained: a cell a game
games = ["ipd", "ish"]
frames = ["table", "story"]
labels = ["X,Y"]
[study]      # what all studies share, as `homines study` takes it
quick = true
[worker]     # what a cell takes of a machine
threads = 1
gpus = 0

`module:object` stands for a game, preference, frame or opponent where --trust-modules is given too; a file
may say `allow_modules = true` to tell its reader that it needs that.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, fields
from difflib import get_close_matches
from importlib import import_module
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from homines.core.catalogue import NAMES
from homines.core.plugins import names
from homines.core.registry import TrustedPath, convert
from homines.core.registry import trust_from as known_texts
from homines.core.types import HominesError
from homines.elicitation.survey import Survey
from homines.inference.adapters import is_hub_id
from homines.inference.dtypes import DTYPES, NF4
from homines.models import check_kind, known, trainable
from homines.models.mock import Mock, uniform
from homines.studies import check_more
from homines.sweeps.cell import Cell, StudyCell
from homines.training.plan import Alignment
from homines.training.settings import AlignmentPlan, Settings

Table = Mapping[str, Any]

AXES = ("models", "preferences", "opponents", "seeds", "studies")
ELSEWHERE = ("model", "preference", "opponent", "settings", "device", "dtype", "trust_remote_code")
"""Fields of a plan that are axes, of the whole file, or not for a file to set."""
PLAN: dict[str, Field[Any]] = {f.name: f for f in fields(AlignmentPlan) if f.name not in ELSEWHERE}
SETTINGS: dict[str, Field[Any]] = {
    f.name: f for f in fields(Settings) if f.name not in ("seed", "save_every", "report_to")
}
MOST_CELLS = 100_000
MOST_THREADS = 4096
DEVICES = ("cpu", "cuda", "mps")
"""Any of them may be a worker's; which this machine has is no matter here."""
FILE = ""
"""The part of a file outside its tables."""
KEYS: dict[str, tuple[str, ...]] = {
    FILE: (*AXES, "device", "dtype", "align", "measure", "study", "worker"),
    "align": (*PLAN, *SETTINGS),
    "measure": ("games", "frames", "labels", "swap"),
    "study": ("quick", "also", "rivals", "periods"),
    "worker": ("threads", "gpus"),
}


@dataclass(frozen=True)
class Grid:
    """The cells of a file, each once, in its order.

    gpus   that a cell takes (of a Ray cluster; less than 1: shared)
    """

    name: str
    cells: tuple[Cell, ...]
    threads: int
    gpus: float


def read(path: Path) -> Grid:
    """The grid of a file; nothing is run and no model is loaded.

    Raises HominesError where it cannot be read, holds an unknown key or a value of a wrong kind, names what
    is not there or cannot be trained, or comes to no cell. Hub ids are not looked up, nor is this machine
    asked for its devices: another one may do the work.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise HominesError(
            f"cannot read {path}: {failure.strerror or failure}; give a TOML file"
        ) from failure
    except (ValueError, RecursionError) as failure:  # no TOML, no UTF-8, or nested too deeply
        raise HominesError(f"{path} is no TOML: {failure}; docs/scale.md shows a file") from failure
    if table.pop("allow_modules", False) is not False and not isinstance(path, TrustedPath):
        raise HominesError(
            f"{path} says allow_modules, and a file cannot vouch for itself: read it, and give "
            "--trust-modules where you trust the modules that it names"
        )
    try:
        return parse(known_texts(path)(table), path.stem)
    except HominesError as failure:
        raise HominesError(f"{path}: {failure}") from failure


def parse(table: Table, name: str) -> Grid:
    """The grid of a table (`read`)."""
    _check_keys(table, FILE)
    parts = {part: _table(table, part) for part in ("align", "measure", "study", "worker")}
    axes = {axis: _axis(table, axis) for axis in AXES}
    if axes["models"] is None:
        raise HominesError('models is not there; name at least one, as models = ["smollm2"]')
    for model in axes["models"]:
        check_kind(model)
        _check_folders(model)
    threads = _fitted("threads", parts["worker"].get("threads", 1), "int")
    gpus = _fitted("gpus", parts["worker"].get("gpus", 0), "float")
    if not 1 <= threads <= MOST_THREADS or gpus < 0:
        raise HominesError(
            f"[worker] threads is {threads} and gpus {gpus:g}; at least 1 (and at most {MOST_THREADS}) and 0"
        )
    if not math.isfinite(gpus) or (gpus > 1 and gpus % 1):
        raise HominesError(
            f"[worker] gpus is {gpus:g}; a cell takes a share of one (0.5) or whole ones (1, 2): give such"
        )
    many = prod(len(axes[axis] or (0,)) for axis in AXES)
    if many > MOST_CELLS:
        raise HominesError(
            f"the grid comes to {many} cells; at most {MOST_CELLS}: split it into several files"
        )
    works = [*_alignments(table, axes, parts["align"]), *_measurements(table, axes, parts["measure"])]
    works += _studies(table, axes, parts["study"])
    if not works:
        raise HominesError(
            "the grid is empty: models alone are nothing to do; add preferences, studies or [measure]"
        )
    cells = {cell.key: cell for cell in (Cell(work, threads) for work in works)}
    return Grid(name, tuple(cells.values()), threads, gpus)


def _alignments(table: Table, axes: Table, shared: Table) -> Iterator[AlignmentPlan]:
    """models x preferences x opponents x seeds."""
    if axes["preferences"] is None:
        for key, value in (("opponents", axes["opponents"]), ("[align]", shared)):
            if value:
                raise HominesError(f"{key} bears on nothing without preferences; add them, or drop it")
        return
    for model in axes["models"]:
        if not trainable(model):
            raise HominesError(
                f"{model} cannot be trained here: its weights are out of reach; give preferences a file of "
                f"their own, with {', '.join(NAMES)} or hf/..."
            )
    fixed = {k: _fitted(k, v, PLAN[k].type) for k, v in shared.items() if k in PLAN}
    trained = {k: _fitted(k, v, SETTINGS[k].type) for k, v in shared.items() if k in SETTINGS}
    of_machine = _machine(table)
    _four_bits(of_machine, trained)
    rehearsed: set[tuple[str, str | None]] = set()
    grid = product(axes["models"], axes["preferences"], axes["opponents"] or (None,), axes["seeds"] or (0,))
    for model, preference, opponent, seed in grid:
        settings = Settings(seed=seed, **trained)
        plan = AlignmentPlan(model, preference, opponent=opponent, settings=settings, **fixed, **of_machine)
        plays = opponent is not None and known(opponent)
        if opponent is not None and plays:
            _check_folders(opponent)
        if (preference, opponent) not in rehearsed and not plays:  # a model that plays would be loaded
            Alignment.of(plan)
        rehearsed.add((preference, opponent))
        yield plan


def _measurements(table: Table, axes: Table, shared: Table) -> Iterator[Survey]:
    """models x games."""
    if "measure" not in table:
        return
    games = _words("[measure] games", shared.get("games", ["ipd"]))
    frames = tuple(_words("[measure] frames", shared.get("frames", ["table"])))
    labels = tuple(_words("[measure] labels", shared["labels"])) if "labels" in shared else None
    swap = _fitted("swap", shared.get("swap", True), "bool")
    for model, game in product(axes["models"], games):
        survey = Survey(model, (game,), frames, labels, swap, **_machine(table))
        if survey.spoken:
            raise HominesError(f"frames {frames} think aloud; a sweep does not, `homines measure` does")
        survey.questions(Mock(uniform))
        yield survey


def _studies(table: Table, axes: Table, shared: Table) -> Iterator[StudyCell]:
    """models x studies; the seeds are the study's trainings."""
    if axes["studies"] is None:
        if "study" in table:
            raise HominesError("[study] bears on nothing without studies; add them, or drop it")
        return
    quick = _fitted("quick", shared.get("quick", False), "bool")
    periods = _fitted("periods", shared.get("periods"), "int | None")
    also, rivals = (_words(f"[study] {k}", shared[k]) if k in shared else () for k in ("also", "rivals"))
    for model, study in product(axes["models"], axes["studies"]):
        if study not in (studies := names("studies")):
            raise HominesError(
                f"no study called {study!r}; there are {', '.join(studies)}{_close(study, studies)}"
            )
        module = import_module(f"homines.studies.{study}.study")
        more = {"also": also, "rivals": rivals, "humans": None, "periods": periods}
        check_more(study, getattr(module, "OPTIONS", ()), more)
        for other in also:
            _check_folders(other)
        seeds = axes["seeds"] or tuple(range(module.SEEDS))
        yield StudyCell(study, model, seeds, quick, also, rivals, periods, **_machine(table))


def _machine(table: Table) -> dict[str, Any]:
    machine = {k: _fitted(k, table.get(k), "str | None") for k in ("device", "dtype")}
    device, dtype = machine["device"], machine["dtype"]
    if device is not None:
        kind, colon, index = device.partition(":")
        if kind not in DEVICES or (colon and not index.isdecimal()):
            raise HominesError(f"no device {device!r}; there are {', '.join(DEVICES)}, and cuda:1 and so on")
    if dtype is not None and dtype not in (*DTYPES, NF4):
        raise HominesError(f"no dtype {dtype!r}; there are {', '.join([*DTYPES, NF4])}")
    return machine


def _four_bits(of_machine: Table, trained: Table) -> None:
    """Raise HominesError where weights in four bits cannot be trained as the file asks."""
    if of_machine["dtype"] != NF4:
        return
    if (device := of_machine["device"]) is not None and not device.startswith("cuda"):
        raise HominesError(f"dtype is nf4 and device {device!r}; four bits are trained on cuda only")
    if trained.get("rank") == 0:
        raise HominesError(
            "dtype is nf4 and rank 0; weights in four bits stay as they are: give rank 8 or more, or "
            "another dtype"
        )


def _check_folders(model: str) -> None:
    """Raise HominesError where a model or adapter is written as a path, and not as a hub id, and is no
    folder here."""
    head, *adapters = model.split("+")
    folders = [head.removeprefix("hf/")] if head.startswith("hf/") else []
    for name in (*folders, *adapters):
        path = not is_hub_id(name) and (name.startswith((".", "~", "/")) or name.count("/") > 1)
        if path and not Path(name).expanduser().is_dir():
            raise HominesError(f"{model}: {name} is no folder here; give one that is there, or a hub id")


def _axis(table: Table, axis: str) -> tuple[Any, ...] | None:
    """The values of an axis, each once; None where it is not given."""
    if axis not in table:
        return None
    if axis != "seeds":
        return _words(axis, table[axis])
    seeds = convert(axis, table[axis], "tuple")
    if not seeds or any(isinstance(x, bool) or not isinstance(x, int) or x < 0 for x in seeds):
        raise HominesError(f"seeds must be a list of whole numbers from 0, got {list(seeds)!r}")
    return tuple(dict.fromkeys(seeds))


def _words(name: str, value: Any) -> tuple[str, ...]:
    """A list of words that is not empty, each once."""
    if not isinstance(value, list) or not value or not all(isinstance(x, str) and x for x in value):
        raise HominesError(
            f'{name} must be a list of at least one word, as ["one", "another"], got {value!r}; '
            "an axis that is empty leaves nothing to do"
        )
    return tuple(dict.fromkeys(value))


def _fitted(name: str, value: Any, annotation: Any) -> Any:
    """The value as the annotation wants it (`registry.convert`); lists must hold words."""
    fitted = convert(name, value, annotation)
    if isinstance(fitted, tuple) and not all(isinstance(x, str) for x in fitted):
        raise HominesError(f"{name} must be a list of words, got {value!r}")
    return fitted


def _table(table: Table, part: str) -> Table:
    values = table.get(part, {})
    if not isinstance(values, dict):
        raise HominesError(f"{part} must be a table, written as [{part}], got {values!r}")
    _check_keys(values, part)
    return values


def _check_keys(table: Table, part: str) -> None:
    """Raise HominesError where a part of the file has a key that it does not know."""
    keys = KEYS[part]
    for key in table:
        if key not in keys:
            where = f"[{part}]" if part else "the file"
            raise HominesError(f"{where} has no key {key!r}{_close(key, keys)}; there are {', '.join(keys)}")


def _close(word: str, choices: Sequence[str]) -> str:
    near = get_close_matches(word.lower(), choices, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""

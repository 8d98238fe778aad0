"""Command line of `homines doctor`: what this machine is for homines; inference/machine.py measures it."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from homines.cli.options import AsJson
from homines.core.extras import extras, install_command
from homines.core.format import count
from homines.core.options import DEVICE
from homines.core.types import HominesError
from homines.inference.processes import quiet

MOVED = {"bfloat16": ".10", "float16": ".009", "int8": ".26"}
"""Largest shift of P from float32 in untrained SmolLM2: 24 prompts, a processor with AVX512, 2026-11-28."""
FRAMES = ("table", "sentences", "story")
SLOW = 5
"""A type whose products take more than this many times those of float32 is not measured on a model."""


def doctor(
    model: Annotated[
        str | None,
        typer.Option(
            help="Also measure in each number type how far this model's P moves, and how fast it is."
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help=DEVICE)] = None,
    as_json: AsJson = False,
) -> None:
    """Print what this machine has, its speed by number type, which models fit, and what is missing."""
    from homines.models import check_kind, trainable

    quiet()
    if model is not None:
        check_kind(model)
        if not trainable(model):
            raise HominesError(
                f"{model} has no weights here that load in several types; give smollm2, hf/..."
            )
    state = examine(device)
    if model is not None:
        state["model"] = {"name": model, "types": compare_types(model, state["device"], state["products"])}
    print(json.dumps(state)) if as_json else print_state(state)


def examine(device: str | None = None) -> dict[str, Any]:
    """The machine, the rates of its products on a device (None: the best), models and extras, as in JSON."""
    import torch

    from homines import __version__
    from homines.inference import machine
    from homines.inference.memory import free_bytes
    from homines.models.catalogue import cache_folder
    from homines.models.hf import pick_device

    place = pick_device(device)
    products = machine.product_rates(place)
    return {
        "versions": {
            "homines": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "machine": machine.describe_machine(cache_folder()),
        "device": place,
        "products": products,
        "default": _default_dtype(place),
        "advice": advise(place, products),
        "models": model_sizes(free_bytes(place)),
        "extras": [
            {"extra": extra.name, "purpose": extra.purpose, "missing": list(extra.missing)}
            | {"command": install_command(extra.name)}
            for extra in extras()
        ],
        "model": None,
    }


def _default_dtype(place: str) -> str:
    from homines.inference.dtypes import pick_dtype

    kind = pick_dtype(None, place)
    return "as saved" if kind == "auto" else str(kind).removeprefix("torch.")


def advise(place: str, products: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which number type to take on this device, and why, in sentences."""
    rates = {row["type"]: row["all"] for row in products}
    moved = ", ".join(f"{shift} in {name}" for name, shift in MOVED.items())
    another = f"Another type is another agent: P of untrained SmolLM2 moved by up to {moved} (24 prompts)."
    if place.startswith("cuda"):
        first = "Take the type in which the weights were saved, the default on cuda; nothing is rounded then."
        return [first, another]
    first = "Take float32, the default here: it loses nothing of the weights."
    ratio = (rates.get("bfloat16") or 0) / rates["float32"]
    if ratio > 1.2:
        speed = f"bfloat16's products are {ratio:.1f} times as fast; a model's passes may not: see --model."
    else:
        speed = "bfloat16 is no faster here; it halves the memory."
    return [first, speed, another]


def model_sizes(free: int) -> list[dict[str, Any]]:
    """The models that are fetched by name: bytes to measure in float32, to measure in bfloat16, and to train
    all weights; whether each fits into these free bytes; whether it is on this machine."""
    from homines.core.catalogue import CATALOGUE
    from homines.inference.memory import TRAINED
    from homines.models.catalogue import cache_folder

    rows: list[dict[str, Any]] = []
    for model in CATALOGUE:
        sizes = {"float32": 4 * model.weights, "bfloat16": 2 * model.weights}
        sizes["trained"] = TRAINED * sizes["float32"]
        fits = [key for key, need in sizes.items() if need <= free]
        here = (cache_folder() / model.name).exists()
        rows.append({"model": model.name, "here": here, **sizes, "fits": fits})
    return rows


def compare_types(
    model: str, device: str, products: Sequence[Mapping[str, Any]], frames: Sequence[str] = FRAMES
) -> list[dict[str, Any]]:
    """How far a model's probabilities move in other number types, a row a type.

    Asked are the four states of the iterated prisoner's dilemma in these frames and two orders. A row holds
    the largest and the mean distance of P(first action), given a legal answer, to that in float32, the legal
    mass, and decisions a second (of one pass, after one that does not count). A type that this machine has no
    fast arithmetic for is not measured; its row says `slow`.
    """
    import numpy as np

    from homines.core.registry import find
    from homines.elicitation.questions import battery, questions
    from homines.inference.dtypes import DTYPES
    from homines.models import load

    rates = {row["type"]: row["all"] or 0.0 for row in products}
    decisions = {"ipd": battery(find("games", "ipd"))}
    exact: Any = None
    rows: list[dict[str, Any]] = []
    for name in DTYPES:
        if SLOW * rates[name] < rates["float32"]:
            rows.append({"type": name, "slow": True})
            continue
        print(f"{model} in {name} ...", file=sys.stderr)
        loaded = load(model, device=device, dtype=name)
        asked = questions(loaded, decisions, [find("frames", frame) for frame in frames], most=2)
        prompts = [question.prompt for question in asked]
        loaded.score(prompts)
        start = time.perf_counter()
        choices = loaded.score(prompts)
        seconds = time.perf_counter() - start
        p = np.array([choice.p[0] for choice in choices])
        exact = p if exact is None else exact
        rows.append(
            {
                "type": name,
                "slow": False,
                "largest": float(np.abs(p - exact).max()),
                "mean": float(np.abs(p - exact).mean()),
                "mass": float(np.mean([choice.mass for choice in choices])),
                "prompts": len(prompts),
                "decisions_a_second": len(prompts) / seconds,
            }
        )
        del loaded
    return rows


def print_state(state: Mapping[str, Any]) -> None:
    """What `examine` found, in fewer than forty lines."""
    from rich.console import Console
    from rich.text import Text

    from homines.inference.memory import size
    from homines.reports.tables import Table

    console = Console()

    def say(name: str, text: str) -> None:
        console.print(Text(f"{name:<11}{text}"))

    machine, versions = state["machine"], state["versions"]
    say("versions", ", ".join(f"{name} {version}" for name, version in versions.items()))
    say("processor", f"{machine['processor']} ({machine['instructions']})")
    say(
        "cores",
        f"{machine['cores']}, {count(machine['threads'], 'thread')} used (OMP_NUM_THREADS sets how many)",
    )
    say("memory", f"{size(machine['memory'])}, {size(machine['memory_free'])} free")
    say("cache", f"{machine['cache']}, {size(machine['disk_free'])} free on its disk")
    say("devices", ", ".join(map(_title, machine["devices"])) + f"; the default is {state['device']}")
    rows = [
        {"type": row["type"], "one thread": _rate(row["thread"]), "all cores": _rate(row["all"])}
        for row in state["products"]
    ]
    if state["device"] != "cpu":
        rows = [{"type": row["type"], state["device"]: row["all cores"]} for row in rows]
    console.print(
        Table(rows).console("matrix products, GFLOP/s (other work here lowers them)", left=("type",))
    )
    for text in state["advice"]:
        console.print(Text(text))
    sizes = [
        {"model": row["model"], "fetched": "yes" if row["here"] else "no"}
        | {
            head: size(row[key]) if key in row["fits"] else f"({size(row[key])})"
            for head, key in (("float32", "float32"), ("bfloat16", "bfloat16"), ("all trained", "trained"))
        }
        for row in state["models"]
    ]
    console.print(
        Table(sizes).console(
            "memory of the weights; in brackets: more than is free", left=("model", "fetched")
        )
    )
    if absent := [row["model"] for row in state["models"] if not row["here"]]:
        say("fetch", f"homines pull {absent[0]}")
    if state["model"]:
        _print_types(console, state["model"])
    _print_extras(say, state["extras"])


def _title(device: Mapping[str, Any]) -> str:
    from homines.inference.memory import size

    facts = [device["title"], size(device["memory"]) if device["memory"] else ""]
    known = ", ".join(filter(None, facts))
    return f"{device['device']} ({known})" if known else device["device"]


def _print_types(console: Any, model: Mapping[str, Any]) -> None:
    from homines.reports.tables import Table

    rows = [
        {"type": row["type"], "largest shift of P": "no fast arithmetic for it here"}
        if row["slow"]
        else {
            "type": row["type"],
            "largest shift of P": f"{row['largest']:.3f}",
            "mean": f"{row['mean']:.4f}",
            "legal mass": f"{row['mass']:.3g}",
            "decisions a second": f"{row['decisions_a_second']:.1f}",
        }
        for row in model["types"]
    ]
    title = f"{model['name']}: P(first action), given a legal answer, beside float32"
    console.print(Table(rows).console(title, left=("type",)))


def _print_extras(say: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    whole = [row["extra"] for row in rows if not row["missing"]]
    say("extras", f"here: {', '.join(whole) or 'none'}")
    for row in rows:
        if row["missing"]:
            say("", f"[{row['extra']}] {row['purpose']}: needs {', '.join(row['missing'])}")
    if missing := [row["extra"] for row in rows if row["missing"]]:
        say("install", install_command(missing[0]))


def _rate(rate: float | None) -> str:
    return "none" if rate is None else f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"

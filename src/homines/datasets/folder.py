"""A data folder on disk: its rows, the facts of each row, its recipe and its card."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from homines import __version__
from homines.core import paths, strict_json
from homines.core.registry import find, head, trust_from
from homines.core.types import Array, Decision, HominesError, Prompt
from homines.datasets.generator import generate
from homines.datasets.recipe import USUAL, Recipe
from homines.datasets.row import Row


def write(recipe: Recipe, folder: str | Path) -> dict[str, Any]:
    """Write the data folder: train.jsonl and test.jsonl (chat rows), *.facts.jsonl (what each row is made
    of), recipe.json, and README.md, a dataset card that the Hub reads. Whole or not at all; returns counts.

    Raises HominesError where the folder holds something else already.
    """
    folder = Path(folder)
    settings = {k: list(v) if isinstance(v, tuple) else v for k, v in recipe.__dict__.items()}
    known = folder / "recipe.json"
    files = [f"{part}{kind}.jsonl" for part in ("train", "test") for kind in ("", ".facts")]
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not known.exists())):
        raise HominesError(f"{folder} holds something else; choose another --out")
    if known.exists():
        try:
            stored = strict_json.loads(paths.read(folder, known.name))
            same = stored["recipe"] == settings and stored["homines"] == __version__
            counts = dict(stored["counts"])
        except (OSError, KeyError, TypeError, ValueError) as failure:
            raise HominesError(
                f"{known} cannot be read ({type(failure).__name__}: {failure}); choose another --out"
            ) from failure
        if not same:
            raise HominesError(f"{folder} holds data of another recipe or version; choose another --out")
        if all((folder / name).exists() for name in files):
            return counts
    train, test, left = generate(recipe)
    counts = count_rows(train, test, left)
    real = folder.resolve()  # the folder itself may be a link, or end in ..
    with paths.write_whole_folder(real.parent, real.name) as aside:
        for name, rows in (("train", train), ("test", test)):
            _lines(aside / f"{name}.jsonl", [row.messages() for row in rows])
            _lines(aside / f"{name}.facts.jsonl", [row.facts() for row in rows])
        (aside / "README.md").write_text(card(recipe, counts, train), encoding="utf-8")
        stored = {"recipe": settings, "counts": counts, "homines": __version__}
        (aside / "recipe.json").write_text(json.dumps(stored, indent=1), encoding="utf-8")
    return counts


def read(folder: str | Path) -> tuple[Recipe, list[Row], list[Row]]:
    """(recipe, train, test) of a data folder. Raises HominesError where it is none, or was made by hand."""
    trusted, folder = trust_from(folder), Path(folder)
    try:
        raw = trusted(strict_json.loads(paths.read(folder, "recipe.json"))["recipe"])
        recipe = _recipe(raw)
        return recipe, _read(folder, "train", trusted), _read(folder, "test", trusted)
    except (AttributeError, IndexError, KeyError, OSError, OverflowError, TypeError, ValueError) as failure:
        if isinstance(failure, HominesError):
            raise
        raise HominesError(
            f"{folder} is no data folder of this version ({type(failure).__name__}: {failure}); make one "
            "with `homines data`"
        ) from failure


def _recipe(raw: Mapping[str, Any]) -> Recipe:
    """The recipe of a recipe.json; an older one has a single frame, and reasons in every row or in none."""
    settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
    if "frame" in settings:
        settings["frames"] = (settings.pop("frame"),)
        settings["asks"] = ("aloud",) if settings.pop("reasons") else ("bare",)
    return Recipe(**settings)


def _read(folder: Path, part: str, trusted: Callable[[Any], Any]) -> list[Row]:
    # not splitlines: a label may hold a line separator of Unicode
    chats, facts = (
        paths.read(folder, f"{part}{kind}.jsonl").decode().split("\n")[:-1] for kind in ("", ".facts")
    )
    rows: list[Row] = []
    for number, (chat, line) in enumerate(zip(chats, facts, strict=True), 1):
        *turns, last = strict_json.loads(chat)["messages"]
        fact = strict_json.loads(line)
        begins = fact.get("begins", "")
        prompt = Prompt(
            tuple((turn["role"], turn["content"]) for turn in turns),
            tuple(fact["labels"]),
            fact["cue"],
            begins,
        )
        d = Decision.from_json(fact["decision"])
        order = tuple(tuple(places) for places in fact["order"])
        answer = fact["labels"].index(fact["answer"])
        target = _target(fact, d, f"{folder / part}.facts.jsonl line {number}")
        if not all(sorted(place) == list(range(len(d.actions))) for place in order):
            raise ValueError(f"line {number}: an order that does not name each option once")
        words = [fact["frame"], fact["game"], fact["cue"], begins, *fact["labels"], last["content"]]
        words += [text for turn in turns for text in (turn["role"], turn["content"])]
        if not all(isinstance(word, str) for word in words):
            raise TypeError(f"line {number}: something else stands where text belongs")
        if begins and not last["content"].startswith(f"{begins} "):
            raise ValueError(f"line {number}: an answer that does not begin {begins!r}")
        completion = last["content"].removeprefix(f"{begins} ")
        frame = trusted(fact["frame"])
        stake, precision = str(fact.get("stake", "")), float(fact.get("precision", 1.0))
        rows.append(
            Row(trusted(fact["game"]), d, frame, order, prompt, answer, target, completion, stake, precision)
        )
    return rows


def _target(fact: Mapping[str, Any], d: Decision, where: str) -> Array:
    """The stored choice of a row. Raises HominesError where it is no distribution over the actions."""
    p = np.array(fact["target"], dtype=np.float64)
    if p.shape != (len(d.actions),) or not (p >= 0).all() or not abs(p.sum() - 1) < 1e-6:
        raise HominesError(
            f"{where}: the target {str(fact['target'])[:80]} is no distribution over {', '.join(d.actions)}; "
            "make the folder again with `homines data`"
        )
    return p


def _lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def count_rows(train: Sequence[Row], test: Sequence[Row], left: Counter[str]) -> dict[str, Any]:
    """Rows, and how they are spread over games, frames, stakes, ways of asking, actions, labels and the place
    of the answer."""

    def spread(key: Callable[[Row], str]) -> dict[str, int]:
        return dict(sorted(Counter(key(row) for row in train).items()))

    def word(row: Row, names: Sequence[str]) -> str:
        """An option's name; those of menus of amounts are counted together."""
        amounts = row.prompt.labels == row.decision.actions and row.decision.rule
        return "amounts" if amounts else names[row.answer]

    return {
        "train": len(train),
        "test": len(test),
        "games": spread(lambda r: head(r.game)),
        "frames": spread(lambda r: head(r.frame)),
        "stakes": spread(lambda r: r.stake),
        "asks": spread(lambda r: r.asks),
        "actions": spread(lambda r: word(r, r.decision.actions)),
        "labels": spread(lambda r: word(r, r.prompt.labels)),
        "place": spread(lambda r: str(1 + r.order[0].index(r.answer))),
        "left out": dict(left),
    }


def card(recipe: Recipe, counts: dict[str, Any], train: Sequence[Row]) -> str:
    """The dataset card: what the utility is, how many rows, the seed, one example."""
    preference = find("preferences", recipe.preference)
    of = preference if inspect.isfunction(preference) else type(preference)
    formula = inspect.cleandoc(of.__doc__ or "(it has no docstring)").partition("\n\n")[0]
    formula = formula.replace("\n", "\n    ")
    ways = {"aloud": "the answer after the arithmetic of that utility", "bare": "the answer alone"}
    how = f"Rows hold {', or '.join(ways[way] for way in recipe.asks)}."
    if recipe.targets == "logit":
        how += " What is to be trained is the logit choice beside each row, not the best answer."
    example, ties = train[0], "kept" if recipe.targets == "logit" else recipe.ties
    table = "\n".join(
        f"| {name} | {', '.join(f'{k}: {v}' for k, v in n.items()) if isinstance(n, dict) else n} |"
        for name, n in counts.items()
    )
    return f"""---
license: cc0-1.0
language: en
tags: [homines, economics, alignment, synthetic]
configs:
- config_name: default
  data_files:
  - split: train
    path: train.jsonl
  - split: test
    path: test.jsonl
---

# What {recipe.preference} implies

Decisions in games drawn at random, each with the answer that maximises

    {formula}

expected over the others' actions as the decision states them, equally likely where it states nothing.
{how}
Sequential games under a preference that universalises are answered by the best plan behind the veil of
ignorance. Ties: {ties}. Stakes, frames, labels, ways of asking and the place of the answer among the options
take turns, evenly with one another: none of them tells the answer. No game is there twice, none is in both
parts, and none is one that homines measures on.

| | |
|---|---|
{table}
| seed | {recipe.seed} |
| made by | homines {__version__} |

Beside each part, `*.facts.jsonl` holds the decision, the words, and the logit choice with its precision:
{recipe.precision:g} (1/payoff) at a stake of {USUAL}, less in proportion where the highest payoff is more.

## One row

> {example.prompt.text.replace(chr(10), chr(10) + "> ")}

**{example.completion}**
"""

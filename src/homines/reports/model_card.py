"""The model card of an alignment: README.md in its adapter folder, in the Hub's format.

A pure function of the run folder. All text from models and files is escaped; what the folder does not hold is
told in a sentence.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from homines.core.format import clean, number
from homines.core.paths import write_whole
from homines.core.run_folder import trained_folder
from homines.core.types import LEGAL_MASS, HominesError, Preference, Record
from homines.elicitation.metrics import action_types, average_by_decision, best_response_rate, group_by, mass
from homines.reports.caveats import caveats
from homines.reports.measures import measured
from homines.reports.page import writing
from homines.reports.run_view import TRAINED, RunView, kinds, named, read, taught

BASES = {"smollm2": ("HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0")}
"""Hub id and licence of models that come under a name of ours."""
MOST_ROWS = 40
LIMITS = (
    "It was moved on the decisions named above. How far that carries is what the table says of words and "
    "games it was not trained on, and nothing more: a rate is behaviour on these prompts, not a character.",
    "Preferences can be selfish or anti-moral as easily as moral. Say what this adapter was trained for "
    "wherever it is used, and do not use it to decide about people.",
)


def write(folder: str | Path) -> list[Path]:
    """Write README.md into what a run's training made (adapter, a second learner's, or model); their paths.

    Nothing where nothing was trained. Raises StoreError where the folder is no run.
    """
    study = read(folder)
    noted = study.run.noted("training.json") or {}
    out: list[Path] = []
    for learner, key in (("", "result"), ("rival", "rival")):
        if (place := trained_folder(study.run.folder, noted, key)) is not None:
            with writing(study.run.folder):
                out.append(
                    write_whole(study.run.folder, f"{place.name}/README.md", text(study, place, learner))
                )
    return out


def text(study: RunView, place: Path, learner: str = "") -> str:
    """The card of what lies at `place`. learner: 'rival' for a second learner's adapter."""
    config = study.run.config
    adapter = (place / "adapter_config.json").exists()
    aim = str(config.get("rival") if learner else config.get("schedule") or config.get("preference") or "")
    parts = [
        _front(config, adapter),
        f"# {plain(str(config.get('model')))}, aligned to {plain(aim)}",
        "Made and measured by [homines](https://pypi.org/project/homines/): a preference that can be written "
        "down, its exact reward or its own data, and the model's exact choices before and after.",
        _preference(study, aim, learner),
        _training(study),
        _measured(study) if not learner else "## Measured\n\nThe second learner's adapter is not measured.",
        _sides(study),
        _limits(study),
        _licence(config),
        _load(config, place.name, adapter),
        _rerun(study),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def base(config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(Hub id, licence) of the model that was trained; None where not known."""
    head = str(config.get("model") or "").partition("+")[0]
    if head in BASES:
        return BASES[head]
    hub = head.removeprefix("hf/")
    known = head.startswith("hf/") and re.fullmatch(r"[\w.-]+/[\w.-]+", hub) and not Path(hub).exists()
    return (hub if known else None), None


def _front(config: Mapping[str, Any], adapter: bool) -> str:
    hub, licence = base(config)
    given: dict[str, Any] = {
        "base_model": hub,
        "library_name": "peft" if adapter else "transformers",
        "license": licence,
        "tags": ["homines", "alignment", "game-theory", *(["lora"] if adapter else [])],
        "datasets": [],
        "pipeline_tag": "text-generation",
    }
    # JSON is YAML, and no text can leave its quotes
    lines = [f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in given.items() if v is not None]
    return "\n".join(["---", *lines, "---"])


def _preference(study: RunView, aim: str, learner: str) -> str:
    formula = "" if learner else formula_of(study.preference)
    told = f"Trained for {code(aim)}."
    return f"## Preference\n\n{told}" + (f"\n\n{block(formula)}" if formula else "")


def formula_of(preference: Preference | None) -> str:
    """A preference's own docstring: its equation and source; empty where there is none."""
    if preference is None:
        return ""
    kind = preference if inspect.isfunction(preference) else type(preference)
    return inspect.cleandoc(kind.__doc__ or "")


def _training(study: RunView) -> str:
    config, noted = study.run.config, study.noted
    course = held if isinstance(held := config.get("course"), Mapping) else {}
    given = {
        "road": config.get("by") or course.get("by"),
        "games": config.get("training_games"),
        "words": config.get("training_frames"),
        "opponent": config.get("opponent"),
        "second learner": config.get("rival"),
        "data": config.get("data"),
        "settings": config.get("settings") or course,
        "steps": noted.get("steps"),
        "rows" if noted.get("rows") else "prompts": noted.get("rows") or noted.get("prompts"),
        "seconds": noted.get("seconds"),
        "device": noted.get("device"),
    }
    lines = [f"- {name}: {code(_short(value))}" for name, value in given.items() if value]
    taught = given["road"] in ("sft", "distill")
    where = (
        "On rows generated from the preference."
        if taught
        else "No data set: the prompts are the game's own decisions, in the words below."
    )
    return "\n".join(["## Training", "", where, "", *lines])


def _measured(study: RunView) -> str:
    """Before and after: how often it chooses as the preference says, action types, legal mass."""
    told = ["## Measured", ""]
    if study.scores:
        told += _scores(study.scores)
    elif study.records:
        told += _choices(study)
    else:
        told.append("Nothing was measured in this run folder.")
    return "\n".join(told)


def _choices(study: RunView) -> list[str]:
    model = study.run.config.get("model")
    rows: list[list[str]] = []
    for (game, frame), group in group_by(study.records, "game", "frame").items():
        sides = [[r for r in group if (r.model == model) is first] for first in (True, False)]
        trained = game in study.games and frame in study.training
        rates = [_rates(study.preference, side) for side in sides]
        names = dict.fromkeys(name for rate in rates for name in rate if name)
        asked = f"{game} {study.short.get(frame, frame)} {'(trained)' if trained else ''}"
        both = [_arrow(*(rate.get(name) for rate in rates)) for name in ("best", "mass")]
        types = "; ".join(
            f"{name} {_arrow(*(rate.get(name) for rate in rates))}"
            for name in names
            if name not in ("best", "mass")
        )
        rows.append([plain(asked.strip()), both[0], plain(types), both[1]])
    head = ["asked", "chooses as the preference says", "action types", "legal mass"]
    more = [f"\nAnd {len(rows) - MOST_ROWS} more, in report.html."] if len(rows) > MOST_ROWS else []
    alone = {r.model == model for r in study.records} == {False}
    where = " The model before training was measured in a folder of its own." if alone else ""
    return [
        f"Before → after, given a legal answer.{where} Where nothing is said of the other's next act, either "
        f"counts as likely. Where the legal mass is under {LEGAL_MASS}, rates describe answers the model "
        "rarely gives.",
        "",
        *table(head, rows[:MOST_ROWS]),
        *more,
    ]


def _rates(preference: Preference | None, records: Sequence[Record]) -> dict[str, float | None]:
    """P(the preference's best answers), P(first action) after each of the other's, legal mass."""
    pairs = average_by_decision(records)
    out: dict[str, float | None] = {"mass": mass(records)}
    try:
        out["best"] = best_response_rate(preference, pairs) if preference is not None and pairs else None
    except HominesError:  # no view on this game, as a rule about C and D elsewhere
        out["best"] = None
    first = {r.decision.actions[0] for r in records}
    return out | {k: p for k, p in action_types(records).items() if k.partition("|")[0] in first and "|" in k}


def _scores(scores: Mapping[str, Any]) -> list[str]:
    """What a fine-tuning was examined on."""
    before, after = (scores.get(when) or {} for when in ("before", "after"))
    rows = [
        [plain(way), *(_arrow(*(side.get(way, {}).get(k) for side in (before, after))) for k in KEPT)]
        for way in dict.fromkeys((*before, *after))
    ]
    told = "On games that were not trained on, before → after; P(implied) is given a legal answer."
    return [told, "", *table(["asked", "P(implied)", "likeliest is implied", "legal mass"], rows)]


KEPT = ("share", "right", "mass")


def _sides(study: RunView) -> str:
    if not study.sides:
        return "## Side effects\n\nNot checked."
    rows = [
        [
            plain(name),
            f"{number(side.get('right'), 0)} of {number(side.get('questions'), 0)}",
            number(side.get("perplexity"), 1),
        ]
        for name, side in study.sides.items()
    ]
    head = ["model", "everyday questions right", "perplexity of a plain text"]
    return "\n".join(["## Side effects", "", *table(head, rows)])


def _limits(study: RunView) -> str:
    worse = caveats(study, measured(study)) if study.run.config.get("kind") in TRAINED else []
    told = [*LIMITS, plain(_where(study)), *map(plain, worse)]
    return "\n".join(["## Limits", "", *(f"- {line}" for line in told)])


def _where(study: RunView) -> str:
    """On which games, words and rows the card's numbers rest."""
    if not study.records:
        return f"Trained on {taught(study)}; nothing was measured in this run folder."
    words = named(study.short.get(r.frame, r.frame) for r in study.records)
    alone = "" if "before" in study.roles.values() else " It was not measured before training in this folder."
    return (
        f"Trained on {taught(study)}; measured on {kinds(r.game for r in study.records)}, in the words "
        f"{words}.{alone}"
    )


def _licence(config: Mapping[str, Any]) -> str:
    hub, licence = base(config)
    known = (
        f"{plain(hub)} is {licence}." if hub and licence else "The base model's licence is not known here."
    )
    return f"## Licence\n\n{known} An adapter is a change of its base model, whose licence holds for it."


def _load(config: Mapping[str, Any], name: str, adapter: bool) -> str:
    spec = f"{config.get('model')}+{name}" if adapter else f"hf/{name}"
    lines = [f"homines measure {spec}", "", "import homines as hm", f"model = hm.load({clean(spec)!r})"]
    return f"## How to load\n\nFrom the run folder, in a shell and in Python:\n\n{block(chr(10).join(lines))}"


def _rerun(study: RunView) -> str:
    told = study.run.provenance
    libraries = told.get("libraries")
    versions = {"homines": told.get("homines"), "commit": told.get("commit"), "python": told.get("python")}
    versions |= libraries if isinstance(libraries, dict) else {}
    revisions = dict.fromkeys(f"{r.model}: {r.provenance.get('revision')}" for r in study.records)
    lines = [*(f"{k} {v}" for k, v in versions.items() if v), *revisions]
    command = str(study.run.config.get("command") or "(not recorded)")
    return f"## Made by\n\n{block(command)}\n\n{block(chr(10).join(lines))}"


# --- Markdown ------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Text as itself in Markdown and HTML, on one line."""
    held = " ".join(clean(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]{}|#~!])", r"\\\1", held)


def code(text: str) -> str:
    """A code span, whatever the text holds."""
    held = " ".join(clean(text).split()).replace("|", "¦")
    fence = "`" * (_longest(held) + 1)
    return f"{fence} {held} {fence}" if "`" in held else f"{fence}{held}{fence}"


def block(text: str) -> str:
    """A fenced block, whatever the text holds."""
    held = "\n".join(clean(line) for line in text.splitlines())
    fence = "`" * max(3, _longest(held) + 1)
    return f"{fence}text\n{held}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _arrow(before: Any, after: Any) -> str:
    return number(after, 3) if before is None else f"{number(before, 3)} → {number(after, 3)}"


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={v}" for k, v in value.items() if v is not None)
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)

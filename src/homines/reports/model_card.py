"""The model card of an alignment: README.md in its adapter folder, in the Hub's format.

A pure function of the run folder. All text from models and files is escaped; a sentence stands for what
the folder does not hold.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from homines.core import catalogue
from homines.core.format import clean, number
from homines.core.paths import write_whole
from homines.core.rates import describe
from homines.core.run_folder import trained_folder
from homines.core.types import LEGAL_MASS, Preference, Record
from homines.elicitation.metrics import action_types, average_by_decision, best_response_rate, group_by, mass
from homines.reports.caveats import caveats
from homines.reports.measures import tabulate, undefined_games
from homines.reports.page import asset, writing
from homines.reports.run_view import TRAINING_KINDS, RunView, describe_training, list_kinds, list_names, read
from homines.reports.tables import Table
from homines.reports.training_end import training_end
from homines.reports.verdict_text import VerdictText, describe_verdicts

MOST_ROWS = 40
SCORES = {"share": "P(implied)", "right": "likeliest is implied", "mass": "legal mass"}
"""Scores of a fine-tuning, and what the card calls them."""


class Markdown(str):
    """Text that is Markdown already. The template writes any other text as itself."""

    __slots__ = ()


def write(folder: str | Path) -> list[Path]:
    """Write README.md into each folder that a run's training wrote (adapters or model); their paths.

    Empty where nothing was trained. Raises StoreError where the folder is no run.
    """
    view = read(folder)
    noted = view.run.noted("training.json") or {}
    out: list[Path] = []
    for learner, key in (("", "result"), ("rival", "rival")):
        if (place := trained_folder(view.run.folder, noted, key)) is not None:
            with writing(view.run.folder):
                out.append(
                    write_whole(view.run.folder, f"{place.name}/README.md", text(view, place, learner))
                )
    return out


def text(view: RunView, place: Path, learner: str = "") -> str:
    """The card of what lies at `place`. learner: 'rival' for a second learner's adapter."""
    config = view.run.config
    adapter = (place / "adapter_config.json").exists()
    aim = str(config.get("rival") if learner else config.get("schedule") or config.get("preference") or "")
    hub, licence = base(config)
    loaded = f"{config.get('model')}+{place.name}" if adapter else f"hf/{place.name}"
    measured_models = {r.model for r in view.records}
    return _template().render(
        data=_front_matter(hub, licence, adapter),
        model=str(config.get("model")),
        aim=aim,
        formula="" if learner else formula_of(view.preference),
        training=_training(view),
        on_rows=_road(config) in ("sft", "distill"),
        learner=learner,
        verdicts=[] if learner else [(v.headline, _checks(v)) for v in describe_verdicts(view)],
        scores=_scores(view.scores),
        choices=[] if view.scores else _choices(view),
        after_alone=bool(measured_models) and config.get("model") not in measured_models,
        legal_mass=LEGAL_MASS,
        most_rows=MOST_ROWS,
        sides=[_side(name, side) for name, side in view.sides.items() if side.keys() - {"benchmarks"}],
        limits=_limits(view),
        hub=hub,
        licence=licence,
        notice=entry.notice if (entry := catalogue.find(str(config.get("model")))) else "",
        loading=f"homines measure {loaded}\n\nimport homines as hm\nmodel = hm.load({clean(loaded)!r})",
        command=str(config.get("command") or "(not recorded)"),
        versions="\n".join(_versions(view)),
    )


def base(config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(Hub id, licence) of the model that was trained; None where not known."""
    head = str(config.get("model") or "").partition("+")[0]
    if (model := catalogue.find(head)) is not None:
        return model.base, model.licence
    hub = head.removeprefix("hf/")
    known = head.startswith("hf/") and re.fullmatch(r"[\w.-]+/[\w.-]+", hub) and not Path(hub).exists()
    return (hub if known else None), None


def _front_matter(hub: str | None, licence: str | None, adapter: bool) -> Markdown:
    """The metadata of the Hub, as YAML."""
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        base_model=hub,
        library_name="peft" if adapter else "transformers",
        license=licence,
        tags=["homines", "alignment", "game-theory", *(["lora"] if adapter else [])],
        datasets=[],
        pipeline_tag="text-generation",
    )
    return Markdown(data.to_yaml())


def formula_of(preference: Preference | None) -> str:
    """A preference's own docstring: its equation and source; empty where there is none."""
    if preference is None:
        return ""
    kind = preference if inspect.isfunction(preference) else type(preference)
    return inspect.cleandoc(kind.__doc__ or "")


def _course(config: Mapping[str, Any]) -> Mapping[str, Any]:
    course = config.get("course")
    return course if isinstance(course, Mapping) else {}


def _road(config: Mapping[str, Any]) -> Any:
    return config.get("by") or _course(config).get("by")


def _training(view: RunView) -> list[tuple[str, str]]:
    """The facts of the training as names and values, without those that are not known."""
    config, noted = view.run.config, view.noted
    facts = {
        "road": _road(config),
        "games": config.get("training_games"),
        "words": config.get("training_frames"),
        "opponent": config.get("opponent"),
        "second learner": config.get("rival"),
        "data": config.get("data"),
        "settings": config.get("settings") or _course(config),
        "steps": noted.get("steps"),
        "ended": training_end(noted, config),
        "rows" if noted.get("rows") else "prompts": noted.get("rows") or noted.get("prompts"),
        "seconds": noted.get("seconds"),
        "device": noted.get("device"),
    }
    return [(name, _short(value)) for name, value in facts.items() if value]


def _choices(view: RunView) -> list[dict[str, str]]:
    """A row a game and frame: best answers, action types and legal mass, before and after."""
    model = view.run.config.get("model")
    undefined = undefined_games(view)
    rows: list[dict[str, str]] = []
    for (game, frame), group in group_by(view.records, "game", "frame").items():
        sides = [[r for r in group if (r.model == model) is first] for first in (True, False)]
        rates = [_rates(None if game in undefined else view.preference, side) for side in sides]
        names = dict.fromkeys((*rates[0], *rates[1]))
        pairs = {name: _arrow(*(rate.get(name) for rate in rates)) for name in names}
        trained = " (trained)" if game in view.games and frame in view.training else ""
        types = (f"{name} {pair}" for name, pair in pairs.items() if name not in ("best", "mass"))
        rows.append(
            {
                "asked": plain(f"{game} {view.short.get(frame, frame)}{trained}"),
                "chooses as the preference says": pairs["best"],
                "action types": plain("; ".join(types)),
                "legal mass": pairs["mass"],
            }
        )
    return rows


def _rates(preference: Preference | None, records: Sequence[Record]) -> dict[str, float | None]:
    """P(the preference's best answers), P(first action) after each of the other's, legal mass."""
    pairs = average_by_decision(records)
    best = best_response_rate(preference, pairs) if preference is not None and pairs else None
    out: dict[str, float | None] = {"mass": mass(records), "best": best}
    first = {r.decision.actions[0] for r in records}
    return out | {k: p for k, p in action_types(records).items() if k.partition("|")[0] in first and "|" in k}


def _scores(scores: Mapping[str, Any]) -> list[dict[str, str]]:
    """Scores of a fine-tuning's exam before and after, a row a condition."""
    before, after = (scores.get(when) or {} for when in ("before", "after"))
    heads = SCORES.items()
    return [
        {"asked": plain(way)}
        | {head: _arrow(*(side.get(way, {}).get(key) for side in (before, after))) for key, head in heads}
        for way in dict.fromkeys((*before, *after))
    ]


def _checks(verdict: VerdictText) -> list[dict[str, str]]:
    """A row a check."""
    return [
        {"check": plain(line.name), "": plain(line.outcome), "what was found": plain(line.text)}
        for line in verdict.lines
    ]


def _side(model: str, side: Mapping[str, Any]) -> dict[str, str]:
    """Side effects on one model."""
    return {
        "model": plain(model),
        "everyday questions right": f"{number(side.get('right'), 0)} of {number(side.get('questions'), 0)}",
        "perplexity of a plain text": number(side.get("perplexity"), 1),
    }


def _limits(view: RunView) -> list[str]:
    """Sentences on what the card's numbers rest on, and on what got worse."""
    worse = caveats(view, tabulate(view)) if view.run.config.get("kind") in TRAINING_KINDS else []
    return [_where(view), *worse]


def _where(view: RunView) -> str:
    """A sentence on the games, words and rows behind the card's numbers."""
    if not view.records:
        return f"Trained on {describe_training(view)}; nothing was measured in this run folder."
    words = list_names(view.short.get(r.frame, r.frame) for r in view.records)
    alone = "" if "before" in view.roles.values() else " It was not measured before training in this folder."
    return (
        f"Trained on {describe_training(view)}; measured on {list_kinds(r.game for r in view.records)}, "
        f"in the words {words}.{alone}"
    )


def _versions(view: RunView) -> list[str]:
    """Versions of software, and the revision of every model."""
    provenance = view.run.provenance
    libraries = provenance.get("libraries")
    versions = {name: provenance.get(name) for name in ("homines", "commit", "python")}
    versions |= libraries if isinstance(libraries, dict) else {}
    revisions = dict.fromkeys(f"{r.model}: {r.provenance.get('revision')}" for r in view.records)
    return [*(f"{name} {version}" for name, version in versions.items() if version), *revisions]


# --- Markdown ------------------------------------------------------------------------------------


@cache
def _template() -> Template:
    env = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: value if isinstance(value, Markdown) else plain(str(value)),
    )
    env.filters |= {"code": code, "block": block, "table": lambda rows: Markdown(Table(rows).markdown())}
    return env.from_string(asset("model_card.md"))


def plain(text: str) -> Markdown:
    """Text as itself in Markdown and HTML, on one line."""
    escaped = " ".join(clean(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markdown(re.sub(r"([\\`*_\[\]{}|#~!])", r"\\\1", escaped))


def code(text: str) -> Markdown:
    """A code span, whatever the text holds."""
    line = " ".join(clean(text).split()).replace("|", "¦")
    fence = "`" * (_longest(line) + 1)
    return Markdown(f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}")


def block(text: str) -> Markdown:
    """A fenced block, whatever the text holds."""
    lines = "\n".join(clean(line) for line in text.splitlines())
    fence = "`" * max(3, _longest(lines) + 1)
    return Markdown(f"{fence}text\n{lines}\n{fence}")


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _arrow(before: Any, after: Any) -> str:
    return describe(after, 3) if before is None else f"{describe(before, 3)} → {describe(after, 3)}"


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={v}" for k, v in value.items() if v is not None)
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)

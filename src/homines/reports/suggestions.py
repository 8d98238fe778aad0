"""Commands to go on with, at the end of a command and on a page; none that would be refused."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from homines.core.capabilities import AsksFor, variant
from homines.core.registry import find, spell
from homines.core.run_folder import trained_folder
from homines.core.types import HominesError, Record
from homines.elicitation.answers_in_words import none_legal
from homines.elicitation.survey import BATTERY, PROTOCOLS, Survey
from homines.estimation.fit import Estimate
from homines.estimation.fitting import estimate_one, read_agents
from homines.estimation.options import FitOptions
from homines.models import behind, known, trainable
from homines.models.mock import Mock, uniform
from homines.reports.run_view import RunView

FAMILIES = ("kantian", "kantian(alpha=0)", "inequity", "moralis")
"""Preferences for `homines fit`, those that tell most first."""
OTHER_LABELS = ("X,Y", "A,B")
"""Labels to try, one after the other, where no answer is one of those asked for."""
MOST_AGENTS = 8
"""Agents whose estimates are tried."""


def fit_command(folder: Path) -> str | None:
    """`homines fit` with the first of FAMILIES that has an estimate of an agent of the run, with bounds on a
    parameter; None where none has."""
    try:
        agents, _, _ = read_agents(folder, None)
    except HominesError:
        return None
    for spec in FAMILIES:
        for agent in agents[:MOST_AGENTS]:
            try:
                estimate = estimate_one(agent.observations, spec, FitOptions())
            except HominesError:
                continue
            if isinstance(estimate, Estimate) and np.isinf(estimate.intervals[:-1]).all():
                continue
            return shlex.join(["homines", "fit", str(folder), "--family", spec])
    return None


def battery_command(model: str, *loading: str) -> str:
    """`homines measure` of the questions that tell alpha, beta and kappa apart. loading: options."""
    return shlex.join(["homines", "measure", model, "--game", BATTERY, *loading])


def next_command(
    survey: Survey, folder: Path, records: Iterable[Record], *, trust_remote_code: bool = False
) -> str | None:
    """The command after a measurement: to align the model, to estimate its preferences, or to ask what tells
    them; where no answer was legal, to ask the same in other words. None where nothing was answered, or
    nothing is left to do."""
    records = list(records)
    if all(r.choice is None for r in records):
        return None
    loading = loading_options(survey.device, survey.dtype, trust_remote_code)
    if none_legal(records):
        other = _reworded(survey, records)
        return None if other is None else shlex.join(["homines", "measure", *_arguments(other), *loading])
    align = None
    # four bits, and a GPU by its number, are trained on some machines only
    if trainable(survey.model) and survey.dtype != "nf4" and ":" not in (survey.device or ""):
        align = shlex.join(["homines", "align", survey.model, "--to", "game_deontological", *loading])
    if align and not survey.beliefs:
        return align
    if command := fit_command(folder):
        return command
    return align if set(PROTOCOLS) <= set(survey.games) else battery_command(survey.model, *loading)


def _reworded(survey: Survey, records: Sequence[Record]) -> Survey | None:
    """The same games with the next of OTHER_LABELS, then with thoughts before the answer; None where these
    were asked, or cannot be."""
    asked = {frozenset(r.labels) for r in records}
    places = [i for i, pair in enumerate(OTHER_LABELS) if frozenset(pair.split(",")) in asked]
    for pair in OTHER_LABELS[max(places, default=-1) + 1 :]:
        if _is_sound(other := replace(survey, labels=(pair,))):
            return other
    writes = trainable(survey.model) or behind(survey.model)
    if survey.spoken or not writes or survey.model.startswith("decisions/"):
        return None  # the other models cannot think aloud
    frames = {spec: find("frames", spec) for spec in survey.frames}
    if not all(isinstance(frame, AsksFor) for frame in frames.values()):
        return None
    aloud = {spec: spell(variant(frame, asks="aloud")) for spec, frame in frames.items() if "(" in spec}
    return replace(survey, frames=tuple(aloud.get(spec, f"{spec}(asks=aloud)") for spec in frames))


def _is_sound(survey: Survey) -> bool:
    """Whether its labels fit its games and frames."""
    try:
        survey.every_question(Mock(uniform))
    except HominesError:
        return False
    return True


def _arguments(survey: Survey) -> list[str]:
    """The arguments of `homines measure` that ask a survey, without those that load its model."""
    rest = [name for name in survey.games if name not in PROTOCOLS]
    whole = set(PROTOCOLS) <= set(survey.games)
    games = (BATTERY, *rest) if whole else survey.games
    settings = {"games": games, "beliefs": None if survey.beliefs is whole else survey.beliefs}
    words = [survey.model]
    for f in fields(survey):
        value = settings.get(f.name, getattr(survey, f.name))
        if value == f.default or f.name in ("model", "device", "dtype"):
            continue
        flag = f.metadata["flag"] or f"--{f.name}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{f.name}")
        else:
            several = value if isinstance(value, tuple) else (value,)
            words += [word for one in several for word in (flag, str(one))]
    return words


def identification_command(view: RunView) -> str | None:
    """The command that asks a run's agent what tells alpha, beta and kappa apart; after a training, for use
    in the run folder. None where that was asked, and of an agent that cannot be asked."""
    config = view.run.config
    model = config.get("model")
    if not isinstance(model, str) or set(PROTOCOLS) <= {r.game for r in view.records}:
        return None
    if config.get("kind") == "play":
        return shlex.join(["homines", "play", BATTERY, "--against", model])
    if not known(model):
        return None
    if (place := trained_folder(view.run.folder, view.noted)) is not None:
        rest = model.partition("/")[2].partition("+")[0]
        if rest and not Path(rest).is_absolute() and Path(rest).exists():
            return None  # not found from the run folder
        adapter = (place / "adapter_config.json").exists()
        model = f"{model}+{place.name}" if adapter else f"hf/{place.name}"
    device, dtype = (value if isinstance(value := config.get(k), str) else None for k in ("device", "dtype"))
    return battery_command(model, *loading_options(device, dtype, config.get("trust_remote_code") is True))


def loading_options(device: str | None, dtype: str | None, trust_remote_code: bool = False) -> list[str]:
    """The options that load a model as it was loaded."""
    named = [("--device", device), ("--dtype", dtype)]
    options = [part for option, value in named if value for part in (option, value)]
    return [*options, *(["--trust-remote-code"] if trust_remote_code else [])]

"""Commands to go on with, at the end of a command and on a page; none that would be refused."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from homines.core.run_folder import trained_folder
from homines.core.types import HominesError, Record
from homines.elicitation.answers_in_words import none_legal
from homines.elicitation.survey import BATTERY, PROTOCOLS, Survey
from homines.estimation.fitting import estimate_one, read_agents
from homines.estimation.options import FitOptions
from homines.models import known, trainable
from homines.reports.run_view import RunView

FAMILIES = ("kantian", "kantian(alpha=0)", "inequity", "moralis")
"""Preferences for `homines fit`, those that tell most first."""
OTHER_LABELS = "X,Y"
"""Labels to try where no answer is one of those asked for."""
MOST_AGENTS = 8
"""Agents whose estimates are tried."""


def estimating(folder: Path) -> str | None:
    """`homines fit` with the first of FAMILIES that has an estimate of an agent of the run; None where none
    has."""
    try:
        agents, _, _ = read_agents(folder, None)
    except HominesError:
        return None
    for spec in FAMILIES:
        for agent in agents[:MOST_AGENTS]:
            try:
                estimate_one(agent.observations, spec, FitOptions())
            except HominesError:
                continue
            return shlex.join(["homines", "fit", str(folder), "--family", spec])
    return None


def asking_battery(model: str, *loading: str) -> str:
    """`homines measure` of the questions that tell alpha, beta and kappa apart. loading: see `loaded_so`."""
    return shlex.join(["homines", "measure", model, "--game", BATTERY, *loading])


def after_measuring(
    survey: Survey, folder: Path, records: Iterable[Record], *, trust_remote_code: bool = False
) -> str | None:
    """The command after a measurement: to align the model, to estimate its preferences, or to ask what tells
    them; None where nothing was answered, or nothing is left to do."""
    records = list(records)
    if all(r.choice is None for r in records):
        return None
    loading = loaded_so(survey.device, survey.dtype, trust_remote_code)
    if none_legal(records):
        return shlex.join(["homines", "measure", survey.model, "--labels", OTHER_LABELS, *loading])
    align = None
    # four bits, and a GPU by its number, are trained on some machines only
    if trainable(survey.model) and survey.dtype != "nf4" and ":" not in (survey.device or ""):
        align = shlex.join(["homines", "align", survey.model, "--to", "game_deontological", *loading])
    if align and not survey.beliefs:
        return align
    if command := estimating(folder):
        return command
    return align if set(PROTOCOLS) <= set(survey.games) else asking_battery(survey.model, *loading)


def telling_apart(view: RunView) -> str | None:
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
    return asking_battery(model, *loaded_so(device, dtype, config.get("trust_remote_code") is True))


def loaded_so(device: str | None, dtype: str | None, trust_remote_code: bool = False) -> list[str]:
    """The options that load a model as it was loaded."""
    named = [("--device", device), ("--dtype", dtype)]
    options = [part for option, value in named if value for part in (option, value)]
    return [*options, *(["--trust-remote-code"] if trust_remote_code else [])]

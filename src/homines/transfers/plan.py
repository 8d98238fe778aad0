"""A transfer: the same scenarios asked of several models, each in a run folder of its own below one folder.

FOLDER/MODEL-DIGEST/   a run folder, as any other: the answers of a model
FOLDER/report.html     the page of the models that were named, the first one beside the others
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from homines.core.options import DEVICE, DTYPE, TRUST_REMOTE_CODE, option, required
from homines.core.run_folder import default_folder
from homines.core.types import HominesError
from homines.elicitation.scenario_file import OWN, ScenarioSet
from homines.elicitation.scenario_forms import FORMS, read_scenarios
from homines.models import check_kind

KIND = "transfer"


@dataclass(frozen=True, kw_only=True)
class TransferPlan:
    """Which models are asked which scenarios; the others are compared with the first one."""

    models: tuple[str, ...] = required(
        "Models; the others are compared with the first, as smollm2 smollm2+runs/ut/adapter.", "models"
    )
    scenarios: Path | None = option(None, "File of scenarios, CSV or JSON lines; default: the built-in set.")
    form: str = option(OWN, f"Form of that file: {', '.join((OWN, *FORMS))}.")
    device: str | None = option(None, DEVICE)
    dtype: str | None = option(None, DTYPE)
    trust_remote_code: bool = option(False, TRUST_REMOTE_CODE)

    def __post_init__(self) -> None:
        if not self.models:
            raise HominesError("no model is named; name one or several, the untrained one first")
        if twice := next((m for m in self.models if self.models.count(m) > 1), None):
            raise HominesError(f"{twice} is named twice; name each model once")

    @cached_property
    def set(self) -> ScenarioSet:
        """The scenarios. Raises HominesError, which names the line, where the file holds none."""
        return read_scenarios(self.scenarios, self.form)

    def check(self) -> None:
        """Raise HominesError for what cannot be asked; no model is loaded, no folder made."""
        for model in self.models:
            check_kind(str(model))
        _ = self.set

    @property
    def placement(self) -> dict[str, Any]:
        """How a model is loaded."""
        return {name: getattr(self, name) for name in ("device", "dtype", "trust_remote_code")}

    def config(self, model: str, command: str = "") -> dict[str, Any]:
        """The resolved config of a model's run folder."""
        return {
            "kind": KIND,
            "command": command,
            "model": str(model),
            "scenarios": self.set.file,
            "sha256": self.set.sha256,
            "form": self.set.form,
            "device": self.device,
            "dtype": self.dtype,
        }

    @property
    def folder(self) -> Path:
        """The folder where none is named: one a set of scenarios, so that models can be added."""
        settings = {name: x for name, x in self.config("").items() if name != "model"}
        return default_folder(f"transfer-{self.set.name}", settings)

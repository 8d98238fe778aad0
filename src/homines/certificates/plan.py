"""The plan of a certificate: which model, in which form, against which other certificate; light to import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from homines.atlases.options import AtlasOptions
from homines.core.checks import number
from homines.core.options import DEVICE, DTYPE, MODEL, TRUST_REMOTE_CODE, option, required
from homines.core.run_folder import default_folder, read_json
from homines.models import behind, check_kind

KIND = "certificate"
FILE = "certificate.json"
COMPARISON = "comparison.json"
TOLERANCE = 0.01
"""Most by which exact answers differ between number types and machines, and nothing that a reader acts on."""


@dataclass(frozen=True, kw_only=True)
class CertificatePlan:
    """Which model is certified, and how."""

    model: str = required(MODEL, "model")
    base: str | None = option(None, "Model that it was made from; default: what stands before the +.")
    quick: bool = option(False, "The short form, about a quarter of the questions: for CI.", "--quick")
    against: Path | None = option(None, "Certificate to compare with; its form is asked again.")
    tolerance: float = option(TOLERANCE, "Most that an exact value may differ and be the same.")
    device: str | None = option(None, DEVICE)
    dtype: str | None = option(None, DTYPE)
    trust_remote_code: bool = option(False, TRUST_REMOTE_CODE)

    def __post_init__(self) -> None:
        number("tolerance", self.tolerance, 0, 1)

    def check(self) -> None:
        """Raise HominesError for a model that nothing loads; no model is loaded, no folder made."""
        for model in filter(None, (self.model, self.base)):
            check_kind(model)

    @property
    def placement(self) -> dict[str, Any]:
        """How the model is loaded."""
        return {name: getattr(self, name) for name in ("device", "dtype", "trust_remote_code")}

    def row(self, folder: Path) -> AtlasOptions:
        """The options of the row in `folder` on which the certificate stands."""
        return AtlasOptions(
            model=self.model,
            out=folder,
            base=self.base,
            quick=self.quick,
            device=self.device,
            dtype=self.dtype,
        )

    @property
    def folder(self) -> Path:
        """The folder where none is named. Against a certificate, one that holds no finished comparison: what
        is asked again must not be read from an earlier answer."""
        settings = {"model": self.model, "base": self.base, "quick": self.quick, "dtype": self.dtype}
        folder = default_folder(f"certify-{self.model}", settings)
        if self.against is None:
            return folder
        again: Iterator[Path] = (folder.with_name(f"{folder.name}-again-{n}") for n in count(1))
        return next(place for place in again if not is_finished(noted_comparison(place)))


def noted_comparison(folder: Path) -> dict[str, Any] | None:
    """What a folder notes of its comparison, from before its first question on; None without one."""
    return read_json(folder, COMPARISON) if (folder / COMPARISON).exists() else None


def is_finished(noted: Mapping[str, Any] | None) -> bool:
    """Whether a noted comparison is one of which every question was answered."""
    return bool(noted and noted.get("finished"))


def model_kind(model: str) -> str:
    """How a model is reached: mock (a stand-in), weights (here or on a server that tells every label's
    probability), api (behind an API)."""
    if model.partition("/")[0] == "mock":
        return "mock"
    return "api" if behind(model) else "weights"

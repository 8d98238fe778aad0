"""A model in memory, as the Python interface hands it from one verb to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homines.core.types import Choice, HominesError, Model, Prompt
from homines.results import RunResult

LOADING = ("device", "dtype", "trust_remote_code")
"""How a model is loaded: parameters of `load`, and fields of a Loaded."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A Model in memory, with the options it was loaded by; its other capabilities are those of `model`.

    run   the alignment that trained it; None for a model that was only loaded
    """

    model: Model
    spec: str
    device: str | None = None
    dtype: str | None = None
    trust_remote_code: bool = False
    run: RunResult | None = None

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def provenance(self) -> Any:
        return self.model.provenance

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        """The distribution over each prompt's labels."""
        return self.model.score(prompts)

    def __repr__(self) -> str:
        where = ", ".join(str(self.provenance[k]) for k in ("device", "dtype") if k in self.provenance)
        return f"{self.spec} ({where})" if where else self.spec

    def _repr_html_(self) -> str | None:
        return None if self.run is None else self.run._repr_html_()


def loading_of(loaded: Sequence[Loaded]) -> dict[str, Any]:
    """How these models were loaded. Raises HominesError where they were loaded in several ways."""
    placements = {tuple(getattr(m, name) for name in LOADING) for m in loaded}
    if len(placements) > 1:
        raise HominesError(f"the models were loaded in {len(placements)} ways; load them by the same options")
    return dict(zip(LOADING, next(iter(placements)), strict=True)) if placements else {}

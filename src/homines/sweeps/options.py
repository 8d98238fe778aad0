"""Where the cells of a sweep are done. Light to import: the command line reads its options here."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.options import option
from homines.core.plugins import names
from homines.core.types import HominesError


@dataclass(frozen=True)
class SweepOptions:
    """Where cells are done."""

    engine: str = option("here", "here (this process), local (processes), ray (a cluster).")
    workers: int | None = option(None, "Cells at a time; default: as many as there is room for.", low=1)
    address: str | None = option(
        None, "Of the Ray cluster; default: RAY_ADDRESS, or the one on this machine."
    )

    def __post_init__(self) -> None:
        if self.engine not in names("sweeps.engines"):
            raise HominesError(
                f"no engine called {self.engine!r}; there are {', '.join(names('sweeps.engines'))}"
            )
        if self.workers is not None and self.engine == "here":
            raise HominesError(
                "--workers bears on nothing beside --engine here, which is one; use --engine local"
            )
        if self.workers is not None and self.workers < 1:
            raise HominesError(f"workers is {self.workers}; at least 1")
        if self.address is not None and self.engine != "ray":
            raise HominesError(f"--address bears on nothing beside --engine {self.engine}; use --engine ray")

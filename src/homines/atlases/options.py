"""Options of an atlas: which row is added or completed, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from homines.core.options import DEVICE, DTYPE, MODEL, option


@dataclass(frozen=True, kw_only=True)
class AtlasOptions:
    """Which row is added or completed, and where."""

    model: str | None = option(None, f"{MODEL} Left out: only the table and the page are written.", "model")
    out: Path = option(Path("runs/atlas"), "Folder of the atlas.")
    base: str | None = option(None, "Model that it was made from; default: what stands before the +.")
    quick: bool = option(False, "Fewer questions; a row is completed without it.", "--quick")
    device: str | None = option(None, DEVICE)
    dtype: str | None = option(None, DTYPE)

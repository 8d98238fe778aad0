"""Which of several processes this is (`accelerate launch homines ...`), and what each may print."""

from __future__ import annotations

import os
import warnings


def quiet() -> None:
    """Silence what the libraries say of themselves; our own warnings stay."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for module in ("transformers", "peft", "torch", "accelerate"):
        warnings.filterwarnings("ignore", module=rf"{module}(\..*)?$")

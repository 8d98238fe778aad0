"""Whether the Hugging Face Hub answers, found out within seconds.

huggingface_hub waits ten seconds for each of several files, and tries some again. One short request says
first whether it is in reach; where it is not, its client is set offline, as HF_HUB_OFFLINE=1 does, and what
its cache holds is used.
"""

from __future__ import annotations

import os
import threading

from homines.core.catalogue import NAMES
from homines.core.types import HominesError

WAIT = 4.0
"""Seconds in which the Hub must answer, name lookup and proxies included."""


def in_reach() -> bool:
    """Whether the Hub (HF_ENDPOINT) answers within WAIT seconds. Sets huggingface_hub offline where it does
    not, and online again where it does; a person's HF_HUB_OFFLINE=1 is left alone."""
    from huggingface_hub import constants

    if any(
        os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    ):
        return False
    reached = threading.Event()
    # a thread, for the lookup of a name has no time limit of its own
    threading.Thread(target=_ask, args=(constants.ENDPOINT, reached), daemon=True).start()
    answered = reached.wait(WAIT)
    constants.HF_HUB_OFFLINE = not answered
    return answered


def _ask(address: str, reached: threading.Event) -> None:
    import httpx

    try:
        httpx.head(address, timeout=WAIT)
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        return
    reached.set()


def check_reach(repository: str) -> None:
    """Raises HominesError where the Hub does not answer and its cache on this machine lacks this model."""
    from huggingface_hub import try_to_load_from_cache

    if in_reach():
        return
    try:
        cached = isinstance(try_to_load_from_cache(repository, "config.json"), str)
    except ValueError:  # no name of the Hub, which its client says better
        return
    if not cached:
        raise HominesError(
            f"cannot load hf/{repository}: the Hub does not answer within {WAIT:.0f} s (or HF_HUB_OFFLINE is "
            f"set), and its cache here lacks this model; connect, or name a folder as hf/FOLDER. "
            f"{', '.join(NAMES)} come from pip's registry too"
        )

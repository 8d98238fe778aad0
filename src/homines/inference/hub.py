"""Whether the Hugging Face Hub answers, found out within seconds.

huggingface_hub waits ten seconds for each of several files, and tries some again. One short request says
first whether it is in reach; where it is not, its client is set offline, as HF_HUB_OFFLINE=1 does, and what
its cache holds is used.
"""

from __future__ import annotations

import os
import threading
import time
from queue import Empty, SimpleQueue
from typing import NamedTuple

from homines.core.catalogue import NAMES
from homines.core.types import HominesError

WAIT = 4.0
"""Seconds in which the Hub must answer, name lookup and proxies included."""
FRESH = 60.0
"""Seconds for which an answer is remembered."""


class Reach(NamedTuple):
    """Whether the Hub at an address answered, and when (seconds of time.monotonic)."""

    address: str
    time: float
    answered: bool


_last: Reach | None = None
_offline = False
"""Whether huggingface_hub was set offline here."""


def in_reach() -> bool:
    """Whether the Hub (HF_ENDPOINT) answers within WAIT seconds; its answer holds for FRESH seconds.

    Sets huggingface_hub offline where it does not, and online again where it does later. Where a person
    (HF_HUB_OFFLINE=1) or a program set it offline, it stays so and nothing is asked.
    """
    from huggingface_hub import constants

    global _last, _offline
    if any(
        os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    ):
        return False
    if constants.HF_HUB_OFFLINE and not _offline:
        return False
    address, now = constants.ENDPOINT, time.monotonic()
    if _last is None or _last.address != address or now - _last.time > FRESH:
        _last = Reach(address, now, _answers(address))
    _offline = constants.HF_HUB_OFFLINE = not _last.answered
    return _last.answered


def _answers(address: str) -> bool:
    """Whether a server answers at this address within WAIT seconds."""
    replies: SimpleQueue[bool] = SimpleQueue()

    def ask() -> None:
        try:
            import httpx

            httpx.head(address, timeout=WAIT)
        except Exception:  # of the network, or of a proxy that httpx has no part for
            replies.put(False)
        else:
            replies.put(True)

    # a thread, for the lookup of a name has no time limit of its own
    threading.Thread(target=ask, daemon=True).start()
    try:
        return replies.get(timeout=WAIT)
    except Empty:
        return False


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

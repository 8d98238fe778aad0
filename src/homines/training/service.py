"""Fine-tuning services: upload a data folder, start a job, follow it, name the resulting model.

The official client of OpenAI speaks to its own address, or to any service with the same interface
(OPENAI_BASE_URL). The key comes from the environment (OPENAI_API_KEY) and is never written. The folder keeps
the uploaded files' ids and the job's: the same command goes on where an earlier one was cut off, and nothing
is uploaded or paid twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from homines.core import paths
from homines.core.capabilities import check_begun
from homines.core.checks import count
from homines.core.options import option, required
from homines.core.progress import QUIET, Follow
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Interrupted
from homines.datasets.folder import read
from homines.datasets.row import Row

SERVICE = "openai"
KEY = "OPENAI_API_KEY"
ENDED = ("succeeded", "failed", "cancelled")
TRIES = 6
"""Of starting a job; before each the service is asked whether it started after all."""
FEWEST = 10
"""Rows that the service asks for."""
POLL, LONGEST_POLL = 5.0, 60.0
"""Seconds between looks at a job: the first, and the longest they grow to."""


@dataclass(frozen=True)
class Order:
    """What to fine-tune on what. model: the service's name of the base model."""

    model: str = required("openai/MODEL, as openai/gpt-4o-mini.", "model")
    data: str = required("Data folder, as `homines data` makes it.")
    epochs: int | None = option(None, "Times each row is seen; default: the service's.")
    suffix: str = option("homines", "Part of the resulting model's name.")
    seed: int = option(0, "Passed to the service.")

    def __post_init__(self) -> None:
        if self.epochs is not None:
            count("epochs", self.epochs)
        if not self.model:
            raise HominesError("name the model to fine-tune, as in openai/gpt-4o-mini")


def service(spec: str) -> str:
    """The model's name of 'openai/MODEL'."""
    name, slash, model = spec.partition("/")
    if name != SERVICE or not slash or not model:
        raise HominesError(f"no fine-tuning service in {spec!r}; write openai/MODEL, as openai/gpt-4o-mini")
    return model


def client(retries: int = 6) -> Any:
    """The official client. Raises HominesError where it is not installed or there is no key."""
    if find_spec("openai") is None:
        raise HominesError(
            "fine-tuning services need openai, which is missing: pip install 'homines[finetune]'"
        )
    if not os.environ.get(KEY):
        raise HominesError(
            f"no key: set {KEY} in the environment; homines reads it there and never writes it"
        )
    key, address = os.environ[KEY], os.environ.get("OPENAI_BASE_URL", "https://")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise HominesError(f"{KEY} holds characters that no key has (not shown here); set it anew")
    if not address.startswith(("https://", "http://")):
        raise HominesError(f"OPENAI_BASE_URL is {address!r}; it must begin with https:// or http://")
    from openai import OpenAI

    return OpenAI(max_retries=retries)


def finetune(
    order: Order,
    folder: Path,
    *,
    command: str = "",
    follow: Follow = QUIET,
    wait: Callable[[float], None] = time.sleep,
) -> str:
    """Carry out an order in its run folder; the name of the resulting model, ready for `openai/NAME`.

    follow   its `step` is called with the job's `status` and trained `tokens` whenever it is looked at

    Raises HominesError where the service refuses the key, the file or the job, or the job fails; Interrupted
    where `follow.stop` says so: the job goes on at the service, and the same command finds it again.
    """
    recipe, train, test = read(order.data)
    if len(train) < FEWEST:
        raise HominesError(
            f"{len(train)} rows are fewer than the {FEWEST} the service asks for; generate more"
        )
    check_begun(None, (row.prompt for row in (*train, *test)), order.model)
    soft = recipe.targets == "logit"
    if soft:
        follow.say(
            f"a service takes one answer a row: they are drawn from the logit choices (seed {order.seed})"
        )
    parts = {part: rows for part, rows in (("train", train), ("test", test)) if rows}
    bodies = {
        part: _drawn(rows, order.seed) if soft else paths.read(order.data, f"{part}.jsonl")
        for part, rows in parts.items()
    }
    hashes = {part: hashlib.sha256(body).hexdigest()[:16] for part, body in bodies.items()}
    with RunFolder(folder, {**asdict(order), "kind": "finetune", "files": hashes, "command": command}) as run:
        api = client()
        state: dict[str, Any] = run.noted("job.json") or {"files": {}, "job": None}
        for part, body in bodies.items():
            if part not in state["files"]:
                state["files"][part] = _upload(api, f"{part}.jsonl", body)
                run.note("job.json", state)
            if state["job"] is None:
                _check_accepted(api, state["files"][part], f"{part}.jsonl")
        if state["job"] is None:
            state["job"] = _start_job(api, order, state["files"], wait)
            run.note("job.json", state)
        job = _follow_job(api, state["job"], follow, wait)
        state |= {"status": job.status, "model": job.fine_tuned_model, "trained_tokens": job.trained_tokens}
        run.note("job.json", state)
    if job.status != "succeeded" or not job.fine_tuned_model:
        why = job.error.message if job.error and job.error.message else "the service gives no reason"
        raise HominesError(
            f"the job {job.id} {job.status}: {why}. Its files and its state are kept in {folder}; correct "
            "the data or the model, and use another --out"
        )
    return str(job.fine_tuned_model)


def _drawn(rows: Sequence[Row], seed: int) -> bytes:
    """The rows as lines of chat turns, each with an answer drawn from its logit choice."""
    rng = np.random.default_rng(seed)
    return "".join(json.dumps(row.draw(rng).messages(), ensure_ascii=False) + "\n" for row in rows).encode()


def _call(what: str, call: Callable[[], Any]) -> Any:
    """The answer of the service, its refusals as errors that say what to do and hold no key."""
    import openai

    try:
        return call()
    except (openai.AuthenticationError, openai.PermissionDeniedError) as refusal:
        raise HominesError(
            f"{what}: the service refuses the key ({refusal.status_code}); set a valid {KEY} in the "
            "environment"
        ) from None
    except openai.RateLimitError as refusal:
        if refusal.code == "insufficient_quota":
            raise HominesError(
                f"{what}: the account has no credit left ({_message(refusal)}); nothing is lost, add some"
            ) from None
        raise HominesError(
            f"{what}: the service is still busy after many tries (429: {_message(refusal)}); run the same "
            "command later, nothing is lost"
        ) from None
    except openai.APIConnectionError as failure:
        raise HominesError(
            f"{what}: no connection to the service ({type(failure).__name__}); check OPENAI_BASE_URL and the "
            "network, then run the same command again"
        ) from None
    except openai.APIStatusError as refusal:
        again = "run the same command later" if refusal.status_code >= 500 else "correct what it names"
        raise HominesError(
            f"{what}: the service says {refusal.status_code}: {_message(refusal)}; {again}"
        ) from None


def _message(refusal: Any) -> str:
    """The service's own words, without the key, should it repeat it."""
    body = refusal.body if isinstance(refusal.body, dict) else {}
    text = str(body.get("message") or refusal.message)[:300]
    key = os.environ.get(KEY, "")
    return text.replace(key, "[key]") if key else text


def _upload(api: Any, name: str, body: bytes) -> str:
    """Upload a file; its id."""
    upload = _call(f"uploading {name}", lambda: api.files.create(file=(name, body), purpose="fine-tune"))
    return str(upload.id)


def _check_accepted(api: Any, file: str, name: str) -> None:
    """Raise HominesError where the service rejects an uploaded file."""
    upload = _call(f"checking {name}", lambda: api.files.retrieve(file))
    if upload.status == "error":
        raise HominesError(
            f"the service rejects {name}: {upload.status_details or 'no reason given'}; generate the data "
            "anew, and use another --out"
        )


def _start_job(api: Any, order: Order, files: dict[str, str], wait: Callable[[float], None]) -> str:
    """The id of the job on these files: one that the service has (its answer was lost), else a new one."""
    import openai

    chosen = {} if order.epochs is None else {"hyperparameters": {"n_epochs": order.epochs}}
    more = {"validation_file": files["test"]} if "test" in files else {}
    once = api.with_options(max_retries=0)  # the client's own retries could start, and bill, two
    passing = (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError)
    what = f"starting a job on {order.model}"

    def create() -> Any:
        return once.fine_tuning.jobs.create(
            model=order.model,
            training_file=files["train"],
            method={"type": "supervised", "supervised": chosen},
            seed=order.seed,
            suffix=order.suffix,
            **more,
        )

    refusals: list[Exception] = []
    for attempt in range(TRIES):
        jobs = _call(what, lambda: api.fine_tuning.jobs.list(limit=100)).data
        if job := next((job for job in jobs if job.training_file == files["train"]), None):
            return str(job.id)
        try:
            return str(create().id)
        except openai.OpenAIError as refusal:
            refusals.append(refusal)
            if not isinstance(refusal, passing) or getattr(refusal, "code", None) == "insufficient_quota":
                break
            wait(2.0**attempt)

    def refuse() -> Any:
        raise refusals[-1]

    return str(_call(what, refuse))


def _follow_job(api: Any, name: str, follow: Follow, wait: Callable[[float], None]) -> Any:
    """The job once it has ended."""
    pause = POLL
    while True:
        job = _call(f"looking at job {name}", lambda: api.fine_tuning.jobs.retrieve(name))
        follow.step({"status": job.status, "tokens": job.trained_tokens})
        if job.status in ENDED:
            return job
        if follow.stop():
            raise Interrupted(f"stopped watching job {name}, which goes on at the service")
        wait(pause)
        pause = min(LONGEST_POLL, 1.5 * pause)

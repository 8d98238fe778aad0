"""Adapters by name: a PEFT folder, or an id on the Hub, `ORG/NAME` or `ORG/NAME@REVISION`.

Of a Hub repository two files are fetched, the settings and the weights in safetensors. They lie in the Hub's
cache, from which an adapter loads without a network.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from homines.core import catalogue, strict_json
from homines.core.types import HominesError
from homines.inference import hub

SETTINGS, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
HUB_ID = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w[\w./-]*))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
MISSING = {
    SETTINGS: ", so it is no adapter; a whole model is named hf/ORG/NAME",
    WEIGHTS: ", and no other format is loaded; save it again by PEFT's save_pretrained, which writes that",
}
"""What follows from a file that a repository lacks."""


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder. commit: of the Hub's repository; None for a folder that was named."""

    folder: Path
    commit: str | None = None

    @property
    def files(self) -> list[Path]:
        return [self.folder / WEIGHTS, self.folder / SETTINGS]


def find_adapter(name: str) -> Adapter:
    """The adapter of this name: a folder where there is one, else the Hub's.

    Raises HominesError where there is neither, and where it has no weights in safetensors. Nothing is looked
    up on the Hub where the first part of a name without revision is a folder here: it may be a mistyped path.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir() and (match := HUB_ID.fullmatch(name)):
        first = name.partition("/")[0]
        if not match["revision"] and Path(first).is_dir():
            raise HominesError(
                f"no folder {name!r}, though there is {first!r}, so nothing was looked up on the Hub; "
                f"correct the path, or name an adapter of the Hub as {name}@main"
            )
        return _of_hub(match["repository"], match["revision"] or "main")
    if not (folder / SETTINGS).exists():
        raise HominesError(
            f"no PEFT adapter in {name!r}: it must be a folder with {SETTINGS} and {WEIGHTS}, as `homines "
            "align` writes it, or a Hub id as ORG/NAME or ORG/NAME@REVISION"
        )
    if not (folder / WEIGHTS).exists():
        raise HominesError(f"{folder} holds no {WEIGHTS}; no other format is loaded")
    return Adapter(folder)


def is_hub_id(name: str) -> bool:
    """Whether this is the form of an adapter on the Hub."""
    return HUB_ID.fullmatch(name) is not None


def _of_hub(repository: str, revision: str) -> Adapter:
    """The adapter in the Hub's cache, fetched there where the Hub can be reached and has another commit."""
    from huggingface_hub import errors, hf_hub_download

    if COMMIT.fullmatch(revision) and (adapter := _from_cache(repository, revision)):
        return adapter
    wanted, reached = SETTINGS, hub.in_reach()  # out of reach, a download would try for 23 s
    try:
        folder = Path(hf_hub_download(repository, SETTINGS, revision=revision)).parent
        wanted = WEIGHTS
        hf_hub_download(repository, WEIGHTS, revision=folder.name)
    except errors.GatedRepoError as failure:
        raise HominesError(
            f"the adapter {repository} is gated: ask for access on its page of the Hub, then give a token of "
            "yours as HF_TOKEN"
        ) from failure
    except errors.RepositoryNotFoundError as failure:
        raise HominesError(
            f"no folder {repository!r} here, and no such repository on the Hub; check the name, or give "
            "HF_TOKEN where it is private"
        ) from failure
    except errors.RevisionNotFoundError as failure:
        raise HominesError(
            f"the adapter {repository} has no revision {revision!r} on the Hub; give a branch, tag or commit "
            "of it, or none for main"
        ) from failure
    except errors.RemoteEntryNotFoundError as failure:
        raise HominesError(f"{repository} on the Hub holds no {wanted}{MISSING[wanted]}") from failure
    except Exception as failure:  # the Hub's client, and the library beneath it, have errors of their own
        if adapter := _from_cache(repository, revision):
            return adapter
        first = (str(failure).strip().splitlines() or [type(failure).__name__])[0]
        why = f"nothing could be fetched ({first[:200]})" if reached else "the Hub cannot be reached"
        raise HominesError(
            f"no folder {repository!r} here, {why}, and the Hub's "
            f"cache has no {SETTINGS} and {WEIGHTS} of {repository} at {revision}; run this where the Hub "
            "can be reached, or fetch both files by hand and name their folder"
        ) from failure
    return Adapter(folder, folder.name)


def _from_cache(repository: str, revision: str) -> Adapter | None:
    """The adapter in the Hub's cache; None where a file of it is not there."""
    from huggingface_hub import try_to_load_from_cache

    paths = [try_to_load_from_cache(repository, name, revision=revision) for name in (SETTINGS, WEIGHTS)]
    if not all(isinstance(path, str) for path in paths):
        return None
    folder = Path(str(paths[0])).parent
    return Adapter(folder, folder.name)


def note_base(adapter: Adapter, name: str, model: str) -> None:
    """Say on standard error where an adapter's settings name another base model than the one it is put on.

    name    of the adapter
    model   MODEL that it is put on, without adapters
    """
    base = strict_json.loads((adapter.folder / SETTINGS).read_bytes()).get("base_model_name_or_path")
    if isinstance(base, str) and base and not same_model(base, model):
        print(
            f"the adapter {name} was trained on {base[:200]!r} and is put on {model}; unless these are the "
            "same weights, the answers say nothing of it",
            file=sys.stderr,
        )


def same_model(base: str, model: str) -> bool:
    """Whether two names may be of one model: by the last part of each, of the catalogue's the Hub id's.

    >>> same_model("google/gemma-2-2b-it", "hf/~/models/gemma-2-2b-it"), same_model("gpt2", "smollm2")
    (True, False)
    """
    names = (name.partition("+")[0] for name in (base, model))
    known = (entry.base if (entry := catalogue.find(name)) else name for name in names)
    first, second = (name.rstrip("/").rpartition("/")[2].lower() for name in known)
    return first == second

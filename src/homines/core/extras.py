"""The extras of this package: what of them is missing here, and the command that installs it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

REQUIREMENT = re.compile(
    r"(?P<package>[\w.-]+)(?P<limits>[^;]*?)\s*;.*extra\s*==\s*['\"](?P<extra>[\w.-]+)['\"].*"
)
PURPOSES: Mapping[str, str] = {
    "4bit": "weights in four bits (--dtype nf4)",
    "api": "models behind an API; tasks of Inspect",
    "bench": "benchmarks",
    "docs": "the site of the documentation",
    "finetune": "fine-tuning services",
    "markets": "markets of Q-learners",
    "opponents": "strategies of axelrod",
    "sampled": "sampled reinforcement learning",
    "scale": "sweeps on a Ray cluster",
    "view": "the local page, playing in a browser",
    "vllm": "a server of vLLM on this machine",
}


@dataclass(frozen=True)
class Extra:
    """An extra of this package. missing: its packages that are not here, or older than it needs."""

    name: str
    missing: tuple[str, ...]

    @property
    def purpose(self) -> str:
        return PURPOSES.get(self.name, "")


def extras() -> list[Extra]:
    """Every extra with a package of its own, by its name; none where this package is not installed."""
    try:
        lines = requires("homines") or []
    except PackageNotFoundError:
        return []
    packages: dict[str, list[str]] = {}
    for match in filter(None, map(REQUIREMENT.fullmatch, lines)):
        missing = packages.setdefault(match["extra"], [])
        if not _installed(match["package"], match["limits"]):
            missing.append(match["package"] + match["limits"])
    return [Extra(name, tuple(sorted(missing))) for name, missing in sorted(packages.items())]


def install_command(extra: str) -> str:
    """The command that installs an extra: editable where this package is a checkout of its repository."""
    root = Path(__file__).resolve().parents[3]
    checkout = (root / "pyproject.toml").is_file() and root.joinpath("src", "homines").is_dir()
    target = f"--editable '{root}[{extra}]'" if checkout else f"'homines[{extra}]'"
    return f"{sys.executable} -m pip install {target}"


def _installed(package: str, limits: str) -> bool:
    """Whether a package is installed and not older than the least version in its limits; not imported."""
    try:
        present = version(package)
    except PackageNotFoundError:
        return False
    least = re.search(r">=\s*([\d.]+)", limits)
    return least is None or _numbers(present) >= _numbers(least[1])


def _numbers(text: str) -> tuple[int, ...]:
    """The release of a version: (2, 13, 0) of '2.13.0+cpu'."""
    release = re.match(r"[\d.]*", text)
    return tuple(int(part) for part in (release[0] if release else "").split(".") if part)

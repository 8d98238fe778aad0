"""What the tests share: one thread, no pause between tries, the embedded model, tiny networks, a browser."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: workers of xdist share the cores

import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

from homines.inference import api_calls
from homines.models import load
from homines.models.catalogue import cache_folder, pull
from homines.models.hf import HuggingFace
from tests.helpers.browsing import CHROMIUM, DRIVER, FLAGS
from tests.helpers.pages import Kit
from tests.helpers.tiny import willing

MEMORY = pytest.StashKey[list[int]]()
"""Peak memory of each process of the tests, in kB."""

torch.set_num_threads(1)
for profile, examples in (("dev", 100), ("ci", 200)):
    settings.register_profile(
        profile, max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MEMORY] = []


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist hands its peak memory to the controller; without workers it is the process's own."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["peak"] = peak
    elif not getattr(session.config.option, "numprocesses", 0):
        session.config.stash[MEMORY].append(peak)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[MEMORY].append(getattr(node, "workeroutput", {}).get("peak", 0))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    peaks = config.stash[MEMORY]
    if peaks:
        terminalreporter.write_line(f"peak memory of a process: {max(peaks) / 1e6:.2f} GB")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that failed are made again at once."""
    monkeypatch.setattr(api_calls, "LONGEST_PAUSE", 0.0)


@pytest.fixture(scope="session")
def smollm2() -> HuggingFace:
    """The embedded model on the CPU. Never train it: it is everybody's."""
    model = load("smollm2", device="cpu")
    assert isinstance(model, HuggingFace)
    return model


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """The embedded model's tokenizer alone, without its weights."""
    from transformers import AutoTokenizer

    folder = cache_folder() / "smollm2"
    return AutoTokenizer.from_pretrained(str(folder if folder.exists() else pull()))


@pytest.fixture
def opened() -> Iterator[Callable[[str], Any]]:
    """Load a model; its connections are closed at the end."""
    models: list[Any] = []

    def open_(name: str) -> Any:
        models.append(load(name))
        return models[-1]

    yield open_
    for model in models:
        model.close()


@pytest.fixture
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def fresh(tokenizer: Any) -> Callable[[], HuggingFace]:
    """Makes the student, the same one at every call."""
    return lambda: HuggingFace(willing(tokenizer), tokenizer, name="tiny", provenance={"revision": "t"})


@pytest.fixture
def student(fresh: Callable[[], HuggingFace]) -> HuggingFace:
    return fresh()


@pytest.fixture
def folder(tokenizer: Any, tmp_path: Path) -> Path:
    """The student as a user has it: a model folder."""
    where = tmp_path / "student"
    willing(tokenizer).save_pretrained(where)
    tokenizer.save_pretrained(where)
    return where


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.execute_cdp_cmd("Network.enable", {})
    yield driver
    driver.quit()

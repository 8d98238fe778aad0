"""The command that a command suggests at its end is never refused: each is run as it stands."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.cli.app import COMMANDS, main
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice
from homines.elicitation.asking import measure
from homines.elicitation.questions import Question
from homines.elicitation.survey import PROTOCOLS, Survey
from homines.models.hf import HuggingFace
from homines.models.mock import Mock, uniform
from homines.people.session import Sitting
from homines.reports.run_page import write
from homines.reports.suggestions import next_command
from homines.theory.choice import LogitAgent
from tests.helpers.serve import serve

Homines = Callable[..., list[str]]
FEW = {"align": ("--steps", "1", "--no-check")}
"""What keeps a training short, after the command as it stands."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Homines:
    """Run a command, what it suggests, what that suggests, up to `most`; the commands suggested."""

    def run(*arguments: str, most: int = 3) -> list[str]:
        words, following = list(arguments), list[str]()
        for _ in range(1 + most):
            monkeypatch.setattr(sys, "argv", ["homines", *words, *FEW.get(words[0], ())])
            with pytest.raises(SystemExit) as left:
                main()
            said = capsys.readouterr()
            assert left.value.code == 0, (words, said.err)
            lines = [line for line in said.out.splitlines() if line.startswith("next ")]
            if not lines:
                break
            name, *words = shlex.split(lines[0].removeprefix("next"))
            assert name == "homines"
            following.append(" ".join(word for word in words if word in ("battery", *COMMANDS)))
        return following

    return run


def test_after_a_mock(chain: Homines) -> None:
    assert chain("measure", "mock/uniform", "--out", "a run") == ["measure battery"]  # at random: no estimate
    assert command_on_page(Path("a run")) == "homines measure mock/uniform --game battery"
    # by a hash of the question: estimates without any bound
    assert chain("measure", "mock", "--game", "battery", "--out", "my run") == []
    assert command_on_page(Path("my run")) is None


def test_after_a_network(chain: Homines, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Aligned, measured in other words, loaded as it was; no longer than that, for it would go on."""
    spec = f"hf/{folder.rename(folder.with_name('my student'))}"
    placed = ("--device", "cpu", "--dtype", "float32")
    assert chain("measure", spec, *placed, most=2) == ["align", "measure", "align"]
    (aligned,) = Path("runs").glob("align-*")
    name, *words = shlex.split(command_on_page(aligned) or "")
    assert (name, words[1]) == ("homines", f"{spec}+adapter")
    monkeypatch.chdir(aligned)
    chain(*words, "--dry-run")


def test_a_page_asks_for_what_can_be_asked() -> None:
    """A person, who plays; and nobody, where the choices are of a log."""
    records = [replace(r, model="people") for r in measure(Mock(uniform), ipd())]
    for kind, model, command in (
        ("play", "tit_for_tat", "homines play battery --against tit_for_tat"),
        ("import", "people", None),
        ("measure", "hf/a b", "homines measure 'hf/a b' --game battery --dtype float32"),
    ):
        with RunFolder(kind, {"kind": kind, "model": model, "dtype": "float32"}) as run:
            run.add(records)
        write(kind)
        assert command_on_page(Path(kind)) == command


HF: dict[str, Any] = {"swap": False, "goal": "highest score"}
REST = "--no-swap --goal 'highest score'"
SPOKEN = "table(asks=aloud)"


@pytest.mark.parametrize(
    ("survey", "command"),
    [
        (Survey("hf/a b", **HF), f"'hf/a b' --labels X,Y {REST}"),
        (Survey("hf/a b", labels=("X,Y",)), "'hf/a b' --labels A,B"),
        (Survey("hf/a b", labels=("A,B",), **HF), f"'hf/a b' --frame '{SPOKEN}' --labels A,B {REST}"),
        (Survey("hf/a b", labels=("A,B",), frames=(SPOKEN,)), None),
        (Survey("mock", labels=("X,Y",)), "mock --labels A,B"),
        (Survey("mock", labels=("A,B",)), None),
        (Survey("mock", ("ipd", "battery")), "mock --game battery --game ipd --labels X,Y"),
        (Survey("mock", PROTOCOLS), "mock --game battery --labels X,Y --no-beliefs"),
        (Survey("mock", ("reciprocity",), beliefs=True), "mock --game reciprocity --labels A,B --beliefs"),
        (Survey("mock", ("dictator",)), None),
        (
            Survey("smollm2", ("dictator",), device="cpu"),
            f"smollm2 --game dictator --frame '{SPOKEN}' --device cpu",
        ),
    ],
)
def test_without_a_legal_answer_other_words_come_next(survey: Survey, command: str | None) -> None:
    """The same games and options with labels that fit them, then aloud where the model can; then nothing."""
    silent = Choice.of([0.0, 0.0], 0.0, 5)
    records = [replace(q.record, choice=silent) for q in survey.every_question(Mock(uniform))]
    suggested = next_command(survey, Path("none"), records)
    assert suggested == (None if command is None else f"homines measure {command}")


def test_after_silence(chain: Homines, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command is suggested twice, and each is accepted."""
    monkeypatch.setattr(
        Mock, "score", lambda _, prompts: [Choice.of([0.0] * len(p.labels), 0.0, 5) for p in prompts]
    )
    assert chain("measure", "mock", "--game", "ish", "--no-swap") == ["measure", "measure"]


def ipd() -> list[Question]:
    return Survey("mock", ("ipd",)).questions(Mock(uniform))


def command_on_page(folder: Path) -> str | None:
    """The command below the estimates of a run's page."""
    page = (folder / "report.html").read_text()
    found = re.search(r"Questions that tell alpha, beta and kappa apart.*?<code>(.*?)</code>", page)
    return unescape(found[1]) if found else None


@pytest.mark.parametrize(
    ("words", "following"),
    [
        (("ipd", "--labels", "C,D", "--against", "random"), "report"),
        (("battery", "--against", "always_cooperate"), "fit"),
    ],
)
def test_after_people(
    words: tuple[str, ...], following: str, chain: Homines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten rounds of one dilemma have no estimate; the answers of the battery may."""
    rng = np.random.default_rng(3)
    agent = LogitAgent(find("preferences", "inequity(.1, .3)"), 0.05)

    def answer(self: Sitting, _: int) -> None:
        turn = self.progress.turn
        assert turn is not None
        give(self, int(rng.choice(2, p=agent([turn.decision])[0].p)))

    give = Sitting.answer
    monkeypatch.setattr(Sitting, "answer", answer)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: 0)
    assert chain("play", *words, "--save", "my play", "--name", "Jo Doe") == [following]


def test_after_a_log_of_play(chain: Homines) -> None:
    assert chain("import", str(Path(__file__).parents[2] / "docs" / "play.csv")) == ["fit"]


def test_after_a_tuning(chain: Homines, folder: Path) -> None:
    rows = ("--n", "6", "--test", "2", "--no-reasons", "--out", "data")
    assert chain("data", "--to", "moralis(kappa=1)", *rows) == []
    spec, options = f"hf/{folder}", ("--by", "distill", "--no-check", "--think", "8", "--dtype", "float32")
    assert chain("tune", spec, "--data", "data", *options, most=1) == ["measure", "align"]


# --- servers, and the embedded model --------------------------------------------------------------


@pytest.mark.system
@pytest.mark.parametrize("spec", ["vllm/tiny", "openai-api/tests/tiny(read=samples, samples=1)"])
def test_after_a_served_model(
    spec: str, chain: Homines, student: HuggingFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The battery is cut to one game: what is asked is no matter here."""
    for module in ("elicitation.survey", "reports.suggestions"):
        monkeypatch.setattr(f"homines.{module}.PROTOCOLS", ("trust(1)",))
    with serve(student) as server:
        for name in ("TESTS", "VLLM"):
            monkeypatch.setenv(f"{name}_API_KEY", server.key)
            monkeypatch.setenv(f"{name}_BASE_URL", f"{server.url}/v1")
        assert chain("measure", spec)[0] == "measure battery"


@pytest.mark.system
def test_after_the_embedded_model(chain: Homines) -> None:
    assert chain("measure", "smollm2", most=2) == ["align", "measure", "align"]

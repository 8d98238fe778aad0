"""A certificate of a model behind an API on loopback: counted answers, cost, and the model again."""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from homines.certificates.certificate import read_certificate
from homines.cli.app import main
from homines.elicitation.capability import items
from homines.models.hf import HuggingFace
from tests.helpers.serve import serve
from tests.helpers.tiny import willing

pytest.importorskip("inspect_ai")
MODEL = "openai-api/tests/tiny(samples=10)"
PAIRS = (("action1", "action2"), ("X", "Y"), ("A", "B"))
EVERYDAY = {prompt.messages[-1][1]: prompt.labels for prompt in items()}


@pytest.mark.system
def test_a_model_behind_an_api_is_certified_and_is_itself_again(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its answers are drawn anew at every call, seven in ten the first of the words that a question has."""
    monkeypatch.chdir(tmp_path)
    rng, sure = random.Random(0), {"first": 0.7}

    def draw(ids: list[int], body: dict[str, Any], drawn: Any, index: int) -> dict[str, Any]:
        asked = body["messages"][-1]["content"]
        pair = next((p for p in PAIRS if all(re.search(rf"\b{word}\b", asked) for word in p)), ("A", "B"))
        words = EVERYDAY.get(asked, pair)
        said = words[0] if rng.random() < sure["first"] else words[-1]
        message = {"role": "assistant", "content": said}
        return {"index": index, "message": message, "finish_reason": "stop", "logprobs": None, "made": 5}

    def certify(*more: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["homines", "certify", MODEL, *more])
        with pytest.raises(SystemExit) as left:
            main()
        return int(str(left.value.code or 0)), capsys.readouterr().out

    net = HuggingFace(
        willing(tokenizer, max_position_embeddings=4096), tokenizer, name="tiny", provenance={"revision": "t"}
    )
    with serve(net, most_top=0) as server:
        server.draw = draw  # type: ignore[method-assign]
        monkeypatch.setenv("TESTS_API_KEY", server.key)
        monkeypatch.setenv("TESTS_BASE_URL", f"{server.url}/v1")
        code, said = certify("--quick", "--out", "first")
        assert code == 0, said
        first = read_certificate("first")
        assert first.kind == "api"
        assert first.facts["cost"]["calls"] >= first.facts["cost"]["questions"]
        for name in ("C after CC", "legal mass", "probability of the right answer"):
            cell = first.cells[name]
            assert cell.n
            assert cell.lower is not None
        code, said = certify("--against", "first", "--out", "again")
        assert code == 0, said
        assert said.startswith("The same as the certificate")
        sure["first"] = 0.1
        code, said = certify("--against", "first", "--out", "later")
        assert code == 3, said
        assert "intervals" in said.splitlines()[0]
        assert server.key not in (tmp_path / "first" / "certificate.json").read_text()

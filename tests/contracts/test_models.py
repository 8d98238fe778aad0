"""Every file of models/ loads by the contract; the mock is a model; unknown names are told. No weights."""

from __future__ import annotations

import inspect
from importlib import import_module

import numpy as np
import pytest
from numpy.testing import assert_allclose

from homines.core.plugins import names
from homines.core.types import HominesError, Model, Prompt
from homines.models import load
from homines.models.mock import HANDLERS, Mock, uniform

ALL = names("models")
ASK = Prompt((("user", "Pick X, Y or Z."),), ("X", "Y", "Z"))
MORE = Prompt((("user", "Pick X or Y."),), ("X", "Y"))


@pytest.mark.parametrize("name", ALL)
def test_a_file_loads_as_the_contract_says(name: str) -> None:
    loader = import_module(f"homines.models.{name}").load
    signature = inspect.signature(loader)
    signature.bind("rest", ("adapter",), device=None, dtype=None, trust_remote_code=False)
    for parameter in signature.parameters.values():
        if parameter.name in ("device", "dtype", "trust_remote_code"):
            assert parameter.kind is parameter.KEYWORD_ONLY
            assert not parameter.default  # remote code is off unless asked for
    assert str(import_module(f"homines.models.{name}").__doc__).startswith(f"`{name}")


@pytest.mark.parametrize("spec", [f"mock/{rest}" if rest else "mock" for rest in HANDLERS])
def test_a_mock_is_a_model(spec: str) -> None:
    model = load(spec, device="cpu", dtype="float32")
    assert isinstance(model, Model)
    assert model.name == spec
    assert model.provenance["revision"]
    assert model.score([]) == []
    if spec != "mock/broken":
        first, second = model.score([ASK, MORE])
        assert (first.p.shape, second.p.shape) == ((3,), (2,))
        for choice in (first, second):
            assert_allclose(choice.p.sum(), 1)
            assert 0 <= choice.mass <= 1
            assert choice.n is None


def test_the_same_words_get_the_same_answer_and_others_another() -> None:
    model = load("mock")
    once, again, other = model.score([ASK, ASK, MORE])
    assert np.array_equal(once.logp, again.logp)
    assert np.array_equal(once.logp, load("mock").score([ASK])[0].logp)
    assert once.logp[0] != other.logp[0]
    assert_allclose(Mock(uniform).score([ASK])[0].p, 1 / 3)


def test_the_broken_mock_fails_on_some_prompts_and_not_on_others() -> None:
    model, failed = load("mock/broken"), 0
    for i in range(40):
        try:
            model.score([Prompt((("user", f"prompt {i}"),), ("X", "Y"))])
        except RuntimeError:
            failed += 1
    assert 0 < failed < 20


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "mok",
            r"no model called 'mok' \(did you mean mock\?\); there are smollm2, .* hub id is hf/mok",
        ),
        ("qwen0.5b", r"did you mean qwen-0.5b"),
        ("qwen", r"did you mean qwen-\d.5b or qwen-\d.5b\?"),
        ("qwen-0.5b/x", "qwen-0.5b is one model and takes no name after it"),
        ("catalogue/smollm2", "no model called"),
        ("Qwen/Qwen3-0.6B", "hub id is hf/Qwen/Qwen3-0.6B"),
        ("", "no model called ''"),
        ("__init__", "no model called '__init__'"),
        ("../games/ipd", "no model called"),
        ("mock/nothing", "no mock called 'nothing'; there are uniform, slow, broken"),
        ("mock+adapter", "a mock takes no adapter, got 'adapter'"),
        ("smollm2/large", "smollm2 is one model and takes no name after it"),
    ],
)
def test_what_is_no_model_is_told(spec: str, message: str) -> None:
    with pytest.raises(HominesError, match=message):
        load(spec)

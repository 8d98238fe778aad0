"""The network that a plan trains: loaded before training, and again with what training made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from homines.core.types import HominesError
from homines.inference.reasoning import ReasoningOptions
from homines.models import load, trainable
from homines.models.hf import HuggingFace
from homines.training.trainer import Trained


class TrainingPlan(Protocol):
    """What every plan of a training says of its model.

    rank        of the LoRA adapter; 0: all weights are trained
    reasoning   how the model thinks aloud when it is measured; None: as it is by itself
    remedy      what to do where the model's weights are out of reach
    """

    @property
    def model(self) -> str: ...
    @property
    def device(self) -> str | None: ...
    @property
    def dtype(self) -> str | None: ...
    @property
    def trust_remote_code(self) -> bool: ...
    @property
    def rank(self) -> int: ...
    @property
    def reasoning(self) -> ReasoningOptions | None: ...
    @property
    def remedy(self) -> str: ...


def load_student(plan: TrainingPlan, name: str = "", *adapters: str) -> HuggingFace:
    """The plan's model, or the model `name`, with these adapters.

    Raises HominesError where its weights are out of reach.
    """
    name = name or plan.model
    if not trainable(name):
        raise HominesError(f"{name} cannot be trained here: its weights are out of reach; use {plan.remedy}")
    trust = plan.trust_remote_code
    model = load(name, *adapters, device=plan.device, dtype=plan.dtype, trust_remote_code=trust)
    assert isinstance(model, HuggingFace)
    if plan.reasoning is not None:
        model.reasoning = plan.reasoning
    return model


def load_trained(plan: TrainingPlan, trained: Trained) -> HuggingFace:
    """The trained model, from the folder that its training left."""
    if plan.rank:
        model = load_student(plan, plan.model, str(trained.folder))
    else:
        model = load_student(plan, f"hf/{trained.folder}")
    model.name = f"{plan.model}+{trained.folder.name}"  # wherever the folder may be moved to
    return model


def name_after(plan: TrainingPlan, result: Path) -> str:
    """The MODEL string that loads the trained model from here."""
    return f"{plan.model}+{result}" if plan.rank else f"hf/{result}"

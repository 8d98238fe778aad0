"""Exact reinforcement learning on transformers' Trainer: the only file that knows training.

The expected reward over the model's exact label distribution is differentiated; nothing is sampled.
One prompt set holds every state of the game once, in one frame, the option orders spread over the
states so that all sets together show each state in each order (a Latin square).

    myopic       J = mean_s [ sum_a P(a|s) u(s, a) + (1 - mass(s)) * illegal ]
    discounted   J = (1 - gamma) * start (I - gamma T)^-1 r,  r(s) the bracket above,
                 T(s, t) = p(a|s) q(b|s) the memory-one chain, p given a legal answer
    loss         -J + kl * mean_s sum_a P(a|s) log(p(a|s) / reference(a|s)): KL to the model before
                 training, of answers given that they are legal, weighed by the legal mass (which it does not
                 push: silence must not pay)
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from homines.choice import expected, told
from homines.core import Array, Decision, Frame, HominesError, Interrupted, Policy, Preference
from homines.forms import Repeated
from homines.logits import Encoded, label_logprobs
from homines.measure import situation
from homines.models.hf import HuggingFace
from homines.speak import orders

ADAM_EPSILON = 1e-20
"""A model that almost never answers legally has tiny gradients (they scale with the legal mass); below
this, float32 cannot hold their squares."""


@dataclass(frozen=True)
class Settings:
    """How to train. Rewards are in points of the preference's utility."""

    objective: str = "myopic"
    gamma: float = 0.9
    """Discount per round, for the discounted objective."""
    illegal: float = -6.0
    """Reward of an answer that is no label."""
    kl: float = 0.05
    """Last weight of the KL to the model before training, in points per nat: 1/precision."""
    kl_start: float = 3.0
    """First weight; it falls geometrically to `kl` over the first two thirds of the steps. About the
    spread of the payoffs: large enough that no state settles before the states are told apart."""
    steps: int = 24
    sets: int = 1
    """Prompt sets in one pass of the network."""
    accumulation: int = 1
    """Passes in one optimiser step."""
    lr: float = 3e-4
    rank: int = 64
    """LoRA rank; 0 trains all weights."""
    seed: int = 0
    save_every: int = 10
    report_to: str = "none"

    def kl_at(self, step: int) -> float:
        """KL weight before optimiser step `step` (0 is the first)."""
        if self.kl == 0 or self.kl_start <= self.kl:
            return self.kl
        done = min(1.0, 1.5 * step / self.steps)
        return self.kl_start ** (1 - done) * self.kl**done

    def __post_init__(self) -> None:
        rules: list[tuple[str, bool, str]] = [
            ("objective", self.objective in ("myopic", "discounted"), "be myopic or discounted"),
            ("gamma", 0 <= self.gamma < 1, "lie in [0, 1)"),
            ("kl", 0 <= self.kl < float("inf"), "be at least 0"),
            ("kl_start", 0 <= self.kl_start < float("inf"), "be at least 0"),
            ("seed", 0 <= self.seed < 2**32, "lie in [0, 2^32)"),
            ("illegal", np.isfinite(self.illegal), "be a number"),
            ("steps", self.steps >= 1, "be at least 1"),
            ("sets", self.sets >= 1, "be at least 1"),
            ("accumulation", self.accumulation >= 1, "be at least 1"),
            ("lr", 0 < self.lr < 1, "lie in (0, 1)"),
            ("rank", self.rank >= 0, "be at least 0 (0 trains all weights)"),
            ("save_every", self.save_every >= 1, "be at least 1"),
        ]
        for name, holds, rule in rules:
            if not holds:
                raise HominesError(f"{name} is {getattr(self, name)!r}; it must {rule}")


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned: prompts, the utility of every answer, and where it leads.

    sets       sets[i][s]: the prompt of state s in set i
    utility    expected utility, shape [state, action]
    onward     P(next state | state, action), shape [state, action, state]; None for one-shot decisions
    actions    names of the actions
    states     names of the states, for the log
    """

    sets: tuple[tuple[Encoded, ...], ...]
    utility: torch.Tensor
    onward: torch.Tensor | None
    actions: tuple[str, ...]
    states: tuple[str, ...]


def lesson(
    model: HuggingFace,
    game: Repeated | Sequence[Decision],
    preference: Preference,
    frames: Sequence[Frame],
    opponent: Policy | None = None,
    *,
    keep: Sequence[str] | None = None,
) -> Lesson:
    """Prompts and utilities for a repeated game against an opponent, or for a list of decisions.

    opponent   plays every other seat of a repeated game, answering the same last round
    keep       states to train on, such as ['C,C', 'D,C'] (mine, theirs); None: all
    """
    decisions = game.memory_one() if isinstance(game, Repeated) else tuple(game)
    if not decisions or len({d.actions for d in decisions}) > 1:
        raise HominesError(
            "training needs decisions that share their actions; train on them one kind at a time"
        )
    onward: torch.Tensor | None = None
    if isinstance(game, Repeated):
        if opponent is None:
            raise HominesError("a repeated game is played against somebody; name an --opponent")
        replies = [opponent(game.memory_one(k)) for k in range(1, len(game.stage.actions))]
        beliefs = [[r[s].p for r in replies] for s in range(len(decisions))]
        onward = torch.tensor(
            np.array([_onward(b, len(d.actions)) for d, b in zip(decisions, beliefs, strict=True)])
        )
    else:
        beliefs = [list(told(d)) for d in decisions]
    utility = np.array(
        [expected(preference(d), b, d.chance) for d, b in zip(decisions, beliefs, strict=True)]
    )
    names = tuple(map(situation, decisions))
    chosen = list(range(len(names)))
    if keep is not None:
        if unknown := [k for k in keep if k not in names]:
            raise HominesError(f"no state called {unknown[0]!r}; there are {', '.join(names)}")
        if not keep:
            raise HominesError(f"no state to train on; name some of {', '.join(names)}, or leave them out")
        chosen = [i for i, name in enumerate(names) if name in keep]
        onward = None if len(chosen) < len(names) else onward
    sets: list[tuple[Encoded, ...]] = []
    for frame in frames:
        shown = orders(len(decisions[0].actions), frame.places)
        for i in range(len(shown)):
            prompts = [frame(decisions[s], shown[(i + s) % len(shown)]) for s in chosen]
            sets.append(tuple(model.encode(prompts)))
    return Lesson(
        tuple(sets),
        torch.tensor(utility[chosen]),
        onward,
        decisions[0].actions,
        tuple(names[s] for s in chosen),
    )


def _onward(beliefs: Sequence[Array], actions: int) -> Array:
    """P(next joint action | my action), shape [mine, joint]."""
    others = np.ones(())
    for belief in beliefs:
        others = np.multiply.outer(others, belief)
    return np.multiply.outer(np.eye(actions), others).reshape(actions, -1)


def check(lesson: Lesson, settings: Settings) -> None:
    """Whether this lesson can be taught under these settings; HominesError where it cannot."""
    if settings.objective == "discounted" and lesson.onward is None:
        raise HominesError(
            "the discounted return needs a repeated game with all its states; "
            "use --objective myopic, or drop --states"
        )
    from transformers.integrations.integration_utils import get_available_reporting_integrations

    there = ["none", "all", *get_available_reporting_integrations()]
    if settings.report_to not in there:
        raise HominesError(
            f"report_to is {settings.report_to!r}; on this machine there are {', '.join(there)} "
            "(pip install what it names)"
        )


@dataclass(frozen=True, eq=False)
class Outcome:
    """The objective over a batch of sets, and figures to log. `logp` is [set, state, action]."""

    loss: torch.Tensor
    reward: float
    mass: float
    kl: float
    p: Array
    """P(action) given a legal answer, mean over sets, shape [state, action]."""


def objective(
    lesson: Lesson,
    settings: Settings,
    logp: torch.Tensor,
    reference: torch.Tensor | None = None,
    step: int = 0,
) -> Outcome:
    """Loss of label log-probabilities, shape [set, state, action]; differentiable."""
    logp = logp.cpu().double()  # a few numbers, and Apple's GPUs have no float64
    prob = logp.exp()
    mass = prob.sum(-1)
    reward = (prob * lesson.utility).sum(-1) + (1 - mass) * settings.illegal  # [set, state]
    legal = logp.log_softmax(-1).exp()
    if settings.objective == "discounted":
        check(lesson, settings)
        assert lesson.onward is not None
        chain = torch.einsum("isa,sat->ist", legal, lesson.onward)
        eye = torch.eye(chain.shape[-1], dtype=chain.dtype)
        worth = torch.linalg.solve(eye - settings.gamma * chain, reward[..., None])[..., 0]
        gain = (1 - settings.gamma) * worth.mean()
    else:
        gain = reward.mean()
    loss = -gain
    divergence = torch.zeros((), dtype=logp.dtype)
    if reference is not None:
        before = reference.cpu().double().log_softmax(-1)
        divergence = (mass.detach() * (legal * (legal.log() - before)).sum(-1)).mean()
        loss = loss + settings.kl_at(step) * divergence
    return Outcome(
        loss,
        float(gain.detach()),
        float(mass.detach().mean()),
        float(divergence.detach()),
        legal.detach().mean(0).numpy(),
    )


@dataclass(frozen=True)
class Trained:
    """Where the result lies and how the training went."""

    folder: Path
    """A PEFT adapter, or a whole model where all weights were trained."""
    seconds: float
    """Time in training steps alone, of this call (less than the whole where it was resumed)."""
    last: dict[str, Any]


def rl(
    model: HuggingFace,
    lesson: Lesson,
    settings: Settings,
    folder: Path,
    *,
    on_step: Callable[[dict[str, Any]], None] = lambda row: None,
    stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Train `model` (its network changes in place) and save the result under `folder`.

    folder/checkpoints   resumed from where there is a whole one; the caller removes them
    folder/adapter       (or folder/model) the result, written aside and renamed
    on_step              called with one row of figures a step; a resumed step comes again, the same
    """
    from transformers import Trainer, TrainerCallback, TrainingArguments
    from transformers.trainer_utils import set_seed

    final = folder / ("adapter" if settings.rank else "model")
    checkpoints = folder / "checkpoints"
    set_seed(settings.seed)
    net = _trainable(model, settings)
    reference = _reference(model, lesson) if settings.kl > 0 else None
    order = _sequence(len(lesson.sets), settings)
    seen: list[Outcome] = []
    last: dict[str, Any] = {}

    class ExactTrainer(Trainer):
        """Trainer whose loss is the exact objective over the sets of the batch."""

        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> torch.Tensor:
            chosen = inputs["sets"].tolist()
            logp = _score(model, [lesson.sets[i] for i in chosen], shared)
            known = None if reference is None else reference[chosen]
            out = objective(lesson, settings, logp, known, self.state.global_step)
            if not bool(torch.isfinite(out.loss)):
                raise HominesError(
                    f"the loss is not finite at step {self.state.global_step + 1}; lower --lr "
                    f"(now {settings.lr:g}), or use --dtype float32"
                )
            seen.append(out)
            return out.loss

    class Tell(TrainerCallback):
        """One row a step; a stop on request leaves a checkpoint."""

        stopped = False

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if seen and logs and "loss" in logs:
                last.update(_row(state.global_step, seen, lesson, logs))
                on_step(dict(last))
                seen.clear()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if stop() and state.global_step < settings.steps:
                self.stopped = True
                control.should_save = True
                control.should_training_stop = True

    shared = model.share
    tell = Tell()
    if (model.net.device.index or 0) > 0:
        raise HominesError(
            f"training runs on the first GPU in sight, not on {model.net.device}; "
            "choose it with CUDA_VISIBLE_DEVICES"
        )
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.sets,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.lr,
        lr_scheduler_type="constant",
        adam_epsilon=ADAM_EPSILON,
        weight_decay=0.0,
        max_grad_norm=1.0,
        seed=settings.seed,
        train_sampling_strategy="sequential",
        logging_steps=1,
        save_steps=settings.save_every,
        save_total_limit=2,
        report_to=settings.report_to,
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=model.net.device.type == "cpu",
        dataloader_pin_memory=False,
    )
    arguments._n_gpu = 1  # one pass is one sequence: nothing for DataParallel to scatter
    trainer = ExactTrainer(
        model=net,
        args=arguments,
        train_dataset=order,  # pyright: ignore[reportArgumentType]
        data_collator=lambda items: {"sets": torch.tensor(items)},
        callbacks=[tell],
    )
    _quiet(trainer)
    result = trainer.train(resume_from_checkpoint=_whole_checkpoint(checkpoints))
    if tell.stopped:
        raise Interrupted(f"training stopped at step {trainer.state.global_step} of {settings.steps}")
    _save(net, model.tokenizer, model.name, final)
    return Trained(final, float(result.metrics["train_runtime"]), last)


def _trainable(model: HuggingFace, settings: Settings) -> Any:
    if settings.rank == 0:
        for p in model.net.parameters():
            p.requires_grad_(True)
        return model.net
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=max(1, settings.rank // 2),
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model.net, config)


def _score(net: Any, sets: Sequence[Sequence[Encoded]], share: bool) -> torch.Tensor:
    """Label log-probabilities, shape [set, state, action], of all sets in one pass."""
    flat = [item for some in sets for item in some]
    whole = sum(len(item.prompt) + sum(map(len, item.labels)) for item in flat)
    logp = label_logprobs(net, flat, share=share, budget=whole)
    return torch.stack(logp).view(len(sets), len(sets[0]), -1)


def _reference(model: HuggingFace, lesson: Lesson) -> torch.Tensor:
    """Label log-probabilities before training, shape [set, state, action]. A fresh LoRA changes nothing."""
    model.net.eval()
    with torch.no_grad():
        return torch.cat([_score(model.net, [some], model.share) for some in lesson.sets])


def _sequence(count: int, settings: Settings) -> list[int]:
    """Which set comes when: shuffled rounds over all of them, fixed by the seed, so that a resumed
    run sees what it would have seen."""
    rng = np.random.default_rng(settings.seed)
    need = settings.steps * settings.sets * settings.accumulation
    rounds = [rng.permutation(count) for _ in range(-(-need // count))]
    return [int(i) for i in np.concatenate(rounds)[:need]]


def _row(step: int, seen: Sequence[Outcome], lesson: Lesson, logs: dict[str, Any]) -> dict[str, Any]:
    p = np.mean([out.p for out in seen], axis=0)
    return {
        "step": step,
        "loss": float(np.mean([float(out.loss.detach()) for out in seen])),
        "reward": float(np.mean([out.reward for out in seen])),
        "mass": float(np.mean([out.mass for out in seen])),
        "kl": float(np.mean([out.kl for out in seen])),
        "grad_norm": float(logs.get("grad_norm", float("nan"))),
        "p": {name: [float(x) for x in row] for name, row in zip(lesson.states, p, strict=True)},
    }


def _whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end (the trainer writes its state last)."""
    for path in sorted(folder.glob("checkpoint-*"), key=lambda p: -int(p.name.split("-")[1])):
        try:
            json.loads((path / "trainer_state.json").read_text())
        except (OSError, ValueError):
            shutil.rmtree(path, ignore_errors=True)
            continue
        return str(path)
    return None


def _save(net: Any, tokenizer: Any, base: str, final: Path) -> None:
    aside = final.with_name(final.name + ".making")
    shutil.rmtree(aside, ignore_errors=True)
    net.save_pretrained(str(aside), safe_serialization=True)
    if (config := aside / "adapter_config.json").exists():
        told = json.loads(config.read_text())
        config.write_text(json.dumps({**told, "base_model_name_or_path": base}, indent=2))
    else:
        tokenizer.save_pretrained(str(aside))
    shutil.rmtree(final, ignore_errors=True)
    aside.rename(final)


def _quiet(trainer: Any) -> None:
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)

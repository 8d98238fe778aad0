"""Sampled reinforcement learning on TRL's trainers, for models that reason before they answer.

    reward(completion) = u(s, a) where the completion says label a, else `illegal`
    grpo   advantage = (reward - mean of the prompt's completions) / their standard deviation, token by token,
           less kl times the KL (Shao et al. 2024, arXiv 2402.03300; TRL's GRPOTrainer and its defaults)
    rloo   advantage = reward - mean of the prompt's other completions, the KL within the reward
           (Ahmadian et al. 2024, arXiv 2402.14740; TRL's RLOOTrainer)

u(s, a) is the preference's, expected over the other's play, as in the exact road (objective.py); here the
model's own words are read, thinking included, and what cannot be read is illegal, never guessed. The KL is to
the network as sampling begins, in nats a token (grpo) or a completion (rloo).

A model that never says a legal word has no reward to tell apart: `warmup` exact steps first teach it to
answer with a label, each as likely among them as it was:

    warm-up loss  = -mean_s sum_a before(a|s) log P(a|s),  before(a|s) given a legal answer, before training

It is least where the legal mass is 1 and the relative probabilities are untouched, and its gradient does not
vanish with the mass. (Rewarding the mass itself makes the likelier label likelier still, until the other is
never sampled.) It sees the prompt as the exact road does, without thinking.
"""

from __future__ import annotations

import copy
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from homines.core.paths import inside
from homines.core.progress import QUIET, Follow
from homines.core.types import Array, HominesError, Interrupted, Prompt
from homines.inference.sampled_answers import BOTH, NONE, OPEN, TRUNCATED, read
from homines.inference.tokens import TemplateError, fill, join, render, terminator
from homines.models.hf import HuggingFace
from homines.training.exact import rl
from homines.training.objective import Outcome, Settings
from homines.training.prompt_sets import PromptSets
from homines.training.rollout import Rollout
from homines.training.trainer import (
    MINE,
    Guard,
    Saving,
    Trained,
    check_device,
    save,
    silence,
    trainable,
    whole_checkpoint,
)

SAMPLED = ("grpo", "rloo")
PROMPTS = 4
"""Prompts in one pass: the states of a two-player game with two actions, remembered for one round."""


@dataclass(eq=False)
class Reward:
    """What completions are worth, and a count of how they read. Called by TRL, once a step.

    worth   u(s, a) by set, state and action
    ends    tokens that end a turn
    opened  whether the chat template itself opens the block of thinking
    """

    tokenizer: Any
    prompts: Sequence[Sequence[Prompt]]
    worth: Array
    illegal: float
    ends: frozenset[int]
    opened: bool = False
    seen: list[tuple[int, int | str, float]] = field(default_factory=list[tuple[int, int | str, float]])
    """Since the last row: state, as read, reward."""
    __name__ = "preference"

    def __call__(
        self, completion_ids: Sequence[Sequence[int]], at: Sequence[Sequence[int]], **_: Any
    ) -> list[float]:
        """Rewards of completions (token ids); `at`: the set and state each was asked in."""
        out: list[float] = []
        for ids, (i, s) in zip(completion_ids, at, strict=True):
            finished = bool(ids) and ids[-1] in self.ends
            # Special tokens stay: one in mid-answer makes it another answer than the label.
            text = self.tokenizer.decode(list(ids[:-1] if finished else ids), skip_special_tokens=False)
            labels = self.prompts[i][s].labels
            told = read(OPEN + text if self.opened else text, labels, finished=finished)
            out.append(self.illegal if isinstance(told, str) else float(self.worth[i, s, told]))
            self.seen.append((s, told, out[-1]))
        return out

    def row(self, states: Sequence[str]) -> dict[str, Any]:
        """Figures of what was seen since the last row: shares of the completions, and counts."""
        read_as = Counter(told if isinstance(told, str) else "legal" for _, told, _ in self.seen)
        p: dict[str, list[float]] = {}
        for s, name in enumerate(states):
            chosen = [told for state, told, _ in self.seen if state == s and isinstance(told, int)]
            if chosen:
                p[name] = (np.bincount(chosen, minlength=self.worth.shape[-1]) / len(chosen)).tolist()
        return {
            "reward": float(np.mean([worth for _, _, worth in self.seen])),
            "mass": read_as["legal"] / len(self.seen),
            "p": p,
            **{name: read_as[name] for name in ("legal", BOTH, NONE, TRUNCATED)},
            "completions": len(self.seen),
        }


# --- what cannot be taught so ------------------------------------------------------------------


def check_sampled(
    taught: PromptSets | Rollout,
    settings: Settings,
    rival: PromptSets | None = None,
    *,
    by: str,
    warmup: int = 0,
) -> None:
    """Whether this can be taught by sampling; HominesError where it cannot."""
    if by not in SAMPLED:
        raise HominesError(f"no sampled road called {by!r}; there are {', '.join(SAMPLED)}")
    for package in ("trl", "datasets"):
        if find_spec(package) is None:
            raise HominesError(f"--by {by} needs {package}, which is missing: pip install 'homines[sampled]'")
    rules = [
        (rival is not None, "a second learner", "drop --rival"),
        (taught.mirror is not None, "a learner that meets itself", "choose another --opponent"),
        (isinstance(taught, Rollout), "players who walk (--sample)", "drop --sample"),
        (settings.objective != "myopic", f"the {settings.objective} objective", "use --objective myopic"),
        (settings.rank == 0, "rank 0 (all weights)", "give --rank 8 or more"),
        (len(taught.steps) > 1, f"a schedule of {len(taught.steps)} phases", "align to one preference"),
    ]
    for holds, what, remedy in rules:
        if holds:
            raise HominesError(f"--by {by} does not go with {what}; {remedy}, or use --by rl")
    if warmup < 0:
        raise HominesError(f"warmup is {warmup}; it must be at least 0")


# --- training ----------------------------------------------------------------------------------


def sampled(
    model: HuggingFace,
    taught: PromptSets,
    settings: Settings,
    folder: Path,
    *,
    by: str,
    warmup: int = 0,
    follow: Follow = QUIET,
    follow_warmup: Follow = QUIET,
) -> Trained:
    """Train `model` (its network changes in place) by sampling and save the adapter under `folder`.

    by                   grpo or rloo
    warmup               exact steps first; done once, whatever is resumed
    folder/warmup        the adapter they came to
    folder/checkpoints   resumed from where there is a whole one; the caller removes them
    folder/adapter       the result, written aside and renamed
    folder/last_good     the adapter before a step that would have broken it (HominesError says so)
    follow               its `step` is called with one row a step: the exact road's figures, measured on the
                         step's own completions (`p` has the states with a legal one), counts of how they
                         read, and `tokens`, of prompts and completions so far
    follow_warmup        the same for the warm-up, with the exact road's rows; `follow.stop` stops it
    """
    check_sampled(taught, settings, by=by, warmup=warmup)
    _fits(model, taught, settings)
    if warmup and not inside(folder, "warmup/adapter").exists():
        _warm_up(model, taught, settings, folder / "warmup", warmup, replace(follow_warmup, stop=follow.stop))

    from transformers.trainer_utils import set_seed

    set_seed(settings.seed)
    if warmup:
        from peft import PeftModel

        net: Any = PeftModel.from_pretrained(model.net, str(folder / "warmup" / "adapter"), is_trainable=True)
        # The adapter names its MODEL, which PEFT would look for on the Hub whenever it saves.
        net.peft_config[MINE].base_model_name_or_path = model.net.name_or_path or None
    else:
        net = trainable(model, settings)
    ends = _ends(model)
    net.generation_config.eos_token_id = sorted(ends)
    first = render_turns(model.tokenizer, taught.prompts[0][0])
    reward = Reward(
        model.tokenizer,
        taught.prompts,
        taught.offered().numpy(),
        settings.illegal,
        ends,
        opened=_opens_thinking(model.tokenizer, first),
    )
    last: dict[str, Any] = {}
    trainer, tell = _trainer(by, model, net, taught, settings, folder, reward, last, follow)
    start = whole_checkpoint(folder / "checkpoints")
    result = trainer.train(resume_from_checkpoint=start)
    if tell.stopped:
        raise Interrupted(f"training stopped at step {trainer.state.global_step} of {sum(taught.steps)}")
    save(net, model.tokenizer, model.name, folder / "adapter")
    return Trained(folder / "adapter", float(result.metrics["train_runtime"]), last)


def _fits(model: HuggingFace, taught: PromptSets, settings: Settings) -> None:
    longest = max(len(item.prompt) for some in taught.sets for item in some)
    if longest + settings.completion > model.window:
        raise HominesError(
            f"a prompt of {longest} tokens and a completion of {settings.completion} do not fit this model's "
            f"context of {model.window}; lower --completion, or choose a model with a longer context"
        )


def _warm_up(
    model: HuggingFace,
    taught: PromptSets,
    settings: Settings,
    folder: Path,
    steps: int,
    follow: Follow,
) -> None:
    """Exact steps towards legal answers (`answering`)."""
    # The same weights in another body: its LoRA layers go with it, and the adapter comes back from the disk,
    # as it does where the training is resumed.
    twin = copy.copy(model)
    weights = [*model.net.parameters(), *model.net.buffers()]
    twin.net = copy.deepcopy(model.net, {id(tensor): tensor for tensor in weights})
    held = replace(settings, kl=1.0, steps=steps)  # a KL, so that the reference is known
    rl(
        twin,
        replace(taught, steps=(steps,)),
        held,
        folder,
        goal=warm_up_objective,
        follow=follow,
    )
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def warm_up_objective(
    settings: Settings,
    logp: torch.Tensor,
    utility: torch.Tensor,
    replies: torch.Tensor,
    follows: torch.Tensor | None = None,
    reference: torch.Tensor | None = None,
    kl: float = 0.0,
) -> Outcome:
    """The warm-up's loss of label log-probabilities, as `objective` is called; its reward is the legal mass.

    logp        [set, state, action]; `reference`: the same before training. The rest plays no part
    """
    assert reference is not None
    logp = logp.cpu().double()
    before = reference.cpu().double().log_softmax(-1)
    loss = -(before.exp() * logp).sum(-1).mean()
    legal = logp.detach().log_softmax(-1)
    mass = float(logp.detach().exp().sum(-1).mean())
    divergence = float((legal.exp() * (legal - before)).sum(-1).mean())
    return Outcome(loss, mass, mass, divergence, legal.exp())


def render_turns(tokenizer: Any, prompt: Prompt) -> Any:
    """A prompt as TRL takes it: turns where there is a chat template (which then may let the model think),
    else the text that the exact road shows."""
    if not tokenizer.chat_template:
        return render(tokenizer, prompt)
    turns = [{"role": role, "content": text} for role, text in prompt.messages]
    try:
        fill(tokenizer, turns, tokenize=False, add_generation_prompt=True)
    except TemplateError:
        if turns[0]["role"] != "system" or len(turns) < 2:
            raise
        turns = join(turns)
        fill(tokenizer, turns, tokenize=False, add_generation_prompt=True)
    return turns


def _opens_thinking(tokenizer: Any, turns: Any) -> bool:
    if isinstance(turns, str):
        return False
    text = fill(tokenizer, turns, tokenize=False, add_generation_prompt=True)
    return text.rstrip().endswith(OPEN)


def _ends(model: HuggingFace) -> frozenset[int]:
    """Tokens that end a turn: the template's, the tokenizer's and those that the model declares."""
    declared = model.net.generation_config.eos_token_id
    some = declared if isinstance(declared, list) else [declared]
    every = [terminator(model.tokenizer), model.tokenizer.eos_token_id, *some]
    return frozenset(int(token) for token in every if token is not None)


class _Later(Guard):
    """The exact road's, where a step's loss and KL are told only after it."""

    asked: dict[str, torch.Tensor]
    """The adapter before the step that is under way; good once that step's figures are sound."""

    def before_step(self, step: int) -> None:
        sound = dict(self.good)
        super().before_step(step)
        self.asked, self.good = self.good, sound

    def after_step(self, logs: dict[str, Any], step: int) -> None:
        """HominesError where what step `step` (0 is the first) told, or left behind, is broken."""
        loss, kl = float(logs["loss"]), float(logs.get("kl") or 0.0)
        if not np.isfinite(loss):
            raise self.broken(f"the loss is {loss}", step)
        if not kl <= self.settings.kl_limit:
            raise self.broken(f"the KL to the model before is {kl:.1f} nats, over --kl-limit", step)
        self.good = self.asked
        if not all(bool(torch.isfinite(p).all()) for p in self.net.parameters() if p.requires_grad):
            raise self.broken("it would leave weights that are not finite", step)


def _trainer(
    by: str,
    model: HuggingFace,
    net: Any,
    taught: PromptSets,
    settings: Settings,
    folder: Path,
    reward: Reward,
    last: dict[str, Any],
    follow: Follow,
) -> tuple[Any, Any]:
    """TRL's trainer, and the callback that tells of every step."""
    import trl as installed
    from datasets import Dataset
    from transformers import LogitsProcessor, LogitsProcessorList, TrainerCallback

    from homines.training.steps import Unattended

    trl: Any = installed
    total = sum(taught.steps)
    cpu = model.net.device.type == "cpu"
    check_device(model.net.device)
    guard = _Later(model, net, settings, folder, total)

    class Watch(LogitsProcessor):
        """Stops a generation before it draws from what is no distribution."""

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            if not bool(torch.isfinite(scores.amax(-1)).all()):
                raise guard.broken("the odds of the next token are not finite", trainer.state.global_step)
            return scores

    net.generate = partial(net.generate, logits_processor=LogitsProcessorList([Watch()]))

    class Tell(TrainerCallback):
        """One row a step; a stop on request leaves a checkpoint."""

        stopped = False

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            guard.before_step(state.global_step)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if reward.seen and logs and "loss" in logs:
                guard.after_step(logs, state.global_step - 1)
                last.clear()
                last.update(
                    step=state.global_step,
                    schedule=0,
                    **reward.row(taught.states),
                    loss=float(logs["loss"]),
                    kl=float(logs.get("kl") or 0.0) if settings.kl else None,
                    grad_norm=float(logs.get("grad_norm", float("nan"))),
                    tokens=int(state.num_input_tokens_seen),
                )
                reward.seen.clear()
                follow.step(dict(last))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if follow.stop() and state.global_step < total:
                self.stopped = True
                control.should_save = True
                control.should_training_stop = True

    kind, config = {
        "grpo": (trl.GRPOTrainer, trl.GRPOConfig),
        "rloo": (trl.RLOOTrainer, trl.RLOOConfig),
    }[by]

    class Sampler(Unattended, Saving, kind):
        """TRL's trainer of this road."""

    tell = Tell()
    arguments: Any = config(
        output_dir=str(folder / "checkpoints"),
        max_steps=total,
        per_device_train_batch_size=PROMPTS * settings.generations,
        gradient_accumulation_steps=settings.accumulation,
        num_generations=settings.generations,
        max_completion_length=settings.completion,
        temperature=settings.temperature,
        beta=settings.kl,
        learning_rate=settings.lr,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=1.0,
        seed=settings.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_steps=settings.save_every,
        save_total_limit=2,
        report_to=settings.report_to,
        disable_tqdm=True,
        use_cpu=cpu,
        bf16=False,  # in the type of its weights, as the exact road
        activation_checkpointing=not cpu,  # memory is short on accelerators only
        dataloader_pin_memory=False,
    )
    arguments._n_gpu = 1
    asked = [
        {"prompt": render_turns(model.tokenizer, prompt), "at": [i, s]}
        for i, some in enumerate(taught.prompts)
        for s, prompt in enumerate(some)
    ]
    # TRL drops a batch that it cannot fill.
    rows = asked * -(-PROMPTS * settings.accumulation // len(asked))
    trainer: Any = Sampler(
        model=net,
        reward_funcs=[reward],
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=model.tokenizer,
        callbacks=[tell],
    )
    silence(trainer)
    return trainer, tell

"""Sampled reinforcement learning on TRL's trainers, for models that reason before they answer.

    reward(completion) = u(s, a) where the completion says label a, else `illegal`
    grpo   advantage = (reward - mean of the prompt's completions) / their standard deviation, token by token,
           less kl times the KL (Shao et al. 2024, arXiv 2402.03300; TRL's GRPOTrainer and its defaults)
    rloo   advantage = reward - mean of the prompt's other completions, the KL within the reward
           (Ahmadian et al. 2024, arXiv 2402.14740; TRL's RLOOTrainer)

u(s, a) is the preference's, expected over the other's play, as in the exact road (objective.py); here the
model's own words are read (answer_reader.py), thinking dropped; what says no choice is illegal. The KL is to
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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from homines.core.paths import inside
from homines.core.progress import QUIET, Follow
from homines.core.types import HominesError, Prompt
from homines.inference.answer_reader import OPEN
from homines.inference.tokens import TemplateError, fill, join, render, terminator
from homines.models.hf import HuggingFace
from homines.training.checkpoints import whole_checkpoint
from homines.training.exact import rl
from homines.training.objective import Outcome, Signals
from homines.training.prompt_sets import EverySet, MixedSets, PromptSets
from homines.training.rollout import Rollout
from homines.training.settings import PROMPTS_OF_PASS, Settings
from homines.training.trainer import (
    MINE,
    Trained,
    check_device,
    save,
    silence,
    trainable,
)

SAMPLED = ("grpo", "rloo")


@dataclass(frozen=True)
class WarmUp:
    """Exact steps towards legal answers before the sampling begins.

    steps    0: none
    follow   its `step` is called with the exact road's row of each step
    """

    steps: int = 0
    follow: Follow = QUIET


def check_sampled(
    source: EverySet | Rollout,
    settings: Settings,
    rival: PromptSets | None = None,
    *,
    by: str,
    warmup: int = 0,
) -> None:
    """Raise HominesError where sampling cannot train on this source under these settings."""
    if by not in SAMPLED:
        raise HominesError(f"no sampled road called {by!r}; there are {', '.join(SAMPLED)}")
    for package in ("trl", "datasets"):
        if find_spec(package) is None:
            raise HominesError(f"--by {by} needs {package}, which is missing: pip install 'homines[sampled]'")
    rules = [
        (rival is not None, "a second learner", "drop --rival"),
        (isinstance(source, MixedSets), "games of several kinds", "keep those of one kind"),
        (
            not isinstance(source, MixedSets) and source.mirror is not None,
            "a learner that meets itself",
            "choose another --opponent",
        ),
        (isinstance(source, Rollout), "players who walk (--sample)", "drop --sample"),
        (settings.objective != "myopic", f"the {settings.objective} objective", "use --objective myopic"),
        (settings.rank == 0, "rank 0 (all weights)", "give --rank 8 or more"),
        (
            isinstance(source, PromptSets) and any(p.begins for ps in source.prompts for p in ps),
            "an answer that is begun",
            "leave begins out of the frame",
        ),
        (len(source.steps) > 1, f"a schedule of {len(source.steps)} phases", "align to one preference"),
    ]
    for holds, what, remedy in rules:
        if holds:
            raise HominesError(f"--by {by} does not go with {what}; {remedy}, or use --by rl")
    if warmup < 0:
        raise HominesError(f"warmup is {warmup}; it must be at least 0")


def sampled(
    model: HuggingFace,
    source: PromptSets,
    settings: Settings,
    folder: Path,
    *,
    by: str,
    warmup: WarmUp = WarmUp(),
    follow: Follow = QUIET,
) -> Trained:
    """Train `model` (its network changes in place) by sampling and save the adapter under `folder`.

    by                   grpo or rloo
    warmup               exact steps first, done once, whatever is resumed; `follow.stop` stops them too
    folder/warmup        the adapter after the warm-up
    folder/checkpoints   resumed from where there is a whole one; the caller removes them
    folder/adapter       the result, written aside and renamed
    folder/last_good     the adapter before a step that would have broken it (HominesError says so)
    follow               its `step` is called with one row a step: the exact road's figures, measured on the
                         step's own completions (`p` has the states with a legal one), counts of how they
                         read, and `tokens`, of prompts and completions so far
    """
    check_sampled(source, settings, by=by, warmup=warmup.steps)
    _check_length(model, source, settings)
    if warmup.steps and not inside(folder, "warmup/adapter").exists():
        following = replace(warmup.follow, stop=follow.stop)
        _warm_up(model, source, settings, folder / "warmup", replace(warmup, follow=following))

    from datasets import Dataset
    from transformers import LogitsProcessorList
    from transformers.trainer_utils import set_seed

    from homines.training import sampled_trainer

    set_seed(settings.seed)
    net = _warm_network(model, folder / "warmup" / "adapter") if warmup.steps else trainable(model, settings)
    ends = _ends(model)
    net.generation_config.eos_token_id = sorted(ends)
    turns = [[render_turns(model.tokenizer, prompt) for prompt in prompts] for prompts in source.prompts]
    total = sum(source.steps)
    check_device(model.net.device)
    guard = sampled_trainer.DelayedGuard(model, net, settings, folder, total)
    reward = sampled_trainer.Reward(
        model.tokenizer,
        source.prompts,
        source.offered().numpy(),
        settings.illegal,
        ends,
        opened=_opens_thinking(model.tokenizer, turns[0][0]),
    )
    callback = sampled_trainer.SampledSteps(reward, source.states, guard, follow, total)
    net.generate = partial(net.generate, logits_processor=LogitsProcessorList([callback.odds]))
    kind, options = sampled_trainer.TRAINERS[by]
    cpu = model.net.device.type == "cpu"
    trainer: Any = kind(
        model=net,
        reward_funcs=[reward],
        args=sampled_trainer.sampled_arguments(options, folder, total, settings, cpu=cpu),
        train_dataset=Dataset.from_list(_dataset_rows(turns, settings)),
        processing_class=model.tokenizer,
        callbacks=[callback],
    )
    silence(trainer)
    training = trainer.train(resume_from_checkpoint=whole_checkpoint(folder / "checkpoints"))
    callback.check(trainer.state.global_step)
    save(net, model.tokenizer, model.name, folder / "adapter")
    return Trained(folder / "adapter", float(training.metrics["train_runtime"]), callback.last)


def _dataset_rows(turns: Sequence[Sequence[Any]], settings: Settings) -> list[dict[str, Any]]:
    """Every prompt with its set and state, repeated until they fill a batch: TRL drops one they do not."""
    rows = [
        {"prompt": prompt, "at": [i, s]}
        for i, prompts in enumerate(turns)
        for s, prompt in enumerate(prompts)
    ]
    return rows * -(-PROMPTS_OF_PASS * settings.accumulation // len(rows))


def _check_length(model: HuggingFace, source: PromptSets, settings: Settings) -> None:
    """Raise HominesError where a prompt and a completion do not fit the model's context."""
    longest = max(len(encoded.prompt) for states in source.sets for encoded in states)
    if longest + settings.completion > model.window:
        raise HominesError(
            f"a prompt of {longest} tokens and a completion of {settings.completion} do not fit this model's "
            f"context of {model.window}; lower --completion, or choose a model with a longer context"
        )


def _warm_up(
    model: HuggingFace, source: PromptSets, settings: Settings, folder: Path, warmup: WarmUp
) -> None:
    """Train towards legal answers by exact steps (`warm_up_objective`), and save folder/adapter."""
    # The same weights in another body: its LoRA layers go with it, and the adapter comes back from the disk,
    # as it does where the training is resumed.
    twin = copy.copy(model)
    weights = [*model.net.parameters(), *model.net.buffers()]
    twin.net = copy.deepcopy(model.net, {id(tensor): tensor for tensor in weights})
    rl(
        twin,
        replace(source, steps=(warmup.steps,)),
        replace(settings, kl=1.0, steps=warmup.steps, until=0.0),  # a KL, so that the reference is known
        folder,
        goal=warm_up_objective,
        follow=warmup.follow,
    )
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _warm_network(model: HuggingFace, adapter: Path) -> Any:
    """The network with the adapter of the warm-up, to be trained further."""
    from peft import PeftModel

    net: Any = PeftModel.from_pretrained(model.net, str(adapter), is_trainable=True)
    # The adapter names its MODEL, which PEFT would look for on the Hub whenever it saves.
    net.peft_config[MINE].base_model_name_or_path = model.net.name_or_path or None
    return net


def warm_up_objective(settings: Settings, signals: Signals) -> Outcome:
    """The warm-up's loss, of `signals.logp` and `signals.reference` alone; its reward is the legal mass."""
    assert signals.reference is not None
    logp = signals.logp.cpu().double()
    before = signals.reference.cpu().double().log_softmax(-1)
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
    tokens = declared if isinstance(declared, list) else [declared]
    tokens = [terminator(model.tokenizer), model.tokenizer.eos_token_id, *tokens]
    return frozenset(int(token) for token in tokens if token is not None)

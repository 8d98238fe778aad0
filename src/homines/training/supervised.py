"""Supervised fine-tuning on a data folder: reasons and answers (sft), or the exact logit choice (distill).

    sft      -mean over completion tokens of log P(token | prompt, tokens before), end of turn included
             (TRL's SFTTrainer; the prompt is not trained on)
    distill  -mean over rows of sum_a target(a) log P(label a | prompt), whole labels, end of turn included:
             the cross-entropy to the logit choice, exact; least where the model is the theory and legal

Both keep a LoRA adapter (or all weights, rank 0), resume from checkpoints, and leave the network trained in
place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from homines.core.progress import QUIET, Follow
from homines.core.types import HominesError
from homines.inference import processes
from homines.inference.tokens import encode, terminator
from homines.models.hf import HuggingFace
from homines.training import distributed
from homines.training.data import Row
from homines.training.exact import rl
from homines.training.objective import Outcome, Settings
from homines.training.prompt_sets import PromptSets
from homines.training.settings import SupervisedSettings
from homines.training.trainer import Saving, Trained, save, silence, trainable, whole_checkpoint


def train_supervised(
    model: HuggingFace,
    rows: Sequence[Row],
    course: SupervisedSettings,
    folder: Path,
    *,
    follow: Follow = QUIET,
) -> Trained:
    """Train `model` on these rows and save folder/adapter (or folder/model).

    folder/checkpoints is resumed from where there is a whole one; the caller removes it. Raises HominesError
    where a row does not fit the context, where its answer cannot end in this tokenizer, and in several
    processes where the rows fill no whole batches (sft).
    """
    if not rows:
        raise HominesError("the data hold no rows to train on; generate some with `homines data`")
    road = sft if course.by == "sft" else distill
    return road(model, rows, course, folder, follow)


def completions(model: HuggingFace, rows: Sequence[Row]) -> list[tuple[list[int], int]]:
    """Token ids of each row, end of turn included, and how many of them are the prompt's."""
    end = terminator(model.tokenizer)
    out: list[tuple[list[int], int]] = []
    for row, item in zip(rows, encode(model.tokenizer, [row.prompt for row in rows]), strict=True):
        gap = "" if model.tokenizer.chat_template else " "
        said = model.tokenizer(gap + row.said, add_special_tokens=False).input_ids
        ids = [*item.prompt, *said, end]
        if len(ids) > model.window:
            raise HominesError(
                f"a row of {len(ids)} tokens does not fit this model's context of {model.window}; use "
                "--no-reasons or a shorter frame"
            )
        if end in said:
            raise HominesError(
                f"the answer {row.said[-40:]!r} holds this tokenizer's end of turn, so it could never end; "
                "choose other labels (--labels)"
            )
        out.append((ids, len(item.prompt)))
    return out


def sft(
    model: HuggingFace,
    rows: Sequence[Row],
    course: SupervisedSettings,
    folder: Path,
    follow: Follow,
) -> Trained:
    """Completion-only cross-entropy on what each row says, by TRL's SFTTrainer."""
    for package in ("trl", "datasets"):
        if find_spec(package) is None:
            raise HominesError(f"sft needs {package}, which is missing: pip install 'homines[sft]'")
    import trl as installed
    from datasets import Dataset, disable_progress_bars
    from transformers.trainer_utils import set_seed

    from homines.training.steps import SupervisedSteps, Unattended

    disable_progress_bars()
    trl: Any = installed
    if processes.process_count() > 1 and (over := len(rows) % course.batch):
        # accelerate would fill the last batch with rows seen before
        raise HominesError(
            f"{len(rows)} rows are no whole batches of {course.batch}, which sft in "
            f"{processes.process_count()} processes needs; choose --batch so that it divides them, leave out "
            f"{over} of them, or train in "
            "one process"
        )
    tokenised = completions(model, rows)
    total = course.steps(len(rows))
    set_seed(course.seed)
    net = trainable(model, Settings(rank=course.rank, seed=course.seed))
    shuffled = np.random.default_rng(course.seed).permutation(len(rows))
    listed = [
        {"input_ids": ids, "completion_mask": [0] * start + [1] * (len(ids) - start)}
        for ids, start in (tokenised[i] for i in shuffled)
    ]

    class RowTrainer(Unattended, Saving, trl.SFTTrainer):
        """TRL's trainer, with its loss on the answers' tokens alone where that is faster."""

        def compute_loss(
            self,
            model: Any,
            inputs: Any,
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            # TRL's fused loss takes the prompt's tokens through the output layer as well; without its GPU
            # kernel that is 40% of a step
            if not cpu or self.aux_loss_enabled or return_outputs:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            told = {k: v for k, v in inputs.items() if k != "labels"}
            loss, right = kept_loss(model, told, inputs["labels"], num_items_in_batch)
            self._metrics["train"]["mean_token_accuracy"].append(float(np.mean(distributed.gather([right]))))
            # tokens are those of all processes, and gradients will be averaged over these
            return loss * (processes.process_count() if num_items_in_batch is not None else 1)

    cpu = model.net.device.type == "cpu"
    callback = SupervisedSteps(folder, follow, total)
    arguments: Any = trl.SFTConfig(
        output_dir=str(folder / "checkpoints"),
        max_steps=total,
        per_device_train_batch_size=distributed.share(course.batch, "batch"),
        ddp_find_unused_parameters=False,
        ddp_timeout=distributed.LONGEST_WAIT,
        learning_rate=course.rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(5, total // 4),
        weight_decay=0.0,
        max_grad_norm=1.0,
        max_length=None,
        completion_only_loss=True,
        packing=False,
        seed=course.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_steps=course.save_every,
        save_total_limit=2,
        report_to=course.report_to,
        disable_tqdm=True,
        use_cpu=cpu,
        bf16=False,  # in the type of its weights, as the other roads
        activation_checkpointing=not cpu,
        dataloader_pin_memory=False,
        dataset_num_proc=None,
    )
    arguments._n_gpu = 1
    trainer: Any = RowTrainer(
        model=net,
        args=arguments,
        train_dataset=Dataset.from_list(listed),
        processing_class=model.tokenizer,
        callbacks=[callback],
    )
    silence(trainer)
    result = trainer.train(resume_from_checkpoint=whole_checkpoint(folder / "checkpoints"))
    callback.check(trainer.state.global_step)
    final = folder / ("adapter" if course.rank else "model")
    if processes.is_first():
        save(net, model.tokenizer, model.name, final)
    return Trained(final, float(result.metrics["train_runtime"]), callback.last)


def kept_loss(
    net: Any, inputs: dict[str, Any], labels: torch.Tensor, tokens: Any
) -> tuple[torch.Tensor, float]:
    """Mean cross-entropy over the tokens that are trained on, and the share of them that are likeliest.

    labels   [row, token], -100 where nothing is trained; only positions that some row needs get logits
    tokens   how many there are in the whole step; None: those of this batch
    """
    wanted = labels[:, 1:]
    kept = (wanted != -100).any(0).nonzero()[:, 0]
    logits = net(**inputs, use_cache=False, logits_to_keep=kept).logits
    own = wanted[:, kept] != -100
    said, wanted = logits[own].float(), wanted[:, kept][own]
    total = torch.nn.functional.cross_entropy(said, wanted, reduction="sum")
    right = float((said.detach().argmax(-1) == wanted).float().mean())
    return total / (tokens if tokens is not None else len(wanted)), right


def distill(
    model: HuggingFace,
    rows: Sequence[Row],
    course: SupervisedSettings,
    folder: Path,
    follow: Follow,
) -> Trained:
    """Exact cross-entropy to each row's logit choice, on the exact road's trainer."""
    sizes = {len(row.target) for row in rows}
    if len(sizes) > 1:
        raise HominesError(
            f"distillation takes decisions with as many options each; these have {sorted(sizes)}. Distil one "
            "kind of game at a time"
        )
    if any(row.prompt.cue for row in rows):
        raise HominesError(
            "distillation trains the answer itself, and these rows think aloud first; generate them with "
            "--no-reasons, or use --by sft"
        )
    shuffled = [rows[i] for i in np.random.default_rng(course.seed).permutation(len(rows))]
    size = min(course.batch, len(shuffled))
    turns = -(-len(shuffled) // size) * size  # the last batch is filled up with the first rows
    groups = [[shuffled[i % len(shuffled)] for i in range(at, at + size)] for at in range(0, turns, size)]
    encoded = [tuple(model.encode([row.prompt for row in group])) for group in groups]
    target = torch.tensor(np.array([[row.target for row in group] for group in groups]))
    taught = PromptSets(
        sets=tuple(encoded),
        prompts=tuple(tuple(row.prompt for row in group) for group in groups),
        utility=target[None, ..., None],
        replies=torch.ones(len(groups), size, 1, dtype=torch.float64),
        follows=None,
        actions=tuple(map(str, range(next(iter(sizes))))),
        states=tuple(f"row {i}" for i in range(size)),
        steps=(course.steps(len(rows)),),
    )
    settings = Settings(
        kl=0.0,
        lr=course.rate,
        rank=course.rank,
        seed=course.seed,
        save_every=course.save_every,
        report_to=course.report_to,
    )

    def told(row: dict[str, Any]) -> None:
        follow.step({name: row[name] for name in ("step", "loss", "mass", "grad_norm") if name in row})

    return rl(model, taught, settings, folder, goal=cross_entropy, follow=replace(follow, step=told))


def cross_entropy(
    settings: Settings,
    logp: torch.Tensor,
    utility: torch.Tensor,
    replies: torch.Tensor,
    follows: torch.Tensor | None = None,
    reference: torch.Tensor | None = None,
    kl: float = 0.0,
) -> Outcome:
    """Cross-entropy to a target distribution over labels, as `objective` is called.

    logp      [set, state, action], of whole labels, so that illegal answers cost as well
    utility   the target, [set, state, action, 1]
    """
    logp = logp.cpu().double()
    target = utility[..., 0]
    loss = -(target * logp).sum(-1).mean()
    mass = float(logp.detach().exp().sum(-1).mean())
    return Outcome(loss, -float(loss.detach()), mass, 0.0, logp.detach().log_softmax(-1).exp())

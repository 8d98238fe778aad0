"""Sampled reinforcement learning: completions are read without guessing, rewarded by the preference alone,
and counted; the warm-up teaches to answer; a stopped training goes on."""

from __future__ import annotations

import json
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from homines.core.progress import Follow
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Interrupted
from homines.elicitation.orders import orders
from homines.frames.table import Table
from homines.games.ipd import ipd
from homines.inference.answer_reader import read
from homines.models.hf import HuggingFace, load
from homines.opponents.tit_for_tat import TitForTat
from homines.training import sampled as road
from homines.training.lifecycle import align
from homines.training.objective import Signals
from homines.training.prompt_sets import PromptSets, prompt_sets
from homines.training.rollout import Rollout
from homines.training.sampled import WarmUp, check_sampled, render_turns, sampled, warm_up_objective
from homines.training.sampled_trainer import Reward
from homines.training.schedule import schedule
from homines.training.settings import AlignmentPlan, Settings
from tests.helpers.tiny import tiny

FRAME = Table("action1,action2", goal="highest score")
LABELS = ("action1", "action2")
CHATML = (
    "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
QUICK = Settings(steps=2, rank=8, lr=1e-2, generations=4, completion=6, save_every=1)
WARM = 24


# --- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("X", 0),
        (" XY\n", 1),
        ("**X**.", 0),
        ('"XY."', 1),
        ("'X'.", 0),
        ("X..", "none"),
        ("x", 0),
        ("", "none"),
        ("I choose X", 0),
        ("I would not choose X", "none"),
        ("Z", "none"),
        ("X or XY", "both"),
        ("XY XY", "none"),
        ("YX, XYX", "none"),
        ("<think>X? XY?</think>\n\nXY", 1),
        ("<think>X? XY?", "truncated"),
        ("<think>answer: X</think>", "none"),
        ("X</think>XY", "both"),
        ("ANSWER:X", 0),
        ("Answer: X. No. **Answer:** XY.", "both"),
        ("Answer: X or XY? Answer: X", "both"),
        ("I choose X. Answer: XY", "both"),
        ("XY is better. Answer: X, not XY", "both"),
        ("XY is better. Answer: XY", 1),
        ("Answer: X. Yes, answer: X.", 0),
        ("<think>X. Answer: X</think> Answer: XY", 1),
        ("Answer: X\nAnswer:", "none"),
    ],
)
def test_an_answer_is_a_label_to_the_letter_or_none(text: str, told: int | str) -> None:
    reading = read(text, ("X", "XY"), finished=True)
    assert told == (reading.how if reading.label is None else reading.label)
    assert read(text, ("X", "XY"), finished=False).how == "truncated"


def test_a_label_with_a_final_period_or_quotes_of_its_own_is_found() -> None:
    assert read("Ja.", ("Ja", "Ja.")).label == 1
    assert read('**"C"**', ("C", '"C"')).label == 0
    assert read("a.b*", ("a.b*", "axb")).label == 0


words = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=6)
wrapping = st.text(' \n\t*"\u201c\u2019', max_size=4)


@given(st.lists(words, min_size=2, max_size=4, unique=True), st.data())
def test_every_wrapped_label_is_read_and_no_other(labels: list[str], data: st.DataObject) -> None:
    i = data.draw(st.integers(0, len(labels) - 1))
    before, after = data.draw(wrapping), data.draw(wrapping)
    thought = data.draw(st.sampled_from(["", f"<think>{labels[0]}?</think>", f"{labels[i]}. Answer:"]))
    period = data.draw(st.sampled_from(["", "."]))
    assert read(f"{thought}{before}{labels[i]}{period}{after}", labels, finished=True).label == i


@given(st.text(), st.lists(words, min_size=2, max_size=4, unique=True), st.booleans())
def test_whatever_is_said_is_a_label_in_it_or_a_reason(text: str, labels: list[str], finished: bool) -> None:
    reading = read(text, labels, finished=finished)
    if reading.label is None:
        assert reading.how in ("truncated", "both", "none")
    else:
        assert finished
        assert labels[reading.label].casefold() in unicodedata.normalize("NFC", text).casefold()


# --- rewards -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """A small one, made of the prompts themselves: a pass costs next to nothing."""
    texts = [FRAME(d, o).text for d in ipd().memory_one() for o in orders(2, FRAME.places)]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    marks = ["<|start|>", "<|end|>", "<|pad|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        texts * 3,
        trainers.BpeTrainer(
            vocab_size=600, special_tokens=marks, initial_alphabet=alphabet, show_progress=False
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|end|>", pad_token="<|pad|>", chat_template=CHATML
    )


def net(tokenizer: Any) -> Any:
    """Random, but sharp enough that it can learn to be sure of a label."""
    made = tiny("llama", len(tokenizer), seed=1, initializer_range=0.3)
    made.lm_head.weight.data *= 2
    return made


def fresh(tokenizer: Any) -> HuggingFace:
    return HuggingFace(net(tokenizer), tokenizer, name="tiny", provenance={"revision": "t"})


def taught(model: HuggingFace, to: str = "game_deontological", steps: int = 2) -> PromptSets:
    some = prompt_sets(model, [ipd()], schedule(to, steps), [FRAME], TitForTat())
    assert isinstance(some, PromptSets)
    return some


def rewarder(tokenizer: Any, **changes: Any) -> Reward:
    some = taught(fresh(tokenizer))
    ends = frozenset({tokenizer.eos_token_id})
    return Reward(tokenizer, some.prompts, some.offered().numpy(), -6.0, ends, **changes)


def test_a_completion_is_worth_its_labels_utility_or_the_illegal_reward(tokenizer: Any) -> None:
    reward, worth = rewarder(tokenizer), taught(fresh(tokenizer)).offered()
    said = ["action1<|end|>", "action2<|end|>", "action1", "action1 action2<|end|>", "no<|end|>", "<|end|>"]
    said += ["<|start|>action1<|end|>", "<think>hm</think>Answer: action2.<|end|>"]
    at = [(i % 4, i % 4) for i in range(len(said))]
    told = [0, 1, None, None, None, None, None, 1]
    ids = [tokenizer(text, add_special_tokens=False).input_ids for text in said]
    want = [-6.0 if a is None else float(worth[where][a]) for where, a in zip(at, told, strict=True)]
    assert reward(completion_ids=ids, at=at, prompts=[], completions=[]) == pytest.approx(want)
    row = reward.row(("C,C", "C,D", "D,C", "D,D"))
    assert row["illegal"] == {"action1": 1, "action1 action2": 1, "no": 1}
    kinds = ("legal", "exact", "stripped", "sentence", "both", "none", "truncated", "completions")
    assert {k: row[k] for k in kinds} == {
        "legal": 3,
        "exact": 2,
        "stripped": 0,
        "sentence": 1,
        "both": 1,
        "none": 3,
        "truncated": 1,
        "completions": 8,
    }
    assert row["mass"] == pytest.approx(3 / 8)
    assert row["reward"] == pytest.approx(sum(want) / 8)
    assert row["p"] == {"C,C": [1.0, 0.0], "C,D": [0.0, 1.0], "D,D": [0.0, 1.0]}


def test_a_template_that_opens_the_thinking_itself_is_read_from_there(tokenizer: Any) -> None:
    ids = [
        tokenizer(text, add_special_tokens=False).input_ids
        for text in ("hm</think>action1<|end|>", "action1<|end|>")
    ]
    reward = rewarder(tokenizer, opened=True)
    reward(ids, [(0, 0), (0, 0)])
    assert [(reading.label, reading.how) for _, reading, _ in reward.readings] == [
        (0, "stripped"),
        (None, "truncated"),
    ]


def test_prompts_are_turns_where_there_is_a_template_and_text_elsewhere(tokenizer: Any) -> None:
    prompt = FRAME(ipd().memory_one()[0], orders(2, FRAME.places)[0])
    turns = render_turns(tokenizer, prompt)
    assert [(t["role"], t["content"]) for t in turns] == list(prompt.messages)
    assert "Answer:" in render_turns(
        PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer), prompt
    )


# --- training ----------------------------------------------------------------------------------


def curve(
    tokenizer: Any, where: Path, setting: Settings = QUICK, to: str = "game_deontological", **more: Any
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    model = fresh(tokenizer)
    some = taught(model, to, setting.steps)
    trained = sampled(
        model, some, setting, where, **{"by": "grpo", "follow": Follow(step=rows.append), **more}
    )
    assert trained.folder == where / "adapter"
    assert not rows or trained.last == rows[-1]
    return rows


@pytest.mark.parametrize("by", ["grpo", "rloo"])
def test_it_leaves_an_adapter_and_a_row_a_step(tokenizer: Any, tmp_path: Path, by: str) -> None:
    rows = curve(tokenizer, tmp_path, by=by)
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        assert {"reward", "mass", "loss", "kl", "grad_norm", "p", "tokens"} < set(row)
        assert row["completions"] == 16 == sum(row[k] for k in ("legal", "both", "none", "truncated"))
    assert json.loads(json.dumps(rows)) == rows
    told = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == "tiny"
    base = tmp_path / "base"
    net(tokenizer).save_pretrained(base)
    tokenizer.save_pretrained(base)
    after = load(str(base), (str(tmp_path / "adapter"),), device="cpu")
    assert after.score([FRAME(ipd().memory_one()[0], ((0, 1), (0, 1)))])[0].mass > 0


def test_the_warm_up_teaches_to_answer_and_sampling_goes_on_from_there(
    tokenizer: Any, tmp_path: Path
) -> None:
    warm: list[dict[str, Any]] = []
    (row, *_) = curve(tokenizer, tmp_path, warmup=WarmUp(WARM, Follow(step=warm.append)))
    assert len(warm) == WARM
    assert warm[-1]["mass"] > 0.8 > 1000 * warm[0]["mass"]
    assert warm[-1]["kl"] < 0.15  # which label, it does not teach
    assert row["mass"] > 0.5
    assert row["kl"] < 0.05  # counted from where sampling begins


def test_the_warm_ups_loss_is_least_where_all_is_legal_and_as_likely_as_before() -> None:
    before = torch.tensor([[[0.003, 0.001]]]).log()

    def loss(*p: float) -> float:
        out = warm_up_objective(
            Settings(), Signals(torch.tensor([[p]]).log(), before, before, reference=before)
        )
        assert out.mass == pytest.approx(sum(p))
        return float(out.loss)

    best = loss(0.75, 0.25)
    assert best == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert all(loss(*p) > best for p in [(0.74, 0.25), (0.75, 0.24), (0.8, 0.2), (0.7, 0.3), (0.003, 0.001)])


def test_sampling_learns_what_is_rewarded(tokenizer: Any, tmp_path: Path) -> None:
    """Exact probabilities of cooperating before and after rewarding it."""
    model = fresh(tokenizer)
    some = taught(model, "virtue_kindness", 8)
    warm: list[dict[str, Any]] = []
    setting = replace(QUICK, steps=8, lr=5e-3, kl=0.0, save_every=50)
    rows: list[dict[str, Any]] = []
    sampled(
        model,
        some,
        setting,
        tmp_path,
        by="grpo",
        warmup=WarmUp(WARM, Follow(step=warm.append)),
        follow=Follow(step=rows.append),
    )
    after = np.mean([c.p[0] for prompts in some.prompts for c in model.score(prompts)])
    assert after > np.mean([p[0] for p in warm[-1]["p"].values()]) + 0.2
    assert rows[0]["kl"] is None


@pytest.mark.parametrize("by", ["grpo", "rloo"])
def test_a_stopped_training_goes_on_along_the_same_curve(tokenizer: Any, tmp_path: Path, by: str) -> None:
    whole = curve(tokenizer, tmp_path / "a", by=by, warmup=WarmUp(WARM))
    rows: list[dict[str, Any]] = []
    warm = tmp_path / "b" / "warmup" / "adapter"
    with pytest.raises(Interrupted, match="step 1 of 2"):
        curve(
            tokenizer,
            tmp_path / "b",
            by=by,
            warmup=WarmUp(WARM),
            follow=Follow(step=rows.append, stop=warm.exists),
        )

    def again(row: dict[str, Any]) -> None:
        raise AssertionError("the warm-up was repeated")

    curve(
        tokenizer,
        tmp_path / "b",
        by=by,
        warmup=WarmUp(WARM, Follow(step=again)),
        follow=Follow(step=rows.append),
    )
    for key in ("step", "legal", "tokens"):
        assert [row[key] for row in rows] == [row[key] for row in whole]
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in whole], abs=1e-5)


def test_a_stopped_warm_up_goes_on_too(tokenizer: Any, tmp_path: Path) -> None:
    model = fresh(tokenizer)
    with pytest.raises(Interrupted, match=f"step 1 of {WARM}"):
        sampled(
            model,
            taught(model),
            QUICK,
            tmp_path,
            by="grpo",
            warmup=WarmUp(WARM),
            follow=Follow(stop=lambda: True),
        )
    warm: list[dict[str, Any]] = []
    curve(tokenizer, tmp_path, warmup=WarmUp(WARM, Follow(step=warm.append)))
    assert [row["step"] for row in warm] == list(range(2, WARM + 1))


def test_a_plan_takes_the_sampled_road_from_end_to_end(tokenizer: Any, tmp_path: Path) -> None:
    base = tmp_path / "base"
    net(tokenizer).save_pretrained(base)
    tokenizer.save_pretrained(base)
    plan = AlignmentPlan(
        f"hf/{base}", "utilitarian", by="rloo", warmup=3, settings=QUICK, side_effects=False, device="cpu"
    )
    begun: list[tuple[str, int]] = []

    def begin(what: str, total: int) -> Any:
        begun.append((what, total))
        return lambda done: None

    trained = align(plan, tmp_path / "run", follow=Follow(begin=begin))
    assert {("warm-up", 3), ("training", 2)} < set(begun)
    run = RunFolder(tmp_path / "run")
    assert (run.config["by"], run.config["warmup"]) == ("rloo", 3)
    assert [row["completions"] for row in run.rows()] == [16, 16]
    assert {r.model.rpartition("+")[2] for r in run.records} == {plan.model, "adapter"}
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert align(plan, tmp_path / "run") == trained
    with pytest.raises(HominesError, match="--sample"):
        align(replace(plan, settings=replace(QUICK, sample=2)), tmp_path / "other")
    assert not (tmp_path / "other").exists()


# --- refusals ----------------------------------------------------------------------------------


def test_what_cannot_be_sampled_is_refused_with_a_remedy(tokenizer: Any, tmp_path: Path) -> None:
    model = fresh(tokenizer)
    some = taught(model)
    walk = Rollout(model, [ipd()], schedule("utilitarian", 2), [FRAME], TitForTat(), 1, 2, 0)
    alone = replace(some, replies=None)
    words = tuple(tuple(replace(p, begins="So:") for p in group) for group in some.prompts)
    for lesson_, setting, more, match in [
        (some, QUICK, {"by": "ppo"}, "grpo, rloo"),
        (some, QUICK, {"rival": alone}, "--rival"),
        (walk, QUICK, {}, "--sample"),
        (some, replace(QUICK, objective="discounted"), {}, "myopic"),
        (some, replace(QUICK, rank=0), {}, "--rank 8"),
        (taught(model, "economicus:1 -> utilitarian:1"), QUICK, {}, "one preference"),
        (some, QUICK, {"warmup": -1}, "at least 0"),
        (replace(some, prompts=words), QUICK, {}, "an answer that is begun; leave begins out"),
    ]:
        with pytest.raises(HominesError, match=match):
            check_sampled(lesson_, setting, **{"by": "grpo", **more})
    with pytest.raises(HominesError, match="--completion"):
        sampled(model, some, replace(QUICK, completion=500), tmp_path, by="grpo")


def test_a_missing_library_is_named_with_what_installs_it(tokenizer: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(road, "find_spec", lambda name: None)
    with pytest.raises(HominesError, match=r"homines\[sampled\]"):
        check_sampled(taught(fresh(tokenizer)), QUICK, by="grpo")


def test_a_broken_step_keeps_the_last_good_adapter(tokenizer: Any, tmp_path: Path) -> None:
    model = fresh(tokenizer)

    def spoil(row: dict[str, Any]) -> None:
        for name, p in model.net.named_parameters():
            if "lora_A.default" in name:
                p.register_hook(torch.full_like(p, float("nan")).add)

    with pytest.raises(HominesError, match=r"before step 2 of 2: a gradient is not finite; .*last_good"):
        sampled(
            model, taught(model), QUICK, tmp_path, by="grpo", warmup=WarmUp(WARM), follow=Follow(step=spoil)
        )
    assert kept(tmp_path / "last_good").keys() == kept(tmp_path / "warmup" / "adapter").keys()


def kept(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def weights(model: HuggingFace) -> list[torch.Tensor]:
    return [p for name, p in model.net.named_parameters() if "lora_" in name and ".default." in name]


@pytest.mark.parametrize("by", ["grpo", "rloo"])
@pytest.mark.parametrize("value", [float("nan"), 1e30])
def test_weights_that_break_end_in_words_and_not_in_the_last_good_adapter(
    tokenizer: Any, tmp_path: Path, by: str, value: float
) -> None:
    """The next generation has no odds to draw from (at 1e30 the weights themselves are numbers)."""
    model = fresh(tokenizer)

    def spoil(row: dict[str, Any]) -> None:
        for p in weights(model):
            p.data.fill_(value)

    with pytest.raises(HominesError, match=r"before step 2 of 2: the odds .* not finite; .*last_good"):
        sampled(model, taught(model), QUICK, tmp_path, by=by, warmup=WarmUp(WARM), follow=Follow(step=spoil))
    good, warm = kept(tmp_path / "last_good"), kept(tmp_path / "warmup" / "adapter")
    assert all(torch.equal(good[name], p) for name, p in warm.items())
    assert not (tmp_path / "adapter").exists()


def test_a_last_step_that_breaks_the_weights_is_not_the_result(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import TrainerCallback

    class Spoil(TrainerCallback):
        def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 1:
                weights(model)[0].data[0, 0] = float("inf")

    monkeypatch.setattr(road, "silence", lambda trainer: trainer.add_callback(Spoil()))
    model = fresh(tokenizer)
    rows: list[dict[str, Any]] = []
    with pytest.raises(HominesError, match=r"before step 2 of 2: it would leave weights .*last_good"):
        sampled(model, taught(model), QUICK, tmp_path, by="grpo", follow=Follow(step=rows.append))
    assert len(rows) == 1
    assert all(bool(torch.isfinite(p).all()) for p in kept(tmp_path / "last_good").values())
    assert not (tmp_path / "adapter").exists()


def test_a_kl_over_the_limit_stops_before_the_step_that_showed_it(tokenizer: Any, tmp_path: Path) -> None:
    setting = replace(QUICK, steps=3, lr=3e-2)
    rows = curve(tokenizer, tmp_path / "a", setting, warmup=WarmUp(WARM))
    assert rows[2]["kl"] > rows[1]["kl"] > 1e-6
    limit = (rows[1]["kl"] + rows[2]["kl"]) / 2
    shutil.copytree(tmp_path / "a" / "warmup", tmp_path / "b" / "warmup")  # which has the limit too
    with pytest.raises(HominesError, match=r"before step 3 of 3: the KL .* over --kl-limit; .*last_good"):
        curve(tokenizer, tmp_path / "b", replace(setting, kl_limit=limit), warmup=WarmUp(WARM))
    step_1 = kept(tmp_path / "b" / "checkpoints" / "checkpoint-1")
    good = kept(tmp_path / "b" / "last_good")
    assert all(torch.equal(good[name], p) for name, p in step_1.items())

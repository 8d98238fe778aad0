"""SFT and distillation on tiny networks: what is learned, what is refused, what is resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from homines.core.progress import Follow
from homines.core.types import HominesError, Interrupted, Prompt
from homines.datasets.folder import read, write
from homines.datasets.generator import generate
from homines.datasets.recipe import Recipe
from homines.datasets.row import Row
from homines.inference.reasoning import ReasoningOptions, read_reasoned
from homines.inference.tokens import terminator
from homines.models.hf import HuggingFace
from homines.training.lessons import Lesson, lessons_of_rows
from homines.training.objective import Signals
from homines.training.settings import Settings, SupervisedSettings
from homines.training.supervised import cross_entropy, train_supervised
from tests.helpers.tiny import willing


def pupil(tokenizer: Any, words: str = "A,B", **changes: Any) -> HuggingFace:
    return HuggingFace(
        willing(tokenizer, words, **changes), tokenizer, name="tiny", provenance={"revision": "0"}
    )


def rows(reasons: bool, many: int = 24) -> list[Row]:
    train, _, _ = generate(Recipe("economicus", train=many, test=0, asks=("aloud" if reasons else "bare",)))
    return train


def said(lesson: Lesson) -> list[int]:
    """The tokens of a lesson of one answer, in order."""
    assert not lesson.branches
    return [token for _, token, _ in lesson.said]


def test_lessons_say_what_is_measured_and_end(tokenizer: Any) -> None:
    model = pupil(tokenizer)
    for row, (lesson,) in zip(rows(True), lessons_of_rows(model, rows(True)), strict=True):
        prompt = model.encode([row.prompt])[0].prompt
        assert tuple(lesson.forest.tokens[: len(prompt)]) == prompt
        assert lesson.said[0][0] == len(prompt) - 1
        assert said(lesson)[-1] == terminator(tokenizer)
        assert tokenizer.decode(said(lesson)[:-1]) == row.completion


def test_sft_in_several_processes_divides_a_batch(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = pupil(tokenizer)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(HominesError, match=r"batch is 3, which 2 processes cannot divide"):
        train_supervised(model, rows(True, 5), SupervisedSettings("sft", batch=3), tmp_path)


def test_distillation_comes_to_the_target(tokenizer: Any, tmp_path: Path) -> None:
    """One row, many steps: the model's choice becomes the logit choice, and legal."""
    (row,) = rows(False, 1)
    model = pupil(tokenizer)
    seen: list[dict[str, Any]] = []
    train_supervised(
        model,
        [row],
        SupervisedSettings("distill", epochs=150, batch=1, lr=3e-3, rank=8),
        tmp_path,
        follow=Follow(step=seen.append),
    )
    choice = model.score([row.prompt])[0]
    assert choice.p == pytest.approx(row.target, abs=0.03)
    assert choice.mass > 0.8
    least = -(row.target * np.log(row.target)).sum()
    assert seen[-1]["loss"] == pytest.approx(least - np.log(choice.mass), abs=0.05)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").exists()


def test_matching_is_the_cross_entropy_and_its_least_value_is_the_entropy() -> None:
    target = torch.tensor([[[0.3, 0.7], [0.9, 0.1]]], dtype=torch.float64)
    out = cross_entropy(Settings(), Signals(target.log(), target[..., None], torch.ones(1, 2, 1)))
    assert float(out.loss) == pytest.approx(float(-(target * target.log()).sum(-1).mean()))
    half = cross_entropy(Settings(), Signals((target / 2).log(), target[..., None], torch.ones(1, 2, 1)))
    assert float(half.loss - out.loss) == pytest.approx(np.log(2))
    assert half.mass == pytest.approx(0.5)


def test_sft_learns_to_say_what_the_rows_say(tokenizer: Any, tmp_path: Path) -> None:
    row = rows(True, 1)[0]
    model = pupil(tokenizer, row.completion)
    seen: list[dict[str, Any]] = []
    train_supervised(
        model,
        [row],
        SupervisedSettings("sft", epochs=50, batch=1, lr=5e-3, rank=0),
        tmp_path,
        follow=Follow(step=seen.append),
    )
    assert seen[-1]["loss"] < 0.3 * seen[0]["loss"]
    (heard,) = read_reasoned(model, [row.prompt], ReasoningOptions())
    assert heard.reasons[0] is not None
    assert heard.choice.p[row.answer] > 0.9


def test_a_stopped_training_goes_on_to_the_same_end(tokenizer: Any, tmp_path: Path) -> None:
    some = rows(False, 8)
    for by in ("sft", "distill"):
        course = SupervisedSettings(by, epochs=4, batch=4, lr=1e-3, rank=4, save_every=2)
        straight = pupil(tokenizer)
        train_supervised(straight, some, course, tmp_path / by / "a")
        steps = iter(range(100))
        broken = pupil(tokenizer)
        with pytest.raises(Interrupted, match="stopped at step"):
            train_supervised(
                broken,
                some,
                course,
                tmp_path / by / "b",
                follow=Follow(stop=lambda steps=steps: next(steps) >= 4),
            )
        resumed = pupil(tokenizer)
        train_supervised(resumed, some, course, tmp_path / by / "b")
        one, two = (m.score([some[0].prompt])[0] for m in (straight, resumed))
        assert two.p == pytest.approx(one.p, abs=1e-4)


def test_what_cannot_be_taught_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    model = pupil(tokenizer)
    with pytest.raises(HominesError, match="no rows"):
        train_supervised(model, [], SupervisedSettings(), tmp_path)
    with pytest.raises(HominesError, match="think aloud first"):
        train_supervised(model, rows(True), SupervisedSettings("distill"), tmp_path)
    with pytest.raises(HominesError, match="no road called 'osmosis'"):
        SupervisedSettings("osmosis")
    with pytest.raises(HominesError, match="lr is 2"):
        SupervisedSettings(lr=2)
    model.window = 40
    with pytest.raises(HominesError, match="does not fit this model's context of 40"):
        train_supervised(model, rows(True), SupervisedSettings(), tmp_path)
    model.window = 512
    from dataclasses import replace

    bad = [replace(row, completion=f"Answer: {tokenizer.eos_token}") for row in rows(True, 2)]
    with pytest.raises(HominesError, match="could never end"):
        train_supervised(model, bad, SupervisedSettings(), tmp_path)


def test_a_data_folder_is_read_as_it_was_made(tmp_path: Path) -> None:
    recipe = Recipe("moralis(kappa=0.5)", ("symmetric", "trust"), train=12, test=4, words=("A,B", "X,Y"))
    write(recipe, tmp_path / "data")
    again, train, test = read(tmp_path / "data")
    assert again == recipe
    fresh, other, _ = generate(recipe)
    for one, two in zip((*train, *test), (*fresh, *other), strict=True):
        assert one.messages() == two.messages()
        assert one.prompt.key == two.prompt.key
        assert json.dumps(one.facts()) == json.dumps(two.facts())
    with pytest.raises(HominesError, match="is no data folder"):
        read(tmp_path)


def test_answers_begun_are_taught_after_their_beginning(tokenizer: Any, tmp_path: Path) -> None:
    """As data for others too: the whole turn, of which the first words are the prompt's here."""
    recipe = Recipe("economicus", train=8, test=2, frames=("table(begins='Answer:')",), asks=("bare",))
    write(recipe, tmp_path / "data")
    _, train, _ = read(tmp_path / "data")
    made, _, _ = generate(recipe)
    assert [row.prompt for row in train] == [row.prompt for row in made]
    assert [row.completion for row in train] == [row.prompt.labels[row.answer] for row in train]
    assert {row.messages()["messages"][-1]["content"] for row in train} == {"Answer: A", "Answer: B"}
    model = pupil(tokenizer)
    for row, (lesson,) in zip(train, lessons_of_rows(model, train), strict=True):
        assert tokenizer.decode(said(lesson)[:-1]) == f" {row.completion}"
        (item,) = model.encode([row.prompt])
        assert tuple(said(lesson)) == item.labels[row.answer], "what is taught is what is measured"
    before = np.mean([c.mass for c in model.score([row.prompt for row in train])])
    train_supervised(model, train, SupervisedSettings("distill", lr=1e-2, rank=4, epochs=4), tmp_path / "run")
    assert np.mean([c.mass for c in model.score([row.prompt for row in train])]) > before
    chats = tmp_path / "data" / "train.jsonl"
    chats.write_text(chats.read_text().replace("Answer: ", "Reply: "))
    with pytest.raises(HominesError, match="does not begin 'Answer:'"):
        read(tmp_path / "data")
    with pytest.raises(HominesError, match="asks to think aloud"):
        generate(Recipe("economicus", train=8, test=0, frames=("table(begins='Answer:')",)))


# --- thinking aloud ------------------------------------------------------------------------------


def thinking(labels: tuple[str, ...] = ("A", "B")) -> Prompt:
    return Prompt((("user", "A or B? Think, then end with Answer: A or Answer: B"),), labels, cue="Answer:")


def test_reasons_end_with_the_cue_and_the_answer_after_each_is_exact(tokenizer: Any) -> None:
    model = pupil(tokenizer, "Answer:,A")
    (heard,) = read_reasoned(
        model, [thinking()], ReasoningOptions(traces=6, temperature=1.5, most=24, seed=1)
    )
    assert len(heard.reasons) == len(heard.p) == len(heard.counted) == 6
    reached = [r for r in heard.reasons if r is not None]
    assert reached, "the words it says now and then hold the cue"
    assert all(r.endswith("Answer:") for r in reached)
    for text, p in zip(heard.reasons, heard.p, strict=True):
        if text is None:
            assert (p == 0).all()
            continue
        # the plain way: one label at a time, token by token
        from homines.inference.tokens import encode

        (item,) = encode(tokenizer, [thinking()], [text])
        for label, said in enumerate(item.labels):
            ids = torch.tensor([[*item.prompt, *said]])
            with torch.no_grad():
                logp = model.net(input_ids=ids).logits.float().log_softmax(-1)[0]
            at = range(len(item.prompt) - 1, ids.shape[1] - 1)
            total = sum(float(logp[i, t]) for i, t in zip(at, said, strict=True))
            assert p[label] == pytest.approx(np.exp(total), rel=1e-3, abs=1e-9)
    assert heard.choice.n == 6
    assert heard.choice.mass == pytest.approx(float(heard.p.mean(0).sum()))


def test_the_same_seed_hears_the_same_whatever_else_is_asked(tokenizer: Any) -> None:
    model = pupil(tokenizer, "Answer:,A")
    how = ReasoningOptions(traces=8, temperature=1.5, most=24, seed=5)
    other = Prompt((("user", "B or A? Answer: A or Answer: B"),), ("A", "B"), cue="Answer:")
    alone = read_reasoned(model, [thinking()], how)[0]
    beside = read_reasoned(model, [other, thinking()], how)[1]
    assert alone.reasons == beside.reasons
    assert alone.counted == beside.counted
    assert read_reasoned(model, [thinking()], ReasoningOptions(8, 1.5, 24, 6))[0].reasons != alone.reasons


def test_silent_and_spoken_prompts_are_scored_together_in_order(tokenizer: Any) -> None:
    model = pupil(tokenizer, "Answer:,A")
    silent = Prompt((("user", "A or B?"),), ("A", "B"))
    one, two, three = model.score([silent, thinking(), silent])
    assert one.n is None
    assert two.n == 1
    assert three.p == pytest.approx(one.p)


def test_reasons_are_recorded_beside_the_answer(tokenizer: Any) -> None:
    from homines.core.registry import find
    from homines.elicitation.asking import measure
    from homines.elicitation.questions import battery, questions

    model = pupil(tokenizer, "Answer:,A")
    model.reasoning = ReasoningOptions(traces=4, temperature=1.5, most=8)
    games = {"ipd": battery(find("games", "ipd"))[:1]}
    frames = [
        find("frames", "table(labels='A,B', goal='highest score', asks=aloud)"),
        find("frames", "table(labels='A,B')"),
    ]
    records = measure(model, questions(model, games, frames, most=2))
    spoken = [r for r in records if "asks=aloud" in r.frame]
    assert len(spoken) == 2
    for r in spoken:
        assert len(r.provenance["reasons"]) == len(r.provenance["counted"]) == 4
        assert r.provenance["tokens"] > 0
        assert r.choice is not None
        assert r.choice.n == 4
    assert all("reasons" not in r.provenance for r in records if r not in spoken)


def test_a_mute_model_is_recorded_as_mute(tokenizer: Any) -> None:
    model = pupil(tokenizer, "well")
    (heard,) = read_reasoned(model, [thinking()], ReasoningOptions(most=3))
    assert heard.reasons == (None,)
    assert heard.choice.mass == 0
    assert heard.counted == (-1,)


def test_how_to_think_is_checked() -> None:
    with pytest.raises(HominesError, match="at temperature 0"):
        ReasoningOptions(traces=4)
    with pytest.raises(HominesError, match="traces must be"):
        ReasoningOptions(traces=0)

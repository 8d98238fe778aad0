"""What was asked: one prompt of every wording, verbatim, with its likeliest answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from homines.core.capabilities import begins_of, goal_of, labels_of, variant
from homines.core.format import TableRow, clean, count, number
from homines.core.registry import find, head, spell
from homines.core.types import HominesError, Prompt, Record
from homines.elicitation.questions import retell, situation
from homines.elicitation.scene import GOALS
from homines.elicitation.treatments import TREATMENTS, Effect, effects, treatments
from homines.frames.under import Under

ADDED = {
    "goal": "state a goal, “{}”: their rates are of play under that goal.",
    "begins": "have an answer begun, “{}”: legal mass and rates are of what follows it.",
}
"""What follows 'n of m questions', by the name of a treatment."""
LONGEST_PROMPT = 20_000
"""Characters of a prompt in the terminal, at most."""
MOST_NAMED = 30
"""Characters of a goal or a beginning in a row of a table."""
LIKELIEST = 3
"""Answers of a prompt that are listed, at most, and other texts that were counted."""


@dataclass(frozen=True)
class Answers:
    """One model's answer to the prompt of a wording.

    labels   (label, probability), the likeliest first; not given a legal answer: with `other` they sum to one
    other    probability of every answer that is no label
    n        number of samples; None where exact
    texts    (text, count) of illegal answers that were sampled, the most frequent first
    error    of a failed question
    """

    model: str
    labels: tuple[tuple[str, float], ...]
    other: float
    n: int | None
    texts: tuple[tuple[str, int], ...]
    error: str | None


@dataclass(frozen=True)
class Wording:
    """One way of asking: a frame with its goal and beginning, in all its labels.

    name     short name of the frame, without labels
    goal     the sentence that says what to aim at; empty: none. None: the frame is not known here
    begins   words with which the answer begins; empty: none
    labels   sets of labels, such as 'X, Y'
    where    game, situation of the prompt shown
    prompt   that of its first question; None where the folder does not have it as it was asked
    questions, prompts   how many questions (of all models) and different prompts this wording has
    """

    name: str
    goal: str | None
    begins: str
    labels: tuple[str, ...]
    where: str
    prompt: Prompt | None
    answers: tuple[Answers, ...]
    questions: int
    prompts: int

    @property
    def caption(self) -> str:
        """'table, no goal stated, labels A, B and B, A': in what words, and with what aim."""
        parts = [self.name]
        if self.goal is not None:
            parts.append(f"goal stated: “{self.goal}”" if self.goal else "no goal stated")
        if self.begins:
            parts.append(f"answer begun: “{self.begins}”")
        return "; ".join(parts)


def wordings(
    records: Sequence[Record], find_prompts: Callable[[Iterable[str]], Mapping[str, Prompt]]
) -> list[Wording]:
    """Every way in which these records were asked, in the order of the first question.

    find_prompts   gives prompts by their keys, as `RunFolder.prompts` does
    """
    plain = {frame: _plain(frame) for frame in {r.frame for r in records}}
    groups: dict[str, list[Record]] = {}
    for r in records:
        groups.setdefault(plain[r.frame], []).append(r)
    first = [group[0] for group in groups.values()]
    stored = find_prompts(str(r.provenance.get("prompt")) for r in first)
    return [
        _wording(spec, group, stored.get(str(group[0].provenance.get("prompt"))))
        for spec, group in groups.items()
    ]


def _plain(spec: str) -> str:
    """The spec of a frame without its labels; the spec itself where it is not known here."""
    try:
        frame = find("frames", spec)
    except HominesError:
        return spec
    return spell(variant(frame, labels=())) if labels_of(frame) else spec


def _wording(spec: str, group: Sequence[Record], prompt: Prompt | None) -> Wording:
    shown = group[0]
    question = shown.game, shown.decision.key, shown.order, shown.frame
    alike = [r for r in group if (r.game, r.decision.key, r.order, r.frame) == question]
    try:
        frame = find("frames", spec)
    except HominesError:
        frame = None
    return Wording(
        _name(spec, frame),
        None if frame is None else goal_of(frame),
        begins_of(frame),
        tuple(dict.fromkeys(", ".join(r.labels) for r in group)),
        f"{shown.game}, {situation(shown.decision)}" if shown.game else situation(shown.decision),
        prompt or retell(shown),
        tuple(_answers(r) for r in alike if r.choice is not None or r.error),
        len(group),
        len({r.provenance.get("prompt") for r in group}),
    )


def _name(spec: str, frame: Any) -> str:
    """'table', 'table, layout reversed': the frame and the settings that differ from its defaults."""
    if frame is None:
        return spec
    if isinstance(frame, Under):
        return f"{_name(spell(frame.inner), frame.inner)}, {frame.condition or 'plain'}"
    default = type(frame)  # a field's default is an attribute of its class
    shown = {k: v for k, v in vars(frame).items() if k not in ("labels", "goal", "begins")}
    settings = (f"{k} {v}" for k, v in shown.items() if v != getattr(default, k, None))
    return ", ".join([head(spec), *settings])


def _goal_name(text: str) -> str:
    """The name of a goal in GOALS; any other text as it is."""
    return next((name for name, sentence in GOALS.items() if sentence == text), text)


def brief(spec: str) -> str:
    """A frame's spec without the fields at their defaults: 'table X,Y', 'table X,Y begins: Answer:', 'story
    X,Y, persona' under a condition; the spec of one that is not here; a text that is no spec as it is."""
    try:
        frame = find("frames", spec)
    except HominesError:
        return spec
    if isinstance(frame, Under):
        return f"{brief(spell(frame.inner))}, {frame.condition or 'plain'}"
    words: list[str] = []
    for f in fields(frame):
        if (value := getattr(frame, f.name)) != f.default:
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            words.append(f"{f.name}: {_goal_name(text)[:MOST_NAMED]}" if f.name in TREATMENTS else text)
    return " ".join((head(spec), *words))


def _answers(r: Record) -> Answers:
    if r.choice is None:
        return Answers(r.model, (), 1.0, None, (), r.error)
    p = sorted(zip(r.labels, map(float, r.choice.p * r.choice.mass), strict=True), key=lambda pair: -pair[1])
    texts = r.provenance.get("illegal")
    counted = cast("Mapping[Any, Any]", texts).items() if isinstance(texts, Mapping) else ()
    known = sorted(((str(t), n) for t, n in counted if type(n) is int), key=lambda pair: -pair[1])
    return Answers(
        r.model,
        tuple(p[:LIKELIEST]),
        max(0.0, 1 - sum(x for _, x in p)),
        r.choice.n,
        tuple(known[:LIKELIEST]),
        None,
    )


def additions(records: Sequence[Record]) -> list[str]:
    """A sentence for every goal that these questions state, and for every beginning of their answers."""
    counts: Counter[tuple[str, str]] = Counter()
    known = {frame: treatments(frame) for frame in {r.frame for r in records}}
    counts.update((t.name, t.text) for r in records for t in known[r.frame])
    return [
        f"{n} of {count(len(records), 'question')} {ADDED[name].format(clean(text, 200))}"
        for (name, text), n in counts.items()
    ]


def effect_rows(records: Iterable[Record]) -> list[TableRow]:
    """What a stated goal or an answer begun moves, a row a treatment, model and game."""
    return [_effect_row(e) for e in effects(records)]


def _effect_row(e: Effect) -> TableRow:
    before, after = e.rates or (None, None)
    return {
        "model": e.model,
        "game": e.game,
        "with": f"{e.treatment} {_goal_name(e.text)!r}",
        "action": e.action,
        "rate without": before,
        "rate with": after,
        "difference": None if before is None or after is None else after - before,
        "moved": e.moved,
        "mass without": e.masses[0],
        "mass with": e.masses[1],
        "instability without": e.instabilities[0],
        "instability with": e.instabilities[1],
        "pairs": e.questions,
    }


def effect_line(row: TableRow) -> str:
    """A row of `effect_rows` in words: legal mass first, then the rate."""

    def both(name: str, digits: int = 2) -> str:
        return f"{number(row[f'{name} without'], digits)} → {number(row[f'{name} with'], digits)}"

    return (
        f"{row['game']}, {row['with']}: legal mass {both('mass', 3)}, instability {both('instability')}, "
        f"P({row['action']}) {both('rate')}; in one frame a decision moves by {number(row['moved'])}"
    )


def text_of(wording: Wording) -> str:
    """A wording for the terminal: its caption, the prompt, what follows it, the likeliest answers."""
    labels = "; ".join(wording.labels[:LIKELIEST])
    head = (
        f"{wording.caption}; labels {labels}; {count(wording.prompts, 'prompt')}, of which {wording.where}:"
    )
    if wording.prompt is None:
        return f"{head}\n(not in this folder as it was asked)"
    turns = [text if role == "user" else f"{role}: {text}" for role, text in wording.prompt.messages]
    if wording.begins:
        turns.append(f"(the answer begins) {wording.begins}")
    lines = [line for turn in turns for line in clean(turn, LONGEST_PROMPT).split("\n")]
    return "\n".join([head, *(f"  | {line}" for line in lines), *_answer_lines(wording.answers)])


def _answer_lines(answers: Sequence[Answers]) -> list[str]:
    lines: list[str] = []
    for each in answers:
        if each.error is not None:
            lines.append(f"  {each.model}: failed: {clean(each.error)}")
            continue
        listed = [f"{label} {number(p, 3)}" for label, p in (*each.labels, ("anything else", each.other))]
        lines.append(f"  {each.model}: {', '.join(listed)}")
        lines += [f"    {text!r} {n} times" for text, n in each.texts]
    return lines

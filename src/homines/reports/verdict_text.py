"""The verdict in words: its headline, a line a check, and the command that asks what was not asked."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.capabilities import labels_of
from homines.core.format import clean, count, number
from homines.core.run_folder import trained_folder
from homines.core.types import LEGAL_MASS
from homines.elicitation.rewordings import EXCHANGED, OTHER, UNSEEN
from homines.models import known
from homines.reports.run_view import TRAINING_KINDS, RunView, find_or_none, read
from homines.reports.same_act import TOLERANCE, OrderEffect, SameAct, Shift
from homines.reports.verdict import LOSSES, Check, LegalAnswers, Loss, NothingLost, Place, Verdict, verdicts

NAMES = {"everyday accuracy": "everyday questions right", "perplexity": "perplexity of a text"}
EXPLANATION = (
    "A rate says something of an agent that answers legally (in brackets its lowest legal mass) and does the "
    "same act in other words (the most that a rate moves with them); its training is good where nothing "
    "else was lost (the largest loss as a share of what is allowed; below 0: none)."
)
"""Of a table of `verdict_row`s."""
NEGATIVES = ("--no-check", "--no-rewordings")
MOST_AGENTS = 8
"""Agents that have a verdict each; of more, equal headlines are one, with their number."""


@dataclass(frozen=True)
class CheckLine:
    """A check as a line: 'passed', 'answers legally', 'legal mass .98 or more in 4 games and frames'."""

    outcome: str
    name: str
    text: str
    command: str = ""
    """Asks what was not asked."""


@dataclass(frozen=True)
class VerdictText:
    """A verdict as a headline and a line a check.

    model    its agent; '12 agents' where so many share the headline, and no line
    passed   whether all checks were asked and passed
    named    whether the reader needs the model's name
    """

    model: str
    headline: str
    lines: tuple[CheckLine, ...]
    passed: bool
    named: bool = False


def verdict_json(folder: str | Path) -> list[dict[str, Any]]:
    """The verdicts of a run folder as JSON, each with its headline."""
    return [{"headline": headline(v), **v.to_json()} for v in verdicts(read(folder))]


def verdict_row(v: Verdict) -> dict[str, str]:
    """A verdict as a row of a table: its headline, each check's outcome with its figure."""
    checks = {
        check.name: check.outcome + ("" if check.figure is None else f" ({number(check.figure)})")
        for check in v.checks
    }
    return {"verdict": headline(v), **checks}


def describe_verdicts(view: RunView) -> list[VerdictText]:
    """The verdicts of a run in words; one a headline where they are of more than MOST_AGENTS."""
    every = [describe(v, view) for v in verdicts(view)]
    every = [replace(text, named=len(every) > 1) for text in every]
    if len(every) <= MOST_AGENTS:
        return every
    alike: dict[str, list[VerdictText]] = {}
    for text in every:
        alike.setdefault(text.headline, []).append(text)
    return [
        replace(texts[0], model=f"{len(texts)} agents", lines=()) if len(texts) > 1 else texts[0]
        for texts in alike.values()
    ]


def describe(v: Verdict, view: RunView) -> VerdictText:
    """A verdict in words."""
    lines = tuple(CheckLine(c.outcome, c.name, _text(c), _command(c, v, view)) for c in v.checks)
    return VerdictText(v.model, headline(v), lines, v.finding == "passed")


def headline(v: Verdict) -> str:
    """The finding in a sentence: 'It learned a word: with the labels exchanged, C after C falls from 1.00 to
    .00.'"""
    legal, act = v.legal, v.act
    if v.finding == "no answer":
        if legal.home is None:
            return "It gave no answer."
        return f"It does not answer: legal mass {_mass(legal.home)}."
    if v.finding == "a word" and act.word:
        return f"It {'learned' if v.trained else 'follows'} a word: {_sentence(act.word, act)}."
    if v.finding in ("the words", "the order"):
        first = act.failures[0] if act.failures else None
        if isinstance(first, OrderEffect):
            return f"It follows the order of the options: {_order(first)}."
        why = _sentence(first, act) if first else f"its instability is {number(act.instability)}"
        return f"What it does depends on the words: {why}."
    if v.finding == "no answer in other words":
        low = legal.rows[0]
        return f"It does not answer in other words: legal mass {_mass(low.mass)} in {_place(low)}."
    if v.finding == "a loss" and v.lost:
        return f"It lost something else: {_loss(v.lost.rows[0])}."
    if v.finding == "passed":
        lost = "; nothing else was lost" if v.trained else ""
        return f"It answers legally, and does the same act in other words{lost}."
    unmade = [f"{check.name} ({check.outcome})" for check in v.checks if check.outcome != "passed"]
    return f"No check failed, but not all could be made: {', '.join(unmade)}."


def _text(check: Check) -> str:
    if isinstance(check, LegalAnswers):
        return _legal_text(check)
    if isinstance(check, SameAct):
        return _act_text(check)
    if check.outcome == "not asked":
        return "everyday questions and the perplexity of a text, before and after"
    rows = {row.name: row for row in check.rows}
    return ", ".join(_loss(rows[name]) for name in dict.fromkeys([*LOSSES, *rows]) if name in rows)


def _legal_text(check: LegalAnswers) -> str:
    if not check.rows:
        if check.normalised:
            return "the service tells no legal mass; its probabilities are normalised over the options"
        return "no question was answered"
    low, n, least = check.rows[0], len(check.rows), number(LEGAL_MASS, 1)
    pairs = count(n, "pair") + " of game and frame"
    weak = sum(row.mass < LEGAL_MASS for row in check.rows)
    if not weak:
        return f"lowest legal mass {_mass(low.mass)}, of {pairs} (at least {least} is needed)"
    return f"legal mass under {least} in {weak} of {pairs} (lowest {_mass(low.mass)}: {_place(low)})"


def _act_text(check: SameAct) -> str:
    if check.outcome == "not asked":
        return "the same questions with the labels exchanged, unseen labels, another frame"
    if not check.rows:
        if check.failures:
            return f"{_order(check.orders[0])} (at most {number(TOLERANCE)} is allowed)"
        least = number(LEGAL_MASS, 1)
        return f"no two of {count(check.frames, 'frame')} ask the same with a legal mass of {least} or more"
    large = sum(row.size > check.threshold for row in check.rows)
    parts = [_arrow(check.word, check) if check.word else f"largest shift {_arrow(check.rows[0], check)}"]
    if len(check.rows) > 1 and large:
        parts.append(f"{large} of {len(check.rows)} shifts between wordings are above {number(TOLERANCE)}")
    if check.orders and check.orders[0].size > check.threshold:
        parts.append(_order(check.orders[0]))
    if check.instability is not None and check.exact:
        parts.append(f"instability {number(check.instability)}")
    text = f"{'; '.join(parts)} (at most {number(TOLERANCE)} is allowed)"
    if check.enough is not None:
        text += (
            f"; too few answers to tell this from chance: about {check.enough} a question would do, the "
            f"fewest are {number(check.answers, 0)}"
        )
    if check.instability is not None and not check.exact:
        text += f"; instability {number(check.instability)}, up to {number(check.chance)} of it by chance"
    if check.once:
        text += f"; {check.once} of {count(check.games, 'game')} asked in one wording only"
    return text


def _sentence(row: Shift, check: SameAct) -> str:
    """'with the labels exchanged, C after C falls from 1.00 to .00'."""
    verb = "falls" if row.p_b < row.p_a else "rises"
    return f"{_where(row, check)}, {clean(row.act, 60)} {verb} from {number(row.p_a)} to {number(row.p_b)}"


def _arrow(row: Shift, check: SameAct) -> str:
    """'C after C 1.00 → .00 with the labels exchanged'."""
    return f"{clean(row.act, 60)} {number(row.p_a)} → {number(row.p_b)} {_where(row, check)}"


def _where(row: Shift, check: SameAct) -> str:
    """What differs between the frames of a shift; labels are named where several pairs were exchanged, the
    game where several were asked."""
    game = f" in {clean(row.game, 60)}" if check.games > 1 else ""
    if row.change == EXCHANGED:
        exchanged = [r for r in check.rows if r.change == EXCHANGED]
        several = len({frozenset(r.labels) for r in exchanged}) > 1
        frames = {r.a.partition(" · ")[0] for r in exchanged}
        place = f"{', ' if game else ' in '}{clean(row.a.partition(' · ')[0], 60)}" if len(frames) > 1 else ""
        named = f"{clean(' and '.join(row.labels), 60)} " if several else ""
        return f"with the labels {named}exchanged{game}{place}"
    return f"from {clean(row.a, 60)} to {clean(row.b, 60)}{game}"


def _order(row: OrderEffect) -> str:
    place = "first" if row.effect > 0 else "last"
    where = f"in {clean(row.game, 60)}, {clean(row.frame, 60)}"
    return f"an option is {number(row.size)} likelier where it is shown {place} {where}"


def _loss(row: Loss) -> str:
    limit = row.tolerance
    if row.name == "perplexity":
        text, allowed = f"{number(row.before, 1)} → {number(row.after, 1)}", f"{limit:.0%} more"
    elif row.of is None:
        text, allowed = f"{number(row.before)} → {number(row.after)}", f"{number(limit)} less"
    else:
        text = " → ".join(number(share * row.of, 0) for share in (row.before, row.after))
        text, allowed = f"{text} of {number(row.of, 0)}", f"{number(np.floor(limit * row.of + 1e-9), 0)} less"
    over = f" (at most {allowed} is allowed)" if row.share > 1 + 1e-9 else ""
    return f"{NAMES.get(row.name, row.name)} {text}{over}"


def _mass(x: float) -> str:
    return number(x) if x >= 0.005 or x == 0 else f"{x:.0e}"


def _place(row: Place) -> str:
    return f"{clean(row.game, 60)}, {clean(row.frame, 60)}"


# --- the command that asks ----------------------------------------------------------------------------


def _command(check: Check, v: Verdict, view: RunView) -> str:
    """A command that asks what a check misses; empty where nothing is missing or no command asks it, as of
    an imported log."""
    if check.outcome != "not asked" or isinstance(check, LegalAnswers):
        return ""
    if (again := _again(view)) and v.trained:
        return again
    if isinstance(check, NothingLost) or view.run.config.get("kind") == "import":
        return ""
    return _measure(v, view) if known(_loading(v, view)) else ""


def _again(view: RunView) -> str:
    """The command of the run in its folder, without the options that leave checks out; empty where these do
    not occur in it."""
    words = shlex.split(str(view.run.config.get("command") or ""))
    if view.run.config.get("kind") not in TRAINING_KINDS or words[:1] != ["homines"]:
        return ""
    kept = [word for word in words if word not in NEGATIVES]
    if kept == words:
        return ""
    return shlex.join(kept if "--out" in kept else [*kept, "--out", str(view.run.folder)])


def _measure(v: Verdict, view: RunView) -> str:
    """The measurement that asks this model the same game in other words."""
    record = next(r for r in view.records if r.model == v.model)
    frame = find_or_none("frames", record.frame)
    labels = labels_of(frame) if frame is not None else ()
    pairs = [",".join(labels), next(pair for pair in UNSEEN if not set(pair.split(",")) & set(labels))]
    frames = [
        record.frame.partition("(")[0],
        next(name for name in OTHER if not record.frame.startswith(name)),
    ]
    words = ["homines", "measure", _loading(v, view), "--game", record.game]
    words += [word for name in frames for word in ("--frame", name)]
    words += [word for pair in (pairs if len(labels) == 2 else []) for word in ("--labels", pair)]
    dtype = view.run.config.get("dtype")
    return shlex.join([*words, *(["--dtype", str(dtype)] if dtype else [])])


def _loading(v: Verdict, view: RunView) -> str:
    """The MODEL string that loads this model from here; records name an adapter by its folder alone."""
    result = trained_folder(view.run.folder, view.noted) if v.trained else None
    if result is None:
        return v.model
    adapter = (result / "adapter_config.json").exists()
    return f"{view.run.config.get('model')}+{result}" if adapter else f"hf/{result}"

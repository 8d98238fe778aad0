"""The verdict on agents whose every probability is chosen here: of words, of acts, of orders, of silence."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Record
from homines.elicitation.questions import state
from homines.reports import model_card, run_page
from homines.reports.comparison_page import write as compare
from homines.reports.console import print_before_after, print_verdicts
from homines.reports.run_view import RunView, read
from homines.reports.same_act import LEVEL, same_act
from homines.reports.verdict import Verdict, verdicts
from homines.reports.verdict_text import VerdictText, describe_verdicts, headline, verdict_json
from homines.results import RunResult

TRAINED = "smollm2+adapter"
EXCHANGED, UNSEEN = "table(labels='action2,action1')", "table(labels='X,Y')"
STORY = "story(labels='action1,action2')"
Answer = Callable[[Record], Choice]


def by_act(r: Record) -> Choice:
    """C after C, D after D, in whatever words."""
    p = 0.95 if (state(r.decision) or "").endswith("C") else 0.1
    return Choice.at([p, 1 - p], mass=0.97)


def by_word(r: Record) -> Choice:
    """The word action1, whatever it means; other words evenly."""
    p = [0.99 if label == "action1" else 0.01 if label == "action2" else 0.5 for label in r.labels]
    return Choice.at(p, mass=0.99)


def by_order(r: Record) -> Choice:
    return Choice.at([0.9 if a == r.order[0][0] else 0.1 for a in range(2)], mass=0.9)


def by_frame(r: Record) -> Choice:
    p = 0.9 if r.frame.startswith("table") else 0.2
    return Choice.at([p, 1 - p])


def sides(right: int, perplexity: float) -> dict[str, Any]:
    return {"right": right, "questions": 60, "accuracy": right / 60, "mass": 0.3, "perplexity": perplexity}


KEPT = {"smollm2": sides(40, 32.0), TRAINED: sides(38, 31.0)}


def aligned(
    folder: Path,
    kit: Any,
    answer: Answer,
    frames: tuple[str, ...] | None = None,
    effects: Mapping[str, Any] = KEPT,
    command: str = "homines align smollm2 --to economicus",
) -> Path:
    """A training whose agent answers so."""
    asked = frames or (kit.table, EXCHANGED, UNSEEN, STORY)
    config = {
        "kind": "align", "command": command, "model": "smollm2", "preference": "economicus",
        "game": "ipd", "games": ["ipd"], "training_frames": [kit.table], "frames": [kit.table],
    }  # fmt: skip
    records = kit.ask("smollm2", by_order, frames=asked) + kit.ask(TRAINED, answer, frames=asked)
    notes: dict[str, Any] = {"training.json": {"result": "adapter"}}
    kit.fill(folder, config, records, notes=notes | ({"sideeffects.json": effects} if effects else {}))
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    return folder


def measured(folder: Path, kit: Any, answer: Answer, *frames: str) -> Path:
    config = {"kind": "measure", "model": "mock", "games": ["ipd"], "frames": list(frames)}
    return kit.fill(folder, config, kit.ask("mock", answer, frames=frames))


def only(folder: Path) -> tuple[Verdict, VerdictText]:
    view = read(folder)
    [verdict], [told] = verdicts(view), describe_verdicts(view)
    return verdict, told


def outcomes(verdict: Verdict) -> list[str]:
    return [check.outcome for check in verdict.checks]


def test_an_agent_that_learned_a_word_is_told_so_before_any_rate(kit: Any, tmp_path: Path) -> None:
    folder = aligned(tmp_path / "run", kit, by_word)
    verdict, told = only(folder)
    assert outcomes(verdict) == ["passed", "failed", "passed"]
    assert verdict.finding == "a word"
    assert told.headline == "It learned a word: with the labels exchanged, C after C falls from .99 to .01."
    assert not told.passed
    assert verdict.act.figure == pytest.approx(0.98)
    text = kit.read(run_page.write(folder)).text
    assert -1 < text.index(told.headline) < text.index("plays C after C with probability")
    assert "nothing got worse" not in text
    card = (folder / "adapter" / "README.md").read_text()
    assert f"**{told.headline}**" in card
    assert "| the same act in other words | failed |" in card


def test_an_agent_that_follows_acts_passes_all_three(kit: Any, tmp_path: Path) -> None:
    verdict, told = only(folder := aligned(tmp_path / "run", kit, by_act))
    assert outcomes(verdict) == ["passed"] * 3
    assert told.passed
    assert told.headline == (
        "It answers legally, and does the same act in other words; nothing else was lost."
    )
    assert "It learned a word" not in kit.read(run_page.write(folder)).text


@pytest.mark.parametrize(
    ("answer", "finding", "words"),
    [
        (by_word, "a word", "It follows a word: with the labels exchanged, C after C falls from .99 to .01."),
        (by_order, "the order", "It follows the order of the options: an option is"),
        (by_act, "passed", "It answers legally, and does the same act in other words."),
        (lambda r: replace(by_act(r), mass=0.02), "no answer", "It does not answer: legal mass .02."),
        (lambda r: replace(by_act(r), mass=1e-9), "no answer", "It does not answer: legal mass 1e-09."),
    ],
)  # fmt: skip
def test_what_a_measured_agent_follows(
    kit: Any, tmp_path: Path, answer: Answer, finding: str, words: str
) -> None:
    verdict, told = only(measured(tmp_path / "run", kit, answer, kit.table, EXCHANGED))
    assert verdict.lost is None, "nothing was trained"
    assert verdict.finding == finding
    assert told.headline.startswith(words)


def test_an_act_that_turns_with_the_frame_depends_on_the_words(kit: Any, tmp_path: Path) -> None:
    verdict, told = only(measured(tmp_path / "run", kit, by_frame, kit.table, STORY))
    assert verdict.finding == "the words"
    assert told.headline == (
        "What it does depends on the words: from table · action1/action2 to story · action1/action2, "
        "C after C falls from .90 to .20."
    )


def test_states_that_turn_about_while_their_mean_stays_are_unstable(kit: Any, tmp_path: Path) -> None:
    def turned(r: Record) -> Choice:
        p = 0.9 if (state(r.decision) or "").startswith("C") == r.frame.startswith("table") else 0.1
        return Choice.at([p, 1 - p])

    verdict, told = only(measured(tmp_path / "run", kit, turned, kit.table, STORY))
    assert verdict.act.rows[0].size == pytest.approx(0)
    assert verdict.act.outcome == "failed"
    assert told.headline == "What it does depends on the words: its instability is .80."


def test_rates_of_answers_rarely_given_decide_nothing(kit: Any, tmp_path: Path) -> None:
    def silent_story(r: Record) -> Choice:
        return by_act(r) if r.frame.startswith("table") else Choice.at([0.0, 1.0], mass=0.1)

    verdict, told = only(aligned(tmp_path / "a", kit, silent_story))
    assert outcomes(verdict) == ["failed", "passed", "passed"]
    assert told.headline == (
        "It does not answer in other words: legal mass .10 in ipd, story · action1/action2."
    )
    verdict, told = only(measured(tmp_path / "b", kit, silent_story, kit.table, STORY))
    assert verdict.act.outcome == "not read"
    assert "no two of 2 frames ask the same with a legal mass of .5 or more" in told.lines[1].text


@pytest.mark.parametrize(
    ("after", "outcome", "words"),
    [
        (sides(37, 32.0), "passed", ""),
        (sides(36, 32.0), "failed", "everyday questions right 40 → 36 of 60 (at most 3 less is allowed)"),
        (sides(40, 35.2), "passed", ""),
        (sides(40, 36.0), "failed", "perplexity of a text 32.0 → 36.0 (at most 10% more is allowed)"),
        (sides(40, 32.0) | {"mass": 0.2}, "failed", "everyday legal mass .30 → .20 (at most .05 less"),
    ],
)
def test_what_else_may_be_lost(
    kit: Any, tmp_path: Path, after: dict[str, Any], outcome: str, words: str
) -> None:
    effects = {"smollm2": sides(40, 32.0), TRAINED: after}
    verdict, told = only(aligned(tmp_path / "run", kit, by_act, effects=effects))
    assert outcomes(verdict) == ["passed", "passed", outcome]
    assert told.headline.startswith(f"It lost something else: {words}" if words else "It answers legally")


def test_a_check_that_was_not_asked_names_the_command_that_asks_it(kit: Any, tmp_path: Path) -> None:
    command = "homines align smollm2 --to economicus --no-check --no-rewordings"
    folder = aligned(tmp_path / "run", kit, by_act, (kit.table,), {}, command)
    verdict, told = only(folder)
    assert outcomes(verdict) == ["passed", "not asked", "not asked"]
    assert told.headline.startswith("No check failed, but not all could be made: the same act")
    again = f"homines align smollm2 --to economicus --out {folder}"
    assert [line.command for line in told.lines] == ["", again, again]
    text = kit.read(run_page.write(folder)).text
    assert again in text
    assert "nothing got worse" not in text
    _, told = only(measured(tmp_path / "alone", kit, by_act, kit.table))
    assert told.lines[1].command == (
        "homines measure mock --game ipd --frame table --frame sentences "
        "--labels action1,action2 --labels X,Y"
    )


def test_a_model_that_cannot_be_loaded_by_its_name_has_no_command(kit: Any, tmp_path: Path) -> None:
    config = {"kind": "measure", "model": "my own", "games": ["ipd"], "frames": [kit.table]}
    _, told = only(kit.fill(tmp_path / "run", config, kit.ask("my own", by_act)))
    assert [(line.outcome, line.command) for line in told.lines] == [("passed", ""), ("not asked", "")]


def test_a_model_trained_by_an_unknown_command_is_asked_by_a_measurement(kit: Any, tmp_path: Path) -> None:
    folder = aligned(tmp_path / "run", kit, by_act, (kit.table,), command="homines.align('smollm2')")
    _, told = only(folder)
    assert told.lines[1].command.startswith(f"homines measure smollm2+{folder / 'adapter'} --game ipd")


@pytest.mark.parametrize(("n", "outcome"), [(1, "not read"), (200, "failed"), (None, "failed")])
def test_counted_answers_fail_where_chance_does_not_explain_the_shift(
    kit: Any, tmp_path: Path, n: int | None, outcome: str
) -> None:
    def counted(r: Record) -> Choice:
        p = 0.75 if r.frame.startswith("table") else 0.25
        return Choice.at([p, 1 - p], n=n)

    verdict, _ = only(measured(tmp_path / "run", kit, counted, kit.table, STORY))
    assert verdict.act.outcome == outcome


@pytest.mark.parametrize(
    ("n", "outcome"), [(1, "not read"), (2, "not read"), (5, "not read"), (30, "passed"), (60, "passed")]
)
def test_agents_that_are_alike_in_all_words_pass_when_counted(
    kit: Any, tmp_path: Path, n: int, outcome: str
) -> None:
    rng = np.random.default_rng(0)

    def drawn(r: Record) -> Choice:
        return Choice.at(rng.multinomial(n, [0.8, 0.2]) + 1e-12, n=n)

    verdict, told = only(measured(tmp_path / "run", kit, drawn, kit.table, EXCHANGED, UNSEEN, STORY))
    assert verdict.act.outcome == outcome
    assert verdict.act.answers == n
    if outcome == "passed":
        assert verdict.act.enough is None
    else:
        assert n < (verdict.act.enough or 0) < 120
        assert f"about {verdict.act.enough} a question would do, the fewest are {n}" in told.lines[1].text


def outcome_shares(n: int, p: tuple[float, float], acts: int, runs: int = 300) -> dict[str, float]:
    """Shares of outcomes of agents with these rates in two frames, n answers in each of two orders."""
    rng = np.random.default_rng(0)
    view = cast("RunView", SimpleNamespace(run=SimpleNamespace(config={}), training=(), short={}))
    out: Counter[str] = Counter()
    decisions = [d for d in find("games", "ipd").memory_one() if d.history][:acts]
    for _ in range(runs):
        records = [
            Record(d, frame, order, ("X", "Y"), "mock", "ipd", Choice.at([k, n - k], n=n))
            for rate, frame in zip(p, ("table(labels='X,Y')", "story(labels='X,Y')"), strict=True)
            for d in decisions
            for order in (((0, 1), (0, 1)), ((1, 0), (1, 0)))
            for k in [int(rng.binomial(n, rate))]
        ]
        out[replace(same_act(view, records), orders=()).outcome] += 1
    return {name: out[name] / runs for name in ("passed", "failed", "not read")}


def test_few_answers_neither_pass_nor_fail_by_chance() -> None:
    """An agent alike in all words fails in at most LEVEL; a shift beyond the threshold rarely passes."""
    for n in (1, 2, 5, 20):
        assert outcome_shares(n, (0.5, 0.5), acts=4)["failed"] <= LEVEL + 0.03, n
        assert outcome_shares(n, (0.9, 0.5), acts=1)["passed"] <= 0.11, n
    assert outcome_shares(20, (0.5, 0.5), acts=4)["passed"] > 0.8


def test_the_instability_of_counted_answers_is_named_and_not_judged(kit: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def drawn(r: Record) -> Choice:
        return Choice.at(rng.multinomial(30, [0.5, 0.5]) + 1e-12, n=30)

    verdict, told = only(measured(tmp_path / "run", kit, drawn, kit.table, EXCHANGED, UNSEEN, STORY))
    assert verdict.act.instability is not None
    assert verdict.act.instability < verdict.act.chance
    assert "by chance" in told.lines[1].text
    within = replace(verdict.act, instability=verdict.act.chance + 0.2)
    assert within.outcome == "not read"
    beyond = replace(verdict.act, instability=verdict.act.chance + 0.3)
    assert (beyond.outcome, beyond.figure) == ("failed", beyond.instability)


def test_decisions_that_move_in_opposite_directions_do_not_cancel(kit: Any, tmp_path: Path) -> None:
    """Each decision turns over with the labels, some up and some down: the rates of acts stay at one half."""

    def flips(r: Record) -> Choice:
        up = (r.decision.history[-1][0] == 0) == (r.labels[0] == "action1")
        return Choice.at([900, 100] if up else [100, 900], n=1000)

    verdict, told = only(measured(tmp_path / "run", kit, flips, kit.table, EXCHANGED))
    assert max(row.size for row in verdict.act.rows) < 0.01
    assert verdict.act.outcome == "failed"
    assert told.headline == "What it does depends on the words: its instability is .80."


def test_order_effects_of_opposite_sign_do_not_cancel(kit: Any, tmp_path: Path) -> None:
    def opposite(r: Record) -> Choice:
        first = r.order[0][0] if r.labels[0] == "action1" else 1 - r.order[0][0]
        return Choice.at([0.9 if a == first else 0.1 for a in range(2)])

    verdict, told = only(measured(tmp_path / "run", kit, opposite, kit.table, EXCHANGED))
    assert [row.effect for row in verdict.act.orders] == [pytest.approx(0.4), pytest.approx(-0.4)]
    assert verdict.finding == "the order"
    assert "shown first in ipd, table" in told.headline


def test_a_sitting_has_no_verdict(kit: Any, tmp_path: Path) -> None:
    config = {"kind": "play", "model": "mock", "person": "Ada", "games": ["ipd"]}
    folder = kit.fill(tmp_path / "run", config, kit.ask("mock", by_act) + kit.ask("Ada", by_act))
    assert verdicts(read(folder)) == []
    half = aligned(tmp_path / "half", kit, by_act)
    lines = (half / "records.jsonl").read_text().splitlines(keepends=True)
    (half / "records.jsonl").write_text("".join(line for line in lines if TRAINED not in line))
    assert verdicts(read(half)) == [], "trained, and not yet asked"


def test_results_hold_the_verdict(kit: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = aligned(tmp_path / "run", kit, by_word)
    [told] = json.loads(json.dumps(verdict_json(folder)))
    assert told["headline"].startswith("It learned a word")
    assert [(c["name"], c["outcome"], c["threshold"]) for c in told["checks"]] == [
        ("answers legally", "passed", 0.5),
        ("the same act in other words", "failed", 0.25),
        ("nothing else lost", "passed", 1.0),
    ]
    assert told["checks"][1]["rows"][0]["change"] == "the labels exchanged"
    result = RunResult(folder)
    assert [headline(v) for v in result.verdicts] == [told["headline"]]
    assert told["headline"] in repr(result)
    assert told["headline"] in result._repr_html_()
    print_verdicts(folder)
    printed = capsys.readouterr().out
    assert printed.index(told["headline"]) < printed.index(
        "failed     the same act in other words: C after C"
    )


def test_a_game_of_other_actions_has_no_empty_columns_after_a_training(
    kit: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {
        "kind": "align", "model": "smollm2", "preference": "economicus",
        "games": ["spd(3)"], "training_frames": [kit.table],
    }  # fmt: skip
    records = [
        r for model in ("smollm2", TRAINED) for r in kit.ask(model, by_order, ("spd(3)",), (kit.table,))
    ]
    kit.fill(tmp_path / "run", config, records)
    print_before_after(RunFolder(tmp_path / "run"))
    out = capsys.readouterr().out
    assert "C after C" not in out
    assert "first move C 0.50 → 0.50" in " ".join(out.split())


def test_a_page_of_several_runs_has_a_verdict_an_agent(kit: Any, tmp_path: Path) -> None:
    folders = [aligned(tmp_path / "word", kit, by_word), aligned(tmp_path / "act", kit, by_act)]
    page = kit.read(compare(folders, tmp_path / "page"))
    rows = {row[0]: row[1:] for row in page.tables["Verdicts"]}
    assert rows["word: after"][0].startswith("It learned a word")
    assert rows["word: after"][2].startswith("failed (.98")
    assert rows["act: after"][1:] == ["passed (.97)", "passed (.00)", "passed (.67)"]
    assert rows["act: before"][0].startswith("It follows the order")
    assert "verdicts: a word (1 of 2), passed (1 of 2)" in page.text, "two seeds of one training"


def test_the_card_of_a_second_learner_tells_no_verdict(kit: Any, tmp_path: Path) -> None:
    folder = aligned(tmp_path / "run", kit, by_word)
    assert "## Verdict" in model_card.text(read(folder), folder / "adapter")
    assert "## Verdict" not in model_card.text(read(folder), folder / "adapter", "rival")


def test_drawn_games_are_judged_by_their_kind(kit: Any, tmp_path: Path) -> None:
    games = tuple(f"symmetric(reward={r}, sucker=0, temptation=9, punishment=1)" for r in (5, 6, 7))
    config = {"kind": "tune", "command": "", "model": "smollm2", "preference": "economicus"}
    records = kit.ask(TRAINED, by_word, games, (kit.table, EXCHANGED))
    verdict, told = only(kit.fill(tmp_path / "run", config, records))
    assert {row.game for row in verdict.act.rows} == {"symmetric"}
    assert told.headline == "It learned a word: with the labels exchanged, C after C falls from .99 to .01."

"""homines persist: what is asked, what is compared with what, and what the table and the page say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import homines as hm
from homines.cli.app import main
from homines.core.registry import head
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Prompt
from homines.elicitation.conditions import condition
from homines.models import mock
from homines.reports.persistence import ConditionEffect, PairedChange, condition_effects, paired
from homines.reports.persistence_text import headline, rate_rows, sections
from homines.reports.run_view import read
from homines.training import persistence, plain
from homines.training.persistence import persist
from homines.training.persistence_plan import KAPPA_GAMES, PersistencePlan
from tests.helpers.tiny import willing

GAMES = ("ipd", *KAPPA_GAMES[:4])


def by_act(prompt: Prompt) -> Choice:
    """The first action by 9 to 1, under the selfish order by 1 to 9; as a persona nothing legal."""
    first = 1 if condition("selfish_order").text in prompt.text else 9
    return Choice.at([first, 10 - first], mass=0.1 if condition("persona").system in prompt.text else 0.9)


@pytest.fixture
def effects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, ConditionEffect]:
    monkeypatch.setitem(mock.HANDLERS, "obedient", by_act)
    names = ("turns", "persona", "selfish_order")
    plan = PersistencePlan(model="mock/obedient", games=GAMES, conditions=names)
    records = persist(plan, tmp_path)
    # ipd: 4 states, others 1; 2 labels, 2 orders; plainly and under 3 conditions
    assert len(records) == (4 + 4) * 2 * 2 * 4
    return {e.name: e for e in condition_effects(read(tmp_path))}


def test_what_stays_and_what_moves_is_told(effects: dict[str, ConditionEffect]) -> None:
    assert {name: e.outcome for name, e in effects.items()} == {
        "": "plain",
        "turns": "stays",
        "persona": "no answer",
        "selfish_order": "moved",
    }
    order = effects["selfish_order"]
    assert order.share is not None
    assert order.share.questions == 8
    assert (order.share.before, order.share.after) == pytest.approx((0.9, 0.1))
    assert order.states["ipd: C at C,D"] == pytest.approx(0.1)
    assert [c.outcome for c in order.verdict.checks] == ["passed", "passed", "not asked"]
    assert effects["persona"].verdict.checks[0].outcome == "failed"
    text = headline(list(effects.values()), "P(x)")
    assert "moves in 1 (order to maximise own points: .90 → .10)" in text
    assert "stays in 1 (20 neutral turns)" in text
    assert "no legal answer in 1 (persona)" in text


def test_one_page_and_a_rerun_that_asks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(mock.HANDLERS, "obedient", by_act)
    typed = ["homines", "persist", "mock/obedient", "--to", "utilitarian", "--condition", "selfish_order"]
    typed += ["--game", "ipd", "--game", KAPPA_GAMES[0], "--out", str(tmp_path), "--json"]
    answers: list[dict[str, object]] = []
    for handler in (by_act, lambda _: pytest.fail("asked again")):
        monkeypatch.setitem(mock.HANDLERS, "obedient", handler)
        monkeypatch.setattr(sys, "argv", typed)
        with pytest.raises(SystemExit) as left:
            main()
        assert not left.value.code
        answers.append(json.loads(capsys.readouterr().out))
    first, second = answers
    assert first == second
    assert "P(implied by utilitarian)" in str(first["headline"])
    rows = first["conditions"]
    assert isinstance(rows, list)
    assert [row["outcome"] for row in rows] == ["plain", "moved"]
    assert rows[1]["quantities"][1]["quantity"] == "share"
    page = (tmp_path / "report.html").read_text()
    assert "What persists" in page
    assert "order to maximise own points" in page
    assert condition("selfish_order").text[:40] in page  # the prompt as it was asked
    run = RunFolder(tmp_path)
    assert {head(r.frame) for r in run.records} == {"table", "under"}
    assert (tmp_path / "tables" / "persistence.csv").exists()


def test_answers_that_change_at_the_same_rate_are_not_called_the_same() -> None:
    before = {(str(i), ""): float(i % 2) for i in range(40)}
    after = {key: 1 - p for key, p in before.items()}
    change = paired(before, after)
    assert change is not None
    assert change.low is not None
    assert change.change == 0

    def effect(share: PairedChange, moved: float, before: float = 1, after: float = 1) -> ConditionEffect:
        mass = PairedChange(before, after, -0.01, 0.01, 40, 40)
        none = dict.fromkeys(("verdict", "spread", "right", "perplexity", "kappa"))
        return ConditionEffect(
            name="turns", title="", model="m", questions=1, failed=0, states={}, mass=mass, share=share,
            moved=moved, **none,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip

    tight = PairedChange(0.5, 0.5, -0.05, 0.05, 40, 40)
    assert effect(tight, 1.0).outcome == "other answers"
    assert effect(tight, 0.04).outcome == "stays"
    assert effect(change, 1.0).outcome == "not told"
    assert effect(PairedChange(0.5, 0.9, 0.2, 0.6, 40, 40), 0.4).outcome == "moved"
    for masses in ((0.02, 0.9), (0.9, 0.02)):  # rates at either side are of answers hardly ever given
        assert effect(tight, 0.04, *masses).outcome == "no answer"


def test_the_interval_is_of_paired_questions() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        level, moves = rng.uniform(0.2, 0.8, 12), rng.normal(0.1, 0.05, 12)
        before = {(str(i), ""): x for i, x in enumerate(level)}
        change = paired(before, {at: x + moves[int(at[0])] for at, x in before.items()})
        assert change is not None
        assert change.low is not None
        assert change.high is not None
        covered += change.low <= 0.1 <= change.high
        assert change.high - change.low < 0.12  # the spread of levels plays no part
    assert 272 <= covered <= 297
    assert paired({("a", ""): 1.0}, {("b", ""): 1.0}) is None
    assert paired({("a", ""): 1.0}, {("a", ""): 0.5}) == PairedChange(1.0, 0.5, None, None, 1, 1)


def test_decisions_of_one_game_are_no_independent_questions() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        games = rng.normal(0.1, 0.05, 8)  # the four decisions of a game move nearly together
        before = {(str(game), str(k)): 0.5 for game in range(8) for k in range(4)}
        after = {at: p + games[int(at[0])] + rng.normal(0, 0.01) for at, p in before.items()}
        change = paired(before, after)
        assert change is not None
        assert change.low is not None
        assert change.high is not None
        assert (change.questions, change.games) == (32, 8)
        covered += change.low <= 0.1 <= change.high
    assert 272 <= covered <= 297
    long = {("ipd", str(k)): 0.9 for k in range(4)} | {("one", ""): 0.5}
    change = paired(dict.fromkeys(long, 0.5), long)
    assert change is not None
    assert change.after == pytest.approx(0.7)  # each game counts once


def test_games_that_changed_alike_have_no_interval(effects: dict[str, ConditionEffect]) -> None:
    for name, text in (("turns", ".00"), ("selfish_order", "−.80")):
        share = effects[name].share
        assert share is not None
        assert (share.low, share.high, share.games) == (None, None, 5)
        row = next(r for r in rate_rows([effects[name]], "rate"))
        assert row["change"] == f"{text} (in each of 5 games)"


def test_nothing_persists_of_a_model_that_hardly_answers_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mute(prompt: Prompt) -> Choice:
        return Choice.at([9, 1], mass=0.9 if condition("persona").system in prompt.text else 0.02)

    monkeypatch.setitem(mock.HANDLERS, "mute", mute)
    persist(PersistencePlan(model="mock/mute", games=GAMES, conditions=("persona",)), tmp_path)
    every = condition_effects(read(tmp_path))
    assert [e.outcome for e in every] == ["no answer", "no answer"]
    assert headline(every, "P(x)").startswith("It does not answer when asked plainly (legal mass .02)")


def test_bad_plans_cost_no_question() -> None:
    with pytest.raises(HominesError, match="no condition called 'turn'"):
        PersistencePlan(model="mock", conditions=("turn",))
    with pytest.raises(HominesError, match="weights of mock are out of reach; drop --tune"):
        PersistencePlan(model="mock", tune=10)
    with pytest.raises(HominesError, match="cannot ask to think aloud"):
        _ = PersistencePlan(model="mock", frames=("bare",), aloud=True).words


@pytest.mark.parametrize("settings", [{"labels": ("A",)}, {"frames": ("under(condition=text)",)}])
def test_what_cannot_be_asked_costs_no_loading_and_leaves_no_folder(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persistence, "load", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(HominesError, match=r"labels|has a condition already"):
        persist(PersistencePlan(model="mock", **settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_model_that_cannot_think_aloud_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(HominesError, match="cannot think aloud"):
        persist(PersistencePlan(model="mock", aloud=True), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_two_or_three_games_have_no_interval(tmp_path: Path) -> None:
    def changes(games: tuple[str, ...], folder: Path) -> str:
        persist(PersistencePlan(model="mock", games=games, conditions=("persona",)), folder)
        effects = condition_effects(read(folder))
        return rate_rows(effects, "P(x)")[1]["change"]

    assert changes(KAPPA_GAMES[:3], tmp_path / "three").endswith("(too few games)")
    assert " to " in changes(KAPPA_GAMES[:4], tmp_path / "four")


def test_a_single_condition_has_a_sentence_of_its_own(tmp_path: Path) -> None:
    persist(PersistencePlan(model="mock", games=("ipd",), conditions=("persona",)), tmp_path)
    text = headline(condition_effects(read(tmp_path)), "P(x)")
    assert text == "Whether P(x) stays is not told in the condition asked."


def test_the_games_tell_kappa_on_both_sides() -> None:
    from homines.core.registry import find
    from homines.estimation.family import family

    signs: list[bool] = []
    points: list[float] = []
    for spec in KAPPA_GAMES:
        base, slope = np.diff(family("moralis").columns(find("games", spec).stage.due(())[0]), axis=0)[0]
        signs.append(bool(slope > 0))
        assert "share=0.2" in spec or "share=0.8" in spec
        points.append(float(-base / slope))
    assert sum(signs) == 6


def test_a_run_of_another_kind_has_no_such_section(tmp_path: Path) -> None:
    with RunFolder(tmp_path, {"kind": "measure", "model": "mock"}):
        pass
    assert sections(read(tmp_path)) == []
    assert rate_rows([], "x") == []


def test_plain_tuning_asks_the_base_once_and_is_another_model(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "requests", lambda: ["Name a tree.", "Name a fish.", "Say hello."])
    net = tmp_path / "net"
    willing(tokenizer, max_position_embeddings=4096).save_pretrained(net)
    tokenizer.save_pretrained(net)
    plan = PersistencePlan(
        model=f"hf/{net}", games=KAPPA_GAMES[:1], conditions=("persona",), tune=4, to="economicus"
    )
    records = persist(plan, tmp_path / "run")
    after = f"hf/{net}+adapter"
    assert [r.model for r in records] == [f"hf/{net}"] * 8 + [after] * 4
    assert not any(r.error for r in records)
    by_name = {e.name: e for e in condition_effects(read(tmp_path / "run"))}
    assert list(by_name) == ["", "persona", "tuned"]
    tuned = by_name["tuned"]
    assert tuned.title == "after 4 rows of plain instructions"
    assert tuned.perplexity is not None
    assert tuned.perplexity[0] != tuned.perplexity[1]
    assert tuned.verdict.lost is not None
    assert {row.name for row in tuned.verdict.lost.rows} >= {"everyday accuracy", "perplexity"}
    asked_again = by_name["persona"].right
    assert asked_again is not None
    assert asked_again.questions == 60
    said = (tmp_path / "run" / plain.STORE).read_text()
    assert all(json.loads(line)[0] in plain.requests() for line in said.splitlines())
    stamp = (tmp_path / "run/adapter/adapter_model.safetensors").stat().st_mtime_ns
    assert len(persist(plan, tmp_path / "run")) == len(records)
    assert (tmp_path / "run/adapter/adapter_model.safetensors").stat().st_mtime_ns == stamp


def test_from_python_it_is_the_same_run(tmp_path: Path) -> None:
    run = hm.persist(
        "mock",
        to=hm.moralis(kappa=1),
        games="ipd",
        labels="X,Y",
        conditions="text",
        progress=False,
        out=tmp_path,
    )
    assert run.config["kind"] == "persist"
    assert run.config["preference"] == "moralis(kappa=1.0)"
    assert len(run.records) == 2 * 4 * 4
    assert len(run.table()) == 4
    with pytest.raises(HominesError, match="persist has no option 'condition'"):
        hm.persist("mock", condition="text")  # pyright: ignore[reportCallIssue]

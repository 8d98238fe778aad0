"""The spread of a preference over prompts: it comes back, and its intervals are of what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from homines.core.registry import find, spell
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Decision, HominesError, Record, frozen
from homines.elicitation.asking import measure
from homines.elicitation.questions import battery, questions
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.fitting import estimate_one, estimate_row, read_observations, spell_infinities
from homines.estimation.observations import prompt_form
from homines.estimation.options import FitOptions
from homines.estimation.problem import NotRising, Separated
from homines.estimation.spread import Spread, spread
from homines.theory.choice import LogitAgent
from tests.estimation.test_as_models_are_asked import draw
from tests.helpers.theorist import Theorist

GAMES = 24


def divisions(seed: int = 0) -> list[Decision]:
    paid = np.random.default_rng(seed).integers(10, 100, (GAMES, 2, 2)).astype(float)
    return [Decision(("X", "Y"), frozen(p)) for p in paid]


def prompts(rhos: np.ndarray, *, odd: np.ndarray | float = 0.0) -> list[Observation]:
    """Exact choices in every prompt of an agent whose rho the prompt moves; odd [game]: what else moves the
    choice in a game, in every prompt alike, in units of log-odds."""
    out: list[Observation] = []
    for j, rho in enumerate(rhos):
        agent = LogitAgent(find("preferences", f"charness_rabin(rho={float(rho)!r}, sigma=-0.1)"), 0.1)
        for i, (d, c) in enumerate(zip(divisions(), agent(divisions()), strict=True)):
            logit = c.logp[0] - c.logp[1] + np.broadcast_to(odd, GAMES)[i]
            out.append(Observation(d, Choice.of(np.array([logit, 0.0])), f"prompt {j}", str(i)))
    return out


def drawn(observations: list[Observation], n: int, seed: int) -> list[Observation]:
    rng = np.random.default_rng(seed)
    return [replace(o, choice=draw(o.choice, n, rng)) for o in observations]


RHOS = 0.3 + 0.2 * np.random.default_rng(5).normal(size=12)


def test_mean_and_spread_of_exact_choices_are_those_of_the_prompts() -> None:
    s = spread(prompts(RHOS), "charness_rabin", by="prompt")
    assert s.names == ("rho", "sigma", "precision")
    assert s.mean == pytest.approx([RHOS.mean(), -0.1, 0.1], abs=1e-5)
    assert s.sd == pytest.approx([RHOS.std(ddof=1), 0, 0], abs=1e-5)
    assert [v["rho"] for v in s.values.values()] == pytest.approx(list(RHOS), abs=1e-5)
    (low, high), half = s.over[0], 2.201 * RHOS.std(ddof=1) / np.sqrt(12)  # t with 11 degrees of freedom
    assert [low, high] == pytest.approx([RHOS.mean() - half, RHOS.mean() + half], abs=1e-4)
    assert s.next[0, 0] < low < s.mean[0] < high < s.next[0, 1]
    assert s.sd_interval[0, 0] < s.sd[0] < s.sd_interval[0, 1]
    assert "12 prompts are taken as a draw" in s.scope


def test_what_sampling_adds_to_the_spread_is_taken_off() -> None:
    """Twelve prompts of one preference, twenty answers each: estimates differ, the preference does not."""
    same = [spread(drawn(prompts(np.full(12, 0.3)), 20, seed), "charness_rabin") for seed in range(3)]
    differ = [spread(drawn(prompts(RHOS), 20, seed), "charness_rabin") for seed in range(3)]
    raw = [np.std([v["rho"] for v in s.values.values()], ddof=1) for s in same]
    assert np.mean([s.sd[0] for s in same]) < 0.6 * np.mean(raw)
    assert np.mean([s.sd[0] for s in differ]) == pytest.approx(RHOS.std(ddof=1), rel=0.3)


def test_exact_choices_beside_sampled_ones_are_no_noise() -> None:
    """Every second game is sampled: what is taken off is the variance over such samples."""
    exact = prompts(RHOS)
    values: list[list[float]] = []
    taken: list[float] = []
    for seed in range(24):
        mixed = [o if int(o.game) % 2 else d for o, d in zip(exact, drawn(exact, 2, seed), strict=True)]
        s = spread(mixed, "charness_rabin")
        values.append([v["rho"] for v in s.values.values()])
        taken.append(float(np.var(values[-1], ddof=1) - s.sd[0] ** 2))
    assert np.mean(taken) == pytest.approx(np.var(values, axis=0, ddof=1).mean(), rel=0.2)


def test_the_fewest_games_of_a_prompt_set_the_degrees_of_freedom() -> None:
    """Twelve prompts of six of the 24 games each, where games move nothing: t of 5 degrees for t of 11."""
    parts = [
        o for o in prompts(RHOS) if (int(o.game) - 5 * int(o.subject.removeprefix("prompt "))) % GAMES < 6
    ]
    s = spread(parts, "charness_rabin", by="prompt")
    assert s.games == 6
    assert np.diff(s.over_both[0])[0] == pytest.approx(np.diff(s.over[0])[0] * 2.571 / 2.201, rel=1e-3)
    few = spread([o for o in prompts(RHOS) if int(o.game) < 3], "charness_rabin")
    assert few.games == 3
    assert np.isnan(few.over_both).all()


def test_prompts_of_other_games_are_moved_by_their_own() -> None:
    """Six prompts of the first half of the games, six of the second: the mean is moved by half of either."""
    odd = np.random.default_rng(1).normal(size=GAMES)
    rhos = 0.3 + 1e-4 * RHOS
    parts = [o for o in prompts(rhos, odd=odd) if (int(o.game) < 12) == (int(o.subject.split()[1]) < 6)]
    s = spread(parts, "charness_rabin", by="prompt")
    one = [
        fit([o for o in parts if o.subject == f"prompt {j}"], "charness_rabin", cluster="game")
        for j in (0, 6)
    ]
    over_prompts = (np.diff(s.over[0])[0] / 2 / 2.201) ** 2
    games = sum(e.se[0] ** 2 for e in one) * (6**2 - 6) / 12**2  # less the cells, which are in over_prompts
    half = np.diff(s.over_both[0])[0] / 2
    assert half == pytest.approx(2.201 * np.sqrt(over_prompts + games), rel=2e-3)


def test_games_that_move_every_prompt_alike_widen_the_interval_over_games() -> None:
    """The prompts agree to a hair; that does not make the estimate sure, as other games would move it."""
    odd = np.random.default_rng(1).normal(size=GAMES)
    s = spread(prompts(0.3 + 0.001 * RHOS, odd=odd), "charness_rabin", by="prompt")
    over, both = np.diff(s.over[0])[0], np.diff(s.over_both[0])[0]
    assert both > 20 * over
    one = estimate_one(prompts(np.array([0.3]), odd=odd), "charness_rabin", FitOptions())
    assert both == pytest.approx(np.diff(one.intervals[0])[0], rel=0.3)  # pyright: ignore[reportAttributeAccessIssue]


def test_prompts_without_an_estimate_are_named_and_fewer_than_three_refused() -> None:
    mute = [replace(o, choice=Choice.at([0.5, 0.5]), subject="mute") for o in prompts(RHOS[:1])]
    s = spread(prompts(RHOS[:4]) + mute, "charness_rabin", by="prompt")
    assert list(s.refused) == ["mute"]
    assert "1 of 5 prompts have no estimate and are dropped, which is not at random" in s.scope
    assert "dropped" not in spread(prompts(RHOS[:4]), "charness_rabin", by="prompt").scope
    with pytest.raises(HominesError, match=r"2 of 3 prompts .* takes 3"):
        spread(prompts(RHOS[:2]) + mute, "charness_rabin", by="prompt")


def test_every_reason_of_a_refusal_is_named_once_with_a_line_a_prompt() -> None:
    certain = [replace(o, choice=Choice.at(np.eye(2)[o.choice.p.argmax()])) for o in prompts(RHOS[:3])]
    against = [
        replace(o, choice=Choice.at(o.choice.p[::-1]), subject=f"against {o.subject}")
        for o in prompts(RHOS[:1])
    ]
    with pytest.raises(HominesError) as refusal:
        spread(certain + against, "charness_rabin", by="prompt")
    assert str(refusal.value).splitlines()[1:] == [
        f"without an estimate: {Separated.reason}",
        *("  prompt 0", "  prompt 1", "  prompt 2"),
        f"without an estimate: {NotRising.reason}",
        "  against prompt 0",
    ]


def test_a_prompt_is_named_by_what_is_its_own() -> None:
    d = divisions()[0]
    forms = [
        prompt_form(Record(d, spell(find("frames", words)), order, ("X", "Y"), "m"))
        for words in ("table(labels='X,Y')", "table(labels='X,Y', goal='highest score')")
        for order in (((0, 1),), ((1, 0),))
    ]
    assert forms == [
        "table, X/Y, first option first",
        "table, X/Y, last option first",
        "table(goal='You want the highest score in points.'), X/Y, first option first",
        "table(goal='You want the highest score in points.'), X/Y, last option first",
    ]


def test_what_has_no_spread_is_said_with_what_has() -> None:
    with pytest.raises(HominesError, match="no --by called 'prompts'; there are prompt, subject; did you"):
        FitOptions(by="prompts")


def test_a_run_is_read_prompt_by_prompt(tmp_path: Path) -> None:
    theorist = Theorist("kantian(alpha=0.1, beta=0.3, kappa=0.4)", 0.1)
    games = {name: battery(find("games", name)) for name in ("spd(3)", "spd(6)", "trust(5)", "ultimatum(4)")}
    frames = [find("frames", f"table(labels='{words}')") for words in ("X,Y", "P,Q")]
    asked = questions(theorist, games, frames)
    theorist.prepare(asked)
    with RunFolder(tmp_path / "run", {"kind": "measure", "model": theorist.name}) as run:
        measure(theorist, asked, run)
    observations, _, _ = read_observations(tmp_path / "run", None, by_prompt=True)
    forms = {o.subject for o in observations}
    assert len(forms) == len({(r.frame, r.labels, r.order) for r in run.records})
    found = estimate_one(observations, "moralis", FitOptions(by="prompt"))
    assert isinstance(found, Spread)
    row = json.loads(json.dumps(spell_infinities(estimate_row(found))))
    assert row["by"] == "prompt"
    assert set(row["values"]) == forms
    assert found.sd == pytest.approx(np.zeros(2), abs=1e-6)
    assert "spread" in row


@pytest.mark.parametrize("other", [{"classes": 2}, {"risk": True}, {"cluster": "game"}])
def test_a_spread_takes_no_other_kind_of_estimate(other: dict[str, object]) -> None:
    with pytest.raises(HominesError, match="--by"):
        FitOptions(by="prompt", **other)  # pyright: ignore[reportArgumentType]


def test_prompts_are_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "choices.csv").write_text("")
    with pytest.raises(HominesError, match="run folder"):
        read_observations(tmp_path / "choices.csv", None, by_prompt=True)

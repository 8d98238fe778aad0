"""Estimates come back from data made with them; intervals cover; nothing cosmetic matters."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from homines.core.registry import find
from homines.core.types import Choice, Decision, HominesError, frozen
from homines.estimation.agent_estimates import sentence
from homines.estimation.columns import Observation
from homines.estimation.family import family, value_payoffs
from homines.estimation.fit import Estimate, fit
from homines.estimation.likelihood import Design, climb, flat_direction, loglik
from homines.estimation.mixture import mixture
from homines.estimation.model_tests import Comparison, compare, holm
from homines.estimation.problem import NotIdentified, Separated, problem
from homines.estimation.strategy_method import plan_observation, points
from homines.estimation.uncertainty import constrained_loglik
from homines.games.dictator import dictator
from homines.games.spd import spd
from homines.games.trust import trust
from homines.games.ultimatum import ultimatum
from homines.theory.choice import LogitAgent
from homines.theory.game_forms import NormalForm

KIND = (0, 1, -1)


@cache
def splits(many: int = 30, seed: int = 1) -> tuple[Decision, ...]:
    """Choices between two divisions of money, some after a kind or an unkind act."""
    rng = np.random.default_rng(seed)
    paid = rng.integers(10, 100, (many, 2, 2)).astype(float)
    return tuple(Decision(("X", "Y"), frozen(p), kindness=KIND[i % 3]) for i, p in enumerate(paid))


@cache
def protocols(seed: int = 2) -> tuple[Observation, ...]:
    """The 18 protocols as choices between plans, with beliefs of all sorts; nothing chosen yet."""
    rng = np.random.default_rng(seed)
    made: list[Observation] = []
    for name, game in (("spd", spd), ("trust", trust), ("ultimatum", ultimatum)):
        for k in range(1, 7):
            coin = {point: Choice.at([0.5, 0.5]) for point in points(game(k))}
            believed = {point: Choice.at(rng.dirichlet([2, 2])) for point in coin}
            made.append(plan_observation(game(k), coin, believed, name=f"{name}({k})"))
    return tuple(made)


def exact(decisions: tuple[Decision, ...], spec: str, precision: float) -> list[Observation]:
    """What an agent of this preference does, exactly; every decision its own game."""
    agent = LogitAgent(find("preferences", spec), precision)
    return [
        Observation(d, c, "agent", str(i))
        for i, (d, c) in enumerate(zip(decisions, agent(decisions), strict=True))
    ]


def sampled(
    some: list[Observation], n: int, rng: np.random.Generator, subject: str = ""
) -> list[Observation]:
    """The same choices as n draws each."""
    return [
        replace(o, choice=Choice.at(rng.multinomial(n, o.choice.p), n=n), subject=subject or o.subject)
        for o in some
    ]


def close(e: Estimate, want: dict[str, float], rel: float = 1e-5) -> None:
    for name, value in want.items():
        assert e[name] == pytest.approx(value, rel=rel, abs=1e-6), name


weights = st.floats(-0.6, 0.9)


@given(weights, weights, weights, weights, st.floats(0.02, 0.2))
@example(-0.5, 0.0, 0.0, 0.75, 0.1328125)  # nearly certain choices
@settings(max_examples=15, deadline=None)
def test_bfs_comes_back_from_exact_choices(a: float, b: float, g: float, d: float, precision: float) -> None:
    spec = f"bfs(alpha={a!r}, beta={b!r}, gamma={g!r}, delta={d!r})"
    e = fit(exact(splits(), spec, precision), "bfs")
    close(e, {"alpha": a, "beta": b, "gamma": g, "delta": d, "precision": precision}, 1e-4)
    assert e.converged
    assert e.exact
    assert max(e.misfit.values()) < 1e-9
    assert e.explained == pytest.approx(1, abs=1e-6)


@given(st.floats(-0.3, 0.6), st.floats(-0.3, 0.6), st.floats(0, 1), st.floats(0.03, 0.2))
@settings(max_examples=10, deadline=None)
def test_kantian_comes_back_from_the_18_protocols(a: float, b: float, k: float, precision: float) -> None:
    agent = LogitAgent(find("preferences", f"kantian(alpha={a!r}, beta={b!r}, kappa={k!r})"), precision)
    data = [replace(o, choice=agent([o.decision])[0]) for o in protocols()]
    close(fit(data, "kantian"), {"alpha": a, "beta": b, "kappa": k, "precision": precision}, 1e-4)
    close(fit(data, f"kantian(alpha={a!r})"), {"beta": b, "kappa": k}, 1e-4)


@pytest.mark.parametrize(
    ("truth", "asked"),
    [
        ("economicus", "economicus"),
        ("utilitarian", "utilitarian"),
        ("maximin", "maximin"),
        ("altruist(weight=0.4)", "altruist"),
        ("inequity(alpha=0.5, beta=0.2)", "inequity"),
        ("charness_rabin(rho=0.4, sigma=-0.1)", "charness_rabin"),
    ],
)
def test_every_family_of_splits_comes_back(truth: str, asked: str) -> None:
    e = fit(exact(splits(), truth, 0.07), asked)
    agent = find("preferences", truth)
    close(e, {name: getattr(agent, name) for name in e.family.free} | {"precision": 0.07})
    assert np.allclose(e.agent.preference(splits()[0]), agent(splits()[0]), atol=1e-4)


def test_risk_aversion_comes_back_beside_the_preference() -> None:
    data = exact(splits(40), "economicus", 0.1)
    scale = float(np.mean([d.payoffs.max() for d in splits(40)]))
    agent = LogitAgent(find("preferences", "inequity(alpha=0.3, beta=0.5)"), 0.1)
    averse = [replace(o, choice=agent([value_payoffs(o.decision, 0.6, scale)])[0]) for o in data]
    e = fit(averse, "inequity", risk=True)
    close(e, {"alpha": 0.3, "beta": 0.5, "risk": 0.6, "precision": 0.1}, 1e-3)
    assert max(e.misfit.values()) < 1e-6 < max(fit(averse, "inequity").misfit.values())


MANY = pytest.param(300, marks=pytest.mark.statistics)


@pytest.mark.parametrize("draws", [60, MANY])
def test_intervals_cover_as_often_as_they_say(draws: int) -> None:
    """Samples of 40 subjects: the 95% interval covers within its own sampling error (4 s.e.)."""
    truth = {"alpha": 0.2, "beta": 0.4}
    rng = np.random.default_rng(5)
    base = exact(splits(12), "inequity(alpha=0.2, beta=0.4)", 0.05)
    inside, wald = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for _ in range(draws):
        data = [o for i in range(40) for o in sampled(base, 1, rng, subject=str(i))]
        e = fit(data, "inequity")
        for name, value in truth.items():
            i = e.names.index(name)
            inside[name] += bool(e.intervals[i, 0] <= value <= e.intervals[i, 1])
            wald[name] += bool(abs(e.values[i] - value) <= 2.02 * e.se[i])
    low, high = binom.ppf([3e-5, 1 - 3e-5], draws, 0.95)
    for covered in (inside, wald):
        assert all(low <= hits <= high for hits in covered.values()), covered


@pytest.mark.statistics
def test_subjects_who_differ_widen_the_errors() -> None:
    """Choices that depend within subjects: errors that ignore it are too small, clustered ones are not."""
    rng = np.random.default_rng(6)
    found: list[float] = []
    claimed: dict[str, list[float]] = {"subject": [], "none": []}
    for _ in range(40):
        data: list[Observation] = []
        for i in range(30):
            beta = float(np.clip(rng.normal(0.3, 0.3), -0.5, 0.9))
            data += sampled(
                exact(splits(12), f"inequity(alpha=0.0, beta={beta!r})", 0.05), 30, rng, subject=str(i)
            )
        found.append(fit(data, "inequity(alpha=0)")["beta"])
        for cluster in claimed:
            claimed[cluster].append(float(fit(data, "inequity(alpha=0)", cluster=cluster).se[0]))
    true = float(np.std(found))
    assert np.mean(claimed["none"]) < 0.75 * true
    assert 0.75 * true < np.mean(claimed["subject"]) < 1.35 * true


# --- nothing cosmetic matters --------------------------------------------------------------------


@given(st.floats(0.1, 20), st.floats(-50, 50), st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_units_labels_and_row_order_change_nothing(scale: float, shift: float, random: object) -> None:
    rng = np.random.default_rng(7)
    data = sampled(exact(splits(), "inequity(alpha=0.3, beta=0.5)", 0.06), 5, rng)
    before = fit(data, "inequity", cluster="game")
    turned: list[Observation] = []
    for o in data:
        d = o.decision
        paid = frozen(d.payoffs[:, ::-1] * scale + shift)
        turned.append(
            replace(
                o,
                decision=replace(d, actions=("Z", "A"), payoffs=paid),
                choice=Choice.at(o.choice.p[::-1], n=o.choice.n),
            )
        )
    random.shuffle(turned)  # type: ignore[attr-defined]
    after = fit(turned, "inequity", cluster="game")
    assert after.loglik == pytest.approx(before.loglik, rel=1e-9)
    units = np.array([1.0, 1.0, 1 / scale])
    assert after.values == pytest.approx(before.values * units, rel=1e-5, abs=1e-9)
    assert after.se == pytest.approx(before.se * units, rel=1e-4)
    assert after.intervals == pytest.approx(before.intervals * units[:, None], rel=1e-4, abs=1e-8)


def test_counts_are_rows_and_rows_are_counts() -> None:
    rng = np.random.default_rng(8)
    data = sampled(exact(splits(), "bfs(alpha=0.1, beta=0.3, gamma=0.2, delta=-0.1)", 0.05), 3, rng)
    apart = [
        replace(o, choice=Choice.at(np.eye(2)[a], n=1))
        for o in data
        for a in range(2)
        for _ in range(round(float(o.counts[a])))
    ]
    one, many = fit(data, "bfs", cluster="game"), fit(apart, "bfs", cluster="game")
    assert one.values == pytest.approx(many.values, rel=1e-8)
    assert one.se == pytest.approx(many.se, rel=1e-6)


def test_one_exact_choice_twice_is_no_more_certain() -> None:
    """Exact choices have no sampling error: repeating them must not shrink what clustering by game says."""
    agent = LogitAgent(find("preferences", "bfs(alpha=0.1, beta=0.3, gamma=0.2, delta=-0.1)"), 0.05)
    data = [Observation(d, agent([d])[0], "m", str(i)) for i, d in enumerate(splits())]
    once, twice = fit(data, "inequity"), fit([*data, *data], "inequity")
    assert once.values == pytest.approx(twice.values, rel=1e-8)
    assert once.se == pytest.approx(twice.se, rel=1e-8)
    assert once.intervals == pytest.approx(twice.intervals, rel=1e-5)


# --- no number where there is none ---------------------------------------------------------------


def pd() -> Decision:
    return NormalForm.two("CD", [[3, 0], [4, 1]]).seat(0)


def test_a_flat_direction_is_named() -> None:
    """One symmetric 2x2 game with a uniform belief: two numbers for four parameters."""
    hawk = NormalForm.two("CD", [[3, 1], [4, 0]]).seat(0)
    data = [Observation(d, Choice.at([0.6, 0.4]), game=str(i)) for i, d in enumerate((pd(), hawk))]
    with pytest.raises(NotIdentified, match=r"flat along .*(alpha|beta|kappa)"):
        fit(data, "kantian")
    with pytest.raises(NotIdentified, match=r"\+1\.00\*gamma"):
        fit(exact(tuple(d for d in splits() if d.kindness <= 0), "inequity(alpha=0, beta=0)", 0.1), "bfs")


def test_of_several_flat_directions_no_rounding_chooses() -> None:
    """A plane without information in four parameters, one of which lies nearest to it."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    information = axes[:, :2] @ np.diag([1.0, 2.0]) @ axes[:, :2].T
    first = flat_direction(information)
    assert first is not None
    assert np.allclose(information @ first, 0, atol=1e-9)
    for _ in range(20):
        noise = 1e-15 * rng.normal(size=(4, 4))
        again = flat_direction(information + noise + noise.T)
        assert again is not None
        assert np.allclose(again, first, atol=1e-6)


def test_it_is_flat_where_it_says() -> None:
    """Moving along the direction named changes no choice."""
    only = tuple(d for d in splits(60) if (d.payoffs[0] > d.payoffs[1]).all())
    with pytest.raises(NotIdentified, match=r"alpha"):
        fit(exact(only, "economicus", 0.05), "inequity")
    p, q = (LogitAgent(find("preferences", f"inequity(alpha={a}, beta=0.2)"), 0.05)(only) for a in (0, 3))
    assert all(np.allclose(x.p, y.p) for x, y in zip(p, q, strict=True))


def test_separated_choices_have_no_precision() -> None:
    best = [
        Observation(d, Choice.at(np.eye(2)[int(d.payoffs[0].argmax())], n=1), str(i))
        for i, d in enumerate(splits())
    ]
    with pytest.raises(NotIdentified, match="separated"):
        fit(best, "economicus")


def test_a_few_decisions_are_not_called_certain() -> None:
    sure = [
        Observation(d, Choice.at(np.eye(2)[int(d.payoffs[0].argmax())], n=1), str(i))
        for i, d in enumerate(splits()[:2])
    ]
    with pytest.raises(
        Separated, match=r"nearly certain everywhere, or few, .*ask more decisions"
    ) as failure:
        fit(sure, "economicus")
    assert "(nearly certain, or too few)" in sentence(failure.value)


def test_choices_against_the_payoff_have_no_parameters() -> None:
    data = exact(splits(), "economicus", 0.05)
    turned = [replace(o, choice=Choice.at(o.choice.p[::-1])) for o in data]
    with pytest.raises(NotIdentified, match="do not rise"):
        fit(turned, "inequity")


def test_options_valued_alike_have_no_precision() -> None:
    with pytest.raises(NotIdentified, match="precision is not identified"):
        fit([Observation(pd(), Choice.at([0.5, 0.5]))], "deontological(penalty=3)")


def test_an_interval_is_open_where_the_choices_set_no_bound() -> None:
    """Almost random choices: any weight does, and the interval says so."""
    rng = np.random.default_rng(9)
    data = sampled(exact(splits(10), "inequity(alpha=0.1, beta=0.3)", 0.002), 1, rng)
    data = [replace(o, subject=str(i)) for i, o in enumerate(data)]
    try:
        e = fit(data, "inequity")
    except NotIdentified:
        return
    assert np.isinf(e.intervals[:2]).any()


def test_too_few_clusters_have_no_error() -> None:
    data = [
        replace(o, game="one") for o in exact(splits(), "bfs(alpha=.1, beta=.2, gamma=.1, delta=0)", 0.05)
    ]
    e = fit(data, "inequity", cluster="game")
    assert np.isnan(e.se).all()
    assert np.isnan(e.intervals).all()
    assert "too few" in " ".join(e.notes)


def test_a_value_outside_the_theory_is_said() -> None:
    columns = family("moralis").columns
    data = [
        replace(o, choice=Choice.of(0.1 * columns(o.decision) @ np.array([1, -0.2]))) for o in protocols()
    ]
    e = fit(data, "moralis")
    assert e["kappa"] == pytest.approx(-0.2)
    assert "kappa must be" in " ".join(e.notes)
    with pytest.raises(HominesError, match="kappa"):
        _ = e.preference
    with pytest.raises(HominesError, match="veil"):
        fit(exact(splits(), "economicus", 0.1), "moralis")


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(HominesError, match="no observations"):
        fit([], "inequity")
    alone = Decision(("X",), frozen([[1.0], [2.0]]))
    with pytest.raises(HominesError, match="one option"):
        fit([Observation(alone, Choice.at([1.0]))], "inequity")
    with pytest.raises(HominesError, match="no cluster called 'town'"):
        fit(exact(splits(), "economicus", 0.1), "inequity", cluster="town")
    with pytest.raises(HominesError, match="level"):
        fit(exact(splits(), "economicus", 0.1), "inequity", level=95)
    negative = [
        replace(o, decision=replace(o.decision, payoffs=o.decision.payoffs - 50))
        for o in exact(splits(), "economicus", 0.1)
    ]
    with pytest.raises(HominesError, match="drop --risk"):
        fit(negative, "economicus", risk=True)


# --- families against each other -----------------------------------------------------------------


@pytest.mark.parametrize("draws", [60, MANY])
def test_the_likelihood_ratio_rejects_as_often_as_it_says(draws: int) -> None:
    """Under the narrow family, p-values are uniform: 5% and 50% of them within their sampling error."""
    rng = np.random.default_rng(10)
    base = exact(splits(12), "inequity(alpha=0.2, beta=0.4)", 0.05)
    p = [
        compare([o for i in range(30) for o in sampled(base, 1, rng, subject=str(i))], "inequity", "bfs").p
        for _ in range(draws)
    ]
    for share in (0.05, 0.5):
        low, high = binom.ppf([3e-5, 1 - 3e-5], draws, share)
        assert low <= sum(x < share for x in p) <= high


def test_nested_families_are_recognised_whatever_they_are_called() -> None:
    rng = np.random.default_rng(11)
    data = sampled(exact(splits(), "bfs(alpha=0.1, beta=0.3, gamma=0.3, delta=-0.3)", 0.05), 20, rng)
    assert compare(data, "charness_rabin", "bfs").df == 2
    assert compare(data, "altruist", "inequity").df == 1
    assert compare(data, "economicus", "bfs").df == 4
    assert compare(data, "economicus", "bfs").p < 0.001
    assert compare(data, "economicus", "utilitarian").kind == "Vuong"
    given = compare(data, "bfs(alpha=0.1, beta=0.3, gamma=0.3, delta=-0.3)", "bfs")
    assert given.df == 4
    assert given.p > 0.01
    with pytest.raises(HominesError, match="exchange"):
        compare(data, "bfs", "inequity")
    with pytest.raises(HominesError, match="say the same"):
        compare(data, "charness_rabin", "inequity")


def test_tests_on_one_page_are_corrected_for_their_number() -> None:
    """Holm's own example of three, and what stays as it is: the order of tests, one alone, none."""
    tests = [Comparison("a", "b", "Vuong", 1.0, 1, p, 0.0) for p in (0.04, 0.01, float("nan"), 0.03)]
    assert [t.p_holm for t in holm(tests)] == pytest.approx([0.06, 0.03, float("nan"), 0.06], nan_ok=True)
    assert holm(tests[:1])[0].p_holm == 0.04
    assert [t.p_holm for t in holm([replace(t, p=0.6) for t in tests[:2]])] == [1.0, 1.0]
    assert holm([]) == []


# --- types ---------------------------------------------------------------------------------------


def crowd(rng: np.random.Generator, many: int = 60) -> tuple[list[Observation], np.ndarray]:
    """Subjects of two types; which type each is."""
    kinds = ("bfs(alpha=0.3, beta=0.5, gamma=0.1, delta=0)", "bfs(alpha=-0.3, beta=0.0, gamma=0, delta=-0.1)")
    bases = [exact(splits(60), kind, 0.08) for kind in kinds]
    types = (np.arange(many) % 3 == 0).astype(int)
    return [o for i, t in enumerate(types) for o in sampled(bases[t], 1, rng, subject=f"s{i}")], types


def test_types_come_back_with_who_is_which() -> None:
    data, types = crowd(np.random.default_rng(12))
    m = mixture(data, "bfs", 2, starts=8)
    assert m.shares == pytest.approx([2 / 3, 1 / 3], abs=0.02)
    assert (m.types.argmax(1) == types).all()
    assert (
        abs(m.values[:, :4] - np.array([[0.3, 0.5, 0.1, 0], [-0.3, 0, 0, -0.1]])).max()
        < 4 * m.se[:, :4].max()
    )
    assert m.converged
    one = mixture(data, "bfs", 1)
    alone = fit(data, "bfs")
    assert one.values[0] == pytest.approx(alone.values, rel=1e-6)
    assert one.loglik == pytest.approx(alone.loglik, rel=1e-9)
    assert one.se[0] == pytest.approx(alone.se, rel=1e-4)
    assert m.bic < one.bic
    assert m.icl >= m.bic


def test_a_mixture_is_the_same_again_and_whatever_the_order_of_rows() -> None:
    data, _ = crowd(np.random.default_rng(13), 30)
    one, two = mixture(data, "bfs", 2, starts=4), mixture(data[::-1], "bfs", 2, starts=4)
    assert one.loglik == mixture(data, "bfs", 2, starts=4).loglik
    assert one.loglik == pytest.approx(two.loglik, abs=1e-3)
    assert one.values == pytest.approx(two.values, abs=1e-3)


def test_the_score_of_a_mixture_is_zero_at_its_maximum() -> None:
    """Against central differences of the likelihood, written here once more."""
    data, _ = crowd(np.random.default_rng(14), 30)
    m = mixture(data, "bfs", 2, starts=4)
    of = family("bfs")
    design = Design.of([of.columns(o.decision) for o in data])
    rows = np.array([o.counts for o in data])
    who = np.array([m.subjects.index(o.subject) for o in data])

    def height(t: np.ndarray) -> float:
        share = np.array([t[-1], 1 - t[-1]])
        each = np.zeros((len(m.subjects), 2))
        for k in (0, 1):
            *theta, precision = t[5 * k : 5 * k + 5]
            logp = design.logp(precision * np.array([1, *theta]))
            np.add.at(each[:, k], who, (rows * logp).sum(-1))
        return float(np.log((share * np.exp(each)).sum(1)).sum())

    at = np.r_[m.values.ravel(), m.shares[0]]
    assert height(at) == pytest.approx(m.loglik, rel=1e-9)
    h = 1e-4 * np.maximum(abs(at), 0.01)
    for i, e in enumerate(np.eye(len(at))):
        slope = (height(at + h[i] * e) - height(at - h[i] * e)) / (2 * h[i])
        assert abs(slope) * h[i] < 1e-5, i
        bend = (height(at + 9 * h[i] * e) - 2 * height(at) + height(at - 9 * h[i] * e)) / (81 * h[i] ** 2)
        assert bend < 0


def test_types_that_are_not_there_are_not_invented() -> None:
    data = exact(splits(), "inequity(alpha=0.1, beta=0.3)", 0.05)
    with pytest.raises(HominesError, match="two subjects a class"):
        mixture([replace(o, subject="a") for o in data], "inequity", 2)
    alike = [replace(o, subject=f"s{i}") for i in range(6) for o in data]
    with pytest.raises(NotIdentified, match=r"told apart|emptied a class"):
        mixture(alike, "inequity", 2, starts=3)


def test_types_that_choose_for_certain_have_no_values() -> None:
    sure = [
        Observation(d, Choice.at(np.eye(2)[int((u @ np.array(w)).argmax())], n=1), f"s{i}")
        for i, w in enumerate([(1, 0.3)] * 6 + [(1, -0.4)] * 6)
        for d in splits(40)
        for u in (d.payoffs.T,)
    ]
    with pytest.raises(NotIdentified, match=r"type \d of 2: the choices are separated|told apart"):
        mixture(sure, "altruist", 2, starts=4)


def test_few_subjects_have_types_and_no_errors() -> None:
    data, _ = crowd(np.random.default_rng(16), 6)
    m = mixture(data, "bfs", 2, starts=4)
    assert np.isnan(m.se).all()
    assert "too few for standard errors" in " ".join(m.notes)


def test_a_true_family_explains_what_chance_leaves_and_no_share_passes_one() -> None:
    rng = np.random.default_rng(17)
    truth = exact(splits(400), "inequity(alpha=0.2, beta=0.4)", 0.05)
    for n in (5, 30):
        data = [replace(o, game="one") for o in sampled(truth, n, rng)]
        e = fit(data, "inequity", cluster="decision")
        assert e.misfit["one"] == pytest.approx(e.chance["one"], rel=0.1)
        assert e.explainable is not None
        assert e.explained == pytest.approx(e.explainable, abs=0.05)
        assert 0 < e.explained < 1
        assert e.null < e.loglik < e.best
    wrong = fit(data, "economicus", cluster="decision")
    assert wrong.misfit["one"] > wrong.chance["one"] + 0.01
    assert "% explained (a true family: about " in repr(wrong)


def test_one_choice_a_decision_does_not_show_whether_a_family_is_true() -> None:
    rng = np.random.default_rng(17)
    data = sampled(exact(splits(400), "inequity(alpha=0.2, beta=0.4)", 0.05), 1, rng)
    for spec in ("inequity", "economicus"):
        e = fit(data, spec, cluster="decision")
        assert e.best == 0
        assert e.expected == pytest.approx(e.loglik, rel=1e-6)
        assert e.explainable is None
        assert e.explained < 0.5
        assert "does not show" in repr(e)


def test_no_divergence_is_negative() -> None:
    """Of exact choices that a family fits, the divergence rounds to less than 0 here and there."""
    data = [
        replace(o, game=f"g{i}")
        for i, o in enumerate(exact(splits(60), "inequity(alpha=0.2, beta=0.4)", 0.05))
    ]
    assert min(fit(data, "inequity", cluster="decision").misfit.values()) >= 0


def test_illegal_answers_are_no_choices() -> None:
    """Of a hundred answers of which 98 are unreadable two are choices: everything is as with two answers."""
    rng = np.random.default_rng(18)
    two = sampled(exact(splits(60), "inequity(alpha=0.2, beta=0.4)", 0.05), 2, rng)
    hundred = [replace(o, choice=replace(o.choice, mass=0.02, n=100)) for o in two]
    few, many = (fit(data, "inequity", cluster="decision") for data in (two, hundred))
    assert many.choices == pytest.approx(few.choices) == pytest.approx(120)
    assert many.values == pytest.approx(few.values)
    assert many.se == pytest.approx(few.se)
    assert (many.loglik, many.best, many.expected) == pytest.approx((few.loglik, few.best, few.expected))
    test, same = (compare(data, "economicus", "inequity", cluster="decision") for data in (two, hundred))
    assert same.statistic == pytest.approx(test.statistic)
    assert same.difference == pytest.approx(test.difference)
    rivals = [compare(d, "altruist", "maximin", cluster="decision").difference for d in (two, hundred)]
    assert rivals[1] == pytest.approx(rivals[0])
    people, _ = crowd(np.random.default_rng(16), 20)
    hardly = [replace(o, choice=replace(o.choice, mass=0.01, n=100)) for o in people]
    one, other = (mixture(data, "bfs", 2, starts=2) for data in (people, hardly))
    assert (other.loglik, other.bic) == pytest.approx((one.loglik, one.bic))
    assert other.se == pytest.approx(one.se)


def test_all_starts_of_a_mixture_go_to_their_end() -> None:
    """With three starts continued at most, three of twenty was the best that could be told."""
    data, _ = crowd(np.random.default_rng(16), 20)
    assert mixture(data, "bfs", 2, starts=8).starts == (8, 8)


def test_families_that_differ_by_rounding_are_not_told_apart() -> None:
    data = exact(splits(), "economicus", 0.05)
    with pytest.raises(HominesError, match=r"alike|say the same"):
        compare(data, "inequity(alpha=0)", "inequity(beta=0)")


def test_a_family_at_no_precision_is_compared_there() -> None:
    """Choices against own payoff: economicus does no better than chance, and no worse."""
    columns = family("altruist").columns
    data = [
        Observation(d, Choice.of(0.03 * columns(d) @ np.array([0.1, 1.0])), "m", str(i))
        for i, d in enumerate(splits(60))
    ]
    t = compare(data, "economicus", "altruist")
    assert t.df == 1
    assert t.p < 1e-3
    with pytest.raises(NotIdentified, match="do not rise"):
        compare([replace(o, choice=Choice.at(o.choice.p[::-1])) for o in data], "economicus", "altruist")


# --- the mathematics -----------------------------------------------------------------------------


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_score_and_information_are_the_derivatives_of_the_likelihood(seed: int) -> None:
    rng = np.random.default_rng(seed)
    design = Design.of([rng.normal(size=(int(rng.integers(2, 5)), 3)) for _ in range(6)])
    y = np.where(design.legal, rng.integers(0, 4, design.legal.shape), 0).astype(float)
    g = rng.normal(size=3)
    q = np.exp(design.logp(g))
    h = 1e-5
    slope = [
        (loglik(y, design.logp(g + h * e)) - loglik(y, design.logp(g - h * e))) / (2 * h) for e in np.eye(3)
    ]
    assert design.score(y, q).sum(0) == pytest.approx(slope, rel=1e-5, abs=1e-6)

    def score(at: np.ndarray) -> np.ndarray:
        return design.score(y, np.exp(design.logp(at))).sum(0)

    bend = np.array([(score(g + h * e) - score(g - h * e)) / (2 * h) for e in np.eye(3)])
    assert design.information(q, y.sum(-1)) == pytest.approx(-bend, rel=1e-4, abs=1e-6)


def test_a_menu_of_a_hundred_and_one_gifts_can_be_fitted() -> None:
    d = dictator(100, 1).due(())[0]
    data = exact((d, *splits(10)), "inequity(alpha=0.2, beta=0.6)", 0.1)
    close(fit(data, "inequity"), {"alpha": 0.2, "beta": 0.6, "precision": 0.1})


def test_a_climb_from_anywhere_ends_at_the_same_place() -> None:
    data = sampled(exact(splits(), "inequity(alpha=0.2, beta=0.4)", 0.05), 4, np.random.default_rng(15))
    of = family("inequity")
    design = Design.of([of.columns(o.decision) for o in data])
    y = np.array([o.counts for o in data])
    ends = [climb(design, y, start=np.array(s)).g for s in ([0, 0, 0], [0.3, -0.2, 0.1], [-0.1, 0.1, 0.3])]
    assert all(np.allclose(end, ends[0], rtol=1e-6) for end in ends)


@given(st.floats(2.0, 60.0), st.floats(0.05, 0.95))
@settings(max_examples=20, deadline=None)
def test_nearly_certain_choices_have_a_profile_with_its_top_at_the_estimate(
    precision: float, kappa: float
) -> None:
    """A held precision makes wrong answers certain where the climb begins; it still finds the top."""
    specs = [
        "symmetric(9, 1, 9, 2)",
        "symmetric(5, 8, 1, 7)",
        "symmetric(8, 1, 7, 4)",
        "symmetric(3, 3, 9, 2)",
    ]
    ds = [find("games", spec).stage.due(())[0] for spec in specs]
    soft = LogitAgent(find("preferences", f"moralis(kappa={kappa})"), precision)
    p = problem([Observation(d, c) for d, c in zip(ds, soft(ds), strict=True)], family("moralis"))
    for at in (precision / 2, precision, 2 * precision):
        rest = np.delete(np.eye(2), 0, axis=1)
        started = climb(
            p.design.take(rest), p.y, offset=at * p.design.x[:, :, 0], start=np.array([at * kappa])
        )
        assert constrained_loglik(p, "precision", at) == pytest.approx(started.loglik, rel=1e-6, abs=1e-6)

"""The tidy CSV, what is wrong with one, and observations of a run's records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from homines.core.registry import UntrustedModule, find
from homines.core.types import Choice, HominesError, Record
from homines.elicitation.asking import measure
from homines.elicitation.questions import battery, questions
from homines.estimation.csv_layout import CsvLayout
from homines.estimation.observations import CHOSE_PLANS, from_records, plain_records
from homines.estimation.observations_csv import choice_column, read_csv
from homines.estimation.strategy_method import plan_observation, points
from homines.games.spd import spd
from homines.games.trust import trust
from homines.models.mock import Mock, hashed
from homines.theory.choice import expected_utility
from homines.theory.game_forms import veil

GOOD = """subject,decision,option,own,other,chosen,game
a,1,X,10,10,1,g
a,1,Y,12,2,0,g
a,2,X,5,9,0,h
a,2,Y,6,3,1,h
b,1,X,10,10,3,g
b,1,Y,12,2,1,g
b,2,X,5,9,1,h
b,2,Y,6,3,0,h
"""
SURE = "\n".join(line for line in GOOD.splitlines() if line[:3] != "b,1") + "\n"
"""Every decision has a 1 and a 0."""


def written(folder: Path, text: str) -> Path:
    path = folder / "choices.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_tidy_csv_is_read(tmp_path: Path) -> None:
    seen = read_csv(written(tmp_path, GOOD))
    assert [(o.subject, o.game, o.choice.n) for o in seen] == [
        ("a", "g", 1), ("a", "h", 1), ("b", "g", 4), ("b", "h", 1),
    ]  # fmt: skip
    assert seen[0].decision is seen[2].decision
    assert seen[0].decision.payoffs.tolist() == [[10, 12], [10, 2]]
    assert seen[2].choice.p.tolist() == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize(
    ("text", "n", "said"),
    [
        (GOOD, (1, 1, 4, 1), "chosen: read as counts"),
        (SURE, (1, 1, 1), "chosen holds 1 and 0 alone: read as one choice a decision"),
        (SURE.replace("chosen", "probability"), (None,) * 3, "probability: read as exact"),
        (
            SURE.replace("1,h\n", "0.75,h\n", 1).replace("0,h\n", "0.25,h\n", 1),
            (None,) * 3,
            "chosen holds fractions",
        ),
    ],
)
def test_the_column_says_what_a_one_and_a_nought_are(
    tmp_path: Path,
    text: str,
    n: tuple[int | None, ...],
    said: str,
    odd: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 1 beside fractions, or in `probability`, is exact; in a column of whole numbers it is one choice."""
    if odd:  # read row by row
        monkeypatch.setattr(CsvLayout, "odd", lambda layout: iter([np.flatnonzero(layout.who == 0)]))
    path = written(tmp_path, text)
    seen = read_csv(path)
    assert tuple(o.choice.n for o in seen) == n
    assert str(choice_column(path, seen)).startswith(said)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            GOOD.replace("b,2,X,5,9,1,h\nb,2,Y,6,3,0,h", "b,2,X,5,9,.5,h\nb,2,Y,6,3,.5,h"),
            r"line 6: .*3.0, 1.0.*fraction",
        ),
        (GOOD.replace("chosen", "probability"), "line 6: .*must sum to 1; give counts in a column chosen"),
        (GOOD.replace("chosen,game", "chosen,probability"), "keep one"),
    ],
)
def test_counts_and_probabilities_do_not_mix(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(HominesError, match=told):
        read_csv(written(tmp_path, text))


def test_outcomes_that_depend_on_the_other_are_read_with_beliefs(tmp_path: Path) -> None:
    text = "subject,decision,option,theirs,own,other,belief,same,kindness,chosen\n"
    text += "a,1,C,C,3,3,.8,3,1,1\na,1,C,D,0,4,.2,3,1,1\na,1,D,C,4,0,.8,1,1,0\na,1,D,D,1,1,.2,1,1,0\n"
    (o,) = read_csv(written(tmp_path, text))
    d = o.decision
    assert d.theirs == (("C", "D"),)
    assert d.kindness == 1
    assert d.same is not None
    assert d.same.tolist() == [3, 1]
    assert d.others is not None
    assert expected_utility(d.payoffs[0], d.others).tolist() == pytest.approx([2.4, 3.4])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("own,", ""), "lacks the column own"),
        (("chosen", "picked"), "lacks the column chosen"),
        (("a,1,X,10,", "a,1,X,nan,"), r"line 2: own is 'nan'; it must be a finite number"),
        (("a,1,X,10,", "a,1,X,ten,"), r"line 2: own is 'ten'"),
        (("a,1,X,10,", "a,1,X,,"), r"line 2: own is ''"),
        (("a,2,Y,6,3,1,h\n", ""), "has one option, 'X'"),
        (("a,1,Y,12,2,0,g", "a,1,X,12,2,0,g"), "has one option"),
        (("a,1,X,10,10,1,g", "a,1,X,10,10,0,g"), "nothing was chosen"),
        (("a,1,X,10,10,1,g", "a,1,X,10,10,-1,g"), "chosen is '-1'; it must be a number of at least 0"),
        (("a,1,X,10,10,1,g", "a,1,X,10,10,0.4,g"), "chosen holds a fraction, so all of it is probabilities"),
        (("a,1,X,10,10,1,g", "a,1,X,10,10,1,q"), "line 3: game is 'g'"),
        (("a,1,X,10,10,1,g", "a,1,X,10,10,1,g,7"), "line 2 has more cells"),
        (("a,1,X,10,10,1,g", "a,1,X,10,10"), "line 2 has fewer cells"),
        (("chosen,game", "chosen,chosen"), "column chosen twice"),
    ],
)
def test_what_is_wrong_is_told_by_line_and_rule(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(HominesError, match=told):
        read_csv(written(tmp_path, GOOD.replace(*change, 1)))


def test_unknown_codes_and_half_told_things_are_refused(tmp_path: Path) -> None:
    head = "subject,decision,option,theirs,own,other,belief,kindness,chosen\n"
    rows = ["a,1,C,C,3,3,.8,1,1", "a,1,C,D,0,4,.2,1,1", "a,1,D,C,4,0,.8,1,0", "a,1,D,D,1,1,.2,1,0"]

    def read(*lines: str) -> None:
        read_csv(written(tmp_path, head + "\n".join(lines) + "\n"))

    read(*rows)
    with pytest.raises(HominesError, match="kindness is 'kind', an unknown code; it must be one of 1, 0, -1"):
        read(rows[0].replace(",1,1", ",kind,1"), *rows[1:])
    with pytest.raises(HominesError, match="kindness is '-1', and 1 on line 2"):
        read(*rows[:3], rows[3].replace(",1,0", ",-1,0"))
    read(*(row.replace(",.8,", ",,").replace(",.2,", ",,") for row in rows))  # no belief: uniform
    with pytest.raises(HominesError, match="did you mean 'kindness'"):
        read_csv(written(tmp_path, head.replace("kindness", "kindnes") + "\n".join(rows) + "\n"))
    with pytest.raises(HominesError, match="lacks a row for one of the other's actions"):
        read(*rows[:3])
    with pytest.raises(HominesError, match="belief sums to"):
        read(rows[0].replace(".8", ".7"), *rows[1:])
    with pytest.raises(HominesError, match="chosen is 0, and 1 on another row"):
        read(rows[0], rows[1].replace(",1,1", ",1,0"), *rows[2:])
    with pytest.raises(HominesError, match="has no rows"):
        read_csv(written(tmp_path, head))
    with pytest.raises(HominesError, match="cannot read"):
        read_csv(tmp_path / "nothing.csv")
    (tmp_path / "bytes.csv").write_bytes(b"subject\xff\xfe,\x00")
    with pytest.raises(HominesError, match="no CSV in UTF-8"):
        read_csv(tmp_path / "bytes.csv")


# --- plans ---------------------------------------------------------------------------------------


def test_a_plan_is_as_likely_as_it_is_played() -> None:
    """The product over points against ten thousand plays of two players who answer point by point."""
    rng = np.random.default_rng(0)
    game = spd(3)
    there = points(game)
    answers = {point: Choice.at(rng.dirichlet([1, 1])) for point in there}
    o = plan_observation(game, answers, {}, name="spd(3)")
    v = veil(game)
    assert o.decision.actions == v.names
    assert o.choice.p.sum() == pytest.approx(1)
    # how a meeting of two such players ends, played out, and from the distribution over plans
    played = np.zeros((2, 2))
    for _ in range(20_000):
        first = rng.choice(2, p=answers[0, ()].p)
        reply = rng.choice(2, p=answers[1, ((int(first), None),)].p)
        played[first, reply] += 1 / 20_000
    computed = np.zeros((2, 2))
    for x, mine in zip(o.choice.p, v.plans, strict=True):
        for y, theirs in zip(o.choice.p, v.plans, strict=True):
            first = mine[0, ()]
            computed[first, theirs[1, ((first, None),)]] += x * y
    assert computed == pytest.approx(played, abs=4 * 0.5 / np.sqrt(20_000))


def test_beliefs_are_multiplied_too_and_where_none_are_asked_every_reply_is_as_likely() -> None:
    game = trust(5)
    there = points(game)
    coin = {point: Choice.at([0.5, 0.5]) for point in there}
    sure = plan_observation(game, coin, {point: Choice.at([0.9, 0.1]) for point in there})
    assert sure.decision.others is not None
    assert dict(zip(sure.decision.actions, sure.decision.others[0], strict=True)) == pytest.approx(
        {"IG": 0.81, "IK": 0.09, "NG": 0.09, "NK": 0.01}
    )
    even = plan_observation(game, coin, {})
    assert even.decision.others is not None
    assert even.decision.others[0].tolist() == pytest.approx([0.25] * 4)


@pytest.fixture
def run_of_protocols() -> list[Record]:
    """Records of a mock in all 18 protocols, choices and beliefs, in two sets of words."""
    model = Mock(hashed)
    games = {
        f"{name}({k})": find("games", f"{name}({k})")
        for name in ("spd", "trust", "ultimatum")
        for k in range(1, 7)
    }
    frames = [find("frames", f"table(labels='{w}')") for w in ("X,Y", "Y,X")]
    beliefs = [find("frames", f"table(labels='{w}', asks=belief)") for w in ("X,Y", "Y,X")]
    batteries = {name: battery(game) for name, game in games.items()}
    asked = questions(model, batteries, [*frames, *beliefs])
    return measure(model, asked)


def test_records_of_sequential_games_are_answers_at_points_and_parts_of_plans(
    run_of_protocols: list[Record],
) -> None:
    apart = from_records(run_of_protocols)
    assert len(apart) == 2 * 6 * (3 + 2 + 2)  # two sets of words, 18 protocols
    parts = [o.part for o in apart if o.part is not None]
    assert len(parts) == len(apart)
    assert {len(part.decision.actions) for part in parts} == {4, 8}
    assert all(len(part.answers) == len(part.decision.actions) for part in parts)
    assert all(part.choice is o.choice for part, o in zip(parts, apart, strict=True))
    assert all(o.part is None for o in from_records(run_of_protocols, plans=False))
    first = [o for o in apart if o.decision.reply]
    assert all(o.decision.others is not None for o in first)
    assert {o.decision.kindness for o in apart} == {-1, 0, 1}


def test_who_chose_plans_is_read_as_one_who_did(run_of_protocols: list[Record]) -> None:
    plans = from_records(run_of_protocols, whole=True)
    assert len(plans) == 36  # 18 protocols, two sets of words
    assert {len(o.decision.actions) for o in plans} == {4, 8}
    assert all(o.choice.n is None for o in plans)
    of_people = [replace(r, provenance={**r.provenance, CHOSE_PLANS: True}) for r in run_of_protocols]
    assert [o.choice.p.tolist() for o in from_records(of_people)] == [o.choice.p.tolist() for o in plans]
    # sittings of earlier versions did not write so
    config = {"kind": "play", "both": True, "person": run_of_protocols[0].model}
    assert len(from_records(plain_records(run_of_protocols, config))) == 36
    assert len(from_records(plain_records(run_of_protocols, config | {"person": "another"}))) == 84


def test_records_of_several_models_must_be_told_apart(run_of_protocols: list[Record]) -> None:
    two = [*run_of_protocols, *(replace(r, model="other") for r in run_of_protocols)]
    with pytest.raises(HominesError, match="2 models; name one of"):
        from_records(two)
    assert len(from_records(two, model="other")) == 84
    with pytest.raises(HominesError, match="no records of 'third'"):
        from_records(two, model="third")
    failed = [replace(r, choice=None, error="down") for r in run_of_protocols]
    with pytest.raises(HominesError, match="none of these records"):
        from_records(failed)


def test_a_game_is_read_point_by_point_only_where_its_name_leads_nowhere(
    run_of_protocols: list[Record],
) -> None:
    """An unknown name is a game of somebody's own; a spec that fails or names a module is an error."""

    def called(game: str) -> list[Record]:
        return [replace(r, game=game) for r in run_of_protocols if r.game == "spd(3)"]

    points = from_records(run_of_protocols, plans=False)
    assert len(from_records(called("ours"))) == sum(o.game == "spd(3)" for o in points)
    assert len(from_records(called(""))) == len(from_records(called("ours")))
    with pytest.raises(HominesError, match="has no parameter 'stakes'"):
        from_records(called("spd(stakes=3)"))
    with pytest.raises(UntrustedModule, match="--trust-modules"):
        from_records(called("own:game"))

"""The estimator of moral dilemmas: laws, an example by hand, recovery, bad input, the command."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homines.core.types import HominesError
from homines.estimation import amce, amce_nulls, amce_rows, tidy_csv
from homines.estimation.amce import ALL, EFFECTS, Amce, distance_to, probability
from homines.estimation.amce_rows import REQUIRED_COLUMNS, amce_of_choices, amce_of_file
from homines.estimation.published import DILEMMAS, countries
from homines.games.dilemma import DIMENSIONS, SETTINGS, STAY, SWERVE, Dilemma, dilemma
from tests.helpers.running import HOMINES

pytest.importorskip("polars")

HEAD = ["ResponseID", *REQUIRED_COLUMNS]
SCENARIOS = [dilemma(kind, draw) for kind in DIMENSIONS for draw in range(12)]


def responses(there: Sequence[Dilemma], stays: Sequence[float]) -> list[dict[str, Any]]:
    """Rows of a file: scenarios and how often each group was saved; every scenario with an id of its own."""
    return [
        {**row, "ResponseID": f"r{i}", "Saved": saved}
        for i, (d, p) in enumerate(zip(there, stays, strict=True))
        for row, saved in zip(d.outcomes(), (1 - p, p), strict=True)
    ]


def write(
    path: Path, rows: Sequence[dict[str, Any]], heads: Sequence[str] = HEAD, encoding: str = "utf-8"
) -> Path:
    with open(path, "w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, heads, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def same(one: Amce, two: Amce) -> None:
    np.testing.assert_allclose(one.values, two.values, atol=1e-9)
    np.testing.assert_allclose(one.se, two.se, atol=1e-7)


# --- weights, by hand ------------------------------------------------------------------------------


def test_the_weights_are_frequencies_of_the_design() -> None:
    """Either group of a scenario, so those killed by staying and those killed by swerving, sum to one."""
    for intervention in (0, 1):
        kinds = [(0, 1, c) for c in range(3)] + [(0, 0, c) for c in range(3)] + [(1, 0, 0)]
        assert sum(probability(intervention, b, p, c) for b, p, c in kinds) == pytest.approx(1)
    assert probability(0, 0, 1, 1) == pytest.approx(0.48 * 0.2) == pytest.approx(probability(1, 0, 1, 2))
    assert probability(1, 0, 0, 2) == pytest.approx(0.2 * 0.32)
    assert (probability(0, 1, 0, 0), probability(1, 1, 0, 0)) == (0.2, 0.32)


def row(i: int, p: int, b: int, c: int, saved: float, name: str, level: str = "Female") -> dict[str, Any]:
    cells = (name, i, p, b, c, level, "Gender", 0, saved)
    return dict(zip(HEAD, cells, strict=True))


def test_a_small_example_by_hand(tmp_path: Path) -> None:
    rows = [
        row(0, 1, 0, 0, 1, "a"),
        row(1, 1, 0, 0, 0, "a", "Male"),
        row(0, 1, 0, 1, 0, "b"),
        row(1, 1, 0, 2, 1, "b", "Male"),
    ]
    found = amce_of_file(write(tmp_path / "r.csv", rows)).overall
    heavy, light = 1 / (0.48 * 0.2), 1 / (0.48 * 0.48)
    # inaction: those killed by swerving are saved in b, those killed by staying in a; weights within a level
    share = heavy / (heavy + light)
    assert found.values[0] == pytest.approx(share - (1 - share))
    assert found.values[2] == pytest.approx(0 - 1)  # the lawful were not saved
    assert found.values[3] == pytest.approx((1 - share) - share)
    assert np.isnan(found.values[[1, 4, 8]]).all()
    # two clusters with influences x and -x (both scenarios are complements): G / (G - 1) = 2
    x = share * 2 * (1 - share)
    assert found.se[0] == pytest.approx(np.sqrt(2 * 2 * x**2))
    assert np.isnan(found.se[2])  # one scenario alone has no error


# --- laws ------------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_neither_the_order_of_rows_nor_the_names_of_scenarios_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pl = tidy_csv.library()
    rows = responses(SCENARIOS, rng.uniform(0, 1, len(SCENARIOS)).tolist())
    mixed = [rows[i] | {"ResponseID": rows[i]["ResponseID"][::-1] + "x"} for i in rng.permutation(len(rows))]
    one, two = (
        amce_rows.tally(pl.DataFrame(some, infer_schema_length=None).cast(pl.String).lazy(), "ResponseID")
        for some in (rows, mixed)
    )
    same(one.overall, two.overall)
    assert one.rows == len(rows)
    assert not one.skipped


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_saved_and_killed_exchanged_turn_every_effect(seed: int, share: float) -> None:
    p = np.random.default_rng(seed).uniform(0, 1, len(SCENARIOS))
    one, two = (amce_of_choices(zip(SCENARIOS, some.tolist(), strict=True)) for some in (p, 1 - p))
    same(one, Amce(-two.values, two.se, two.rows, two.clusters))
    # a coin with this share mixed in shrinks all by as much
    mixed = amce_of_choices(zip(SCENARIOS, (share * p + (1 - share) / 2).tolist(), strict=True))
    np.testing.assert_allclose(mixed.values, share * one.values, atol=1e-9)


def test_parts_of_a_file_make_up_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    p = np.random.default_rng(0).uniform(0, 1, len(SCENARIOS)).tolist()
    path = write(tmp_path / "r.csv", responses(SCENARIOS, p))
    whole = amce_of_file(path)
    monkeypatch.setattr(amce_rows, "BYTES_AT_ONCE", 1000)
    parted = amce_of_file(path)
    same(whole.overall, parted.overall)
    assert (whole.overall.clusters == parted.overall.clusters).all()
    bare = write(tmp_path / "bare.csv", responses(SCENARIOS, p), REQUIRED_COLUMNS)
    by_row = amce_of_file(bare)
    assert by_row.key is not None
    assert by_row.key.name == "row"
    np.testing.assert_allclose(amce_of_file(bare).overall.values, whole.overall.values, atol=1e-9)


# --- clusters --------------------------------------------------------------------------------------


def keys(path: Path) -> tuple[str, str]:
    key = amce_of_file(path).key
    assert key is not None
    return key.name, key.told


def test_ids_of_single_rows_cluster_by_scenario(tmp_path: Path) -> None:
    """As in Takemoto's files: res_0_1 and res_0_2 are two rows of one scenario. By row, the error of
    "lawful", which compares the two groups of a scenario, is smaller by the root of two."""
    p = np.random.default_rng(3).uniform(0, 1, len(SCENARIOS)).tolist()
    shared = responses(SCENARIOS, p)
    single = [r | {"ResponseID": f"{r['ResponseID']}_{1 + i % 2}"} for i, r in enumerate(shared)]
    odd = [r | {"ResponseID": f"row {i:04}x"} for i, r in enumerate(shared)]
    files = [write(tmp_path / f"{i}.csv", rows) for i, rows in enumerate((shared, single, odd))]
    one, two, by_row = (amce_of_file(path).overall for path in files)
    same(one, two)
    assert one.se[2] == pytest.approx(np.sqrt(2) * by_row.se[2], rel=0.05)
    assert [keys(path)[0] for path in files] == ["scenario", "scenario", "row"]
    assert "without its last number" in keys(files[1])[1]
    assert "may be too small: no ResponseID is on two rows" in keys(files[2])[1]


def test_people_are_clusters_of_their_scenarios(tmp_path: Path) -> None:
    """Twelve people who save the same in every scenario are twelve answers, however many they give. A file of
    one user is a model's, and rows without a user are clusters by scenario."""
    rng = np.random.default_rng(4)
    many = SCENARIOS * 6
    users = [i % 12 for i in range(len(many))]
    likes = rng.uniform(0, 1, 12)
    rows = responses(many, [float(likes[u] > 0.5) for u in users])
    of_people = [r | {"UserID": f"u{users[i // 2]}"} for i, r in enumerate(rows)]
    heads = [*HEAD, "UserID"]
    by_user = write(tmp_path / "u.csv", of_people, heads)
    assert keys(by_user)[0] == "user"
    by_scenario = write(tmp_path / "s.csv", rows)
    users_apart, scenarios_apart = (amce_of_file(path).overall for path in (by_user, by_scenario))
    assert users_apart.clusters[0] == 12
    assert users_apart.se[0] > 1.5 * scenarios_apart.se[0]
    assert keys(write(tmp_path / "one.csv", [r | {"UserID": "gpt"} for r in rows], heads))[0] == "scenario"
    half = [r if i < len(rows) // 2 else r | {"UserID": ""} for i, r in enumerate(of_people)]
    found = amce_of_file(write(tmp_path / "half.csv", half, heads))
    assert not found.skipped
    assert found.overall.clusters[0] == 12 + len(many) // 2


def test_the_number_is_compared_with_people_of_as_many_more() -> None:
    found = amce_nulls.nulls(SCENARIOS)["headcount", "balanced"]
    values = found.values.copy()
    values[7], values[12] = 0.3, 0.651
    alike = Amce(values, found.se, found.rows, found.clusters)
    people, countries_mean = DILEMMAS["all people"], DILEMMAS["mean of countries"]
    rest = np.delete(people.values, 7) - np.delete(values[:9], 7)
    assert distance_to(alike, people) == pytest.approx(np.sqrt((rest**2).sum()))
    rest = np.delete(countries_mean.values, 7) - np.delete(values[:9], 7)
    assert distance_to(alike, countries_mean) == pytest.approx(np.sqrt((rest**2).sum() + 0.206**2))


# --- recovery --------------------------------------------------------------------------------------


def test_intervals_cover_the_truth(tmp_path: Path) -> None:
    """People who save the group with more in a share of cases, females in another: the effect of a draw of
    scenarios and answers lies in its 95% interval in about 95% of files."""
    rng = np.random.default_rng(7)
    there = [d for kind in ("gender", "number") for d in (dilemma(kind, i) for i in range(200))]
    plus = np.array([d.levels[SWERVE] for d in there])  # the plus level is saved by staying
    truth = {3: 0.3, 7: 0.6}
    lean = np.array([truth[3] if d.kind == "gender" else truth[7] for d in there])
    stays = 0.5 + plus * lean / 2
    files, inside = 120, dict.fromkeys(truth, 0)
    for _ in range(files):
        at = rng.integers(len(there), size=300)
        saved = (rng.uniform(size=300) < stays[at]).astype(float)
        pl = tidy_csv.library()
        rows = pl.DataFrame(responses([there[i] for i in at], saved.tolist())).cast(pl.String).lazy()
        ends = amce_rows.tally(rows, "ResponseID").overall.interval()
        for e, value in truth.items():
            inside[e] += bool(ends[e, 0] <= value <= ends[e, 1])
    error = 3 * np.sqrt(0.95 * 0.05 / files)
    for n in inside.values():
        assert abs(n / files - 0.95) < error


# --- null policies, and what was published ---------------------------------------------------------


def test_balance_leaves_nothing_to_a_policy_that_looks_at_nothing() -> None:
    found = amce_nulls.nulls(SCENARIOS)
    for name in ("always the first shown", "always the second shown", "coin"):
        np.testing.assert_allclose(found[name, "balanced"].nine, 0, atol=1e-12)
    stay = amce_of_choices((d, 1.0) for d in SCENARIOS)
    assert stay.values[0] == pytest.approx(1)
    np.testing.assert_allclose(stay.values[3:9], 0, atol=1e-12)
    heads = found["headcount", "balanced"].nine
    assert heads[7] == pytest.approx(1)
    np.testing.assert_allclose(np.delete(heads, 7), 0, atol=1e-12)


ALWAYS_SECOND = np.array([-0.124, -1.000, -0.004, 0.419, -0.449, -0.432, 0.425, -0.465, 0.409])


def test_the_flaw_makes_preferences_out_of_nothing_as_published() -> None:
    """Pedestrians stand on both roads in 3 of 7 kinds of row: attributes come to -+.43, as published."""
    there = [dilemma(kind, i) for kind in DIMENSIONS for i in range(400)]
    found = amce_nulls.nulls(there)["always the second shown", "first level always first"].nine
    assert found[1] == -1
    np.testing.assert_allclose(np.abs(found[3:]), 3 / 7, atol=0.05)
    np.testing.assert_allclose(found[2:], ALWAYS_SECOND[2:], atol=0.07)
    assert abs(found[0]) < 0.07  # published -.124: that generator does not draw settings as its weights say


def test_distances_of_null_policies_are_near_the_published() -> None:
    people = DILEMMAS["all people"].values
    assert amce.distance(ALWAYS_SECOND, people) == pytest.approx(1.916, abs=0.02)
    assert amce.distance(-ALWAYS_SECOND, people) == pytest.approx(1.797, abs=0.02)
    assert amce.distance(np.eye(9)[7], people) == pytest.approx(1.000, abs=0.02)
    # a coin was tossed there once a scenario, and that run lay .04 nearer
    assert amce.distance(np.zeros(9), people) == pytest.approx(1.107, abs=0.05)


# --- scenarios -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DIMENSIONS)
def test_groups_are_of_the_design_and_exchanged_in_pairs(kind: str) -> None:
    there = [dilemma(kind, i) for i in range(200)]
    for one, two in zip(there[::2], there[1::2], strict=True):
        assert (one.victims == two.victims[::-1]).all()
        assert (one.setting, one.signals) == (two.setting, two.signals)
    for d in there:
        sizes = d.victims.sum(-1)
        assert ((sizes >= 1) & (sizes <= 5)).all()
        more = sizes[STAY] - sizes[SWERVE]
        assert (more * d.levels[STAY] > 0) if kind == "number" else more == 0
        few = d.victims[int(d.levels[SWERVE] < 0)]
        if kind == "number":  # the smaller group is among the larger
            assert (few <= d.victims.max(0)).all()
    shares = np.bincount([d.setting for d in there], minlength=3) / len(there)
    np.testing.assert_allclose(shares, SETTINGS, atol=0.03)


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(HominesError, match="no kind of dilemma called 'wealth'; there are gender"):
        dilemma("wealth")
    with pytest.raises(HominesError, match="draw must be a whole number of at least 0"):
        dilemma("age", -1)


# --- bad input, through the command ----------------------------------------------------------------


def homines(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HOMINES, "amce", *args], capture_output=True, text=True)


BAD = [
    ({"Saved": ""}, "Saved is empty"),
    ({"Saved": "yes"}, "Saved is no number from 0 to 1"),
    ({"Saved": "2"}, "Saved is no number from 0 to 1"),
    ({"Saved": "nan"}, "Saved is no number from 0 to 1"),
    ({"Intervention": "x"}, "Intervention is not 0 or 1"),
    ({"CrossingSignal": "3"}, "CrossingSignal is not 0, 1 or 2"),
    ({"PedPed": "1", "Barrier": "1"}, "passengers (Barrier 1) where PedPed says there are none"),
    ({"ScenarioType": "Wealth"}, "unknown ScenarioType 'Wealth'"),
    ({"AttributeLevel": "Ducks"}, "unknown AttributeLevel 'Ducks' of ScenarioType Gender"),
]


def test_rows_that_cannot_be_read_are_counted_and_named(tmp_path: Path) -> None:
    good = responses(SCENARIOS, [1.0] * len(SCENARIOS))
    gender = next(r for r in good if r["ScenarioType"] == "Gender")
    path = write(tmp_path / "r.csv", [*good, *(gender | wrong for wrong, _ in BAD)])
    done = homines(str(path), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["used"] == len(good)
    assert told["rows"] == len(good) + len(BAD)
    assert set(told["skipped"]) == {why for _, why in BAD}
    assert sum(told["skipped"].values()) == len(BAD)
    assert told["effects"][0]["estimate"] == pytest.approx(1)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_other_encodings_are_read(encoding: str, tmp_path: Path) -> None:
    rows = [r | {"UserCountry3": "Réunion"} for r in responses(SCENARIOS, [0.5] * len(SCENARIOS))]
    found = amce_of_file(write(tmp_path / "r.csv", rows, [*HEAD, "UserCountry3"], encoding), "UserCountry3")
    assert found.rows == len(rows)
    assert not found.skipped
    assert len(found.groups) == 1


def test_groups_are_written_as_they_are_read_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = responses(SCENARIOS * 2, rng.uniform(0, 1, 2 * len(SCENARIOS)).tolist())
    rows = [r | {"where": "AA" if i < len(rows) // 2 else "BB"} for i, r in enumerate(rows)]
    path, out = write(tmp_path / "r.csv", rows, [*HEAD, "where"]), tmp_path / "out.csv"
    assert homines(str(path), "--by", "where", "--out", str(out)).returncode == 0
    people = countries(out, [e.label for e in EFFECTS])
    alone = amce_of_file(write(tmp_path / "a.csv", rows[: len(rows) // 2])).overall
    assert set(people) == {"AA", "BB"}
    np.testing.assert_allclose(people["AA"].values, alone.nine, atol=1e-12)
    np.testing.assert_allclose(people["AA"].se, alone.se[:9], atol=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no CSV that can be read"),
        ("a,b\n1,2\n", "lacks the columns Intervention, PedPed"),
        (",".join(REQUIRED_COLUMNS) + "\n", "it has none under its head"),
        (
            ",".join(REQUIRED_COLUMNS) + "\n1,1,0,0,Female,Gender,0,maybe\n",
            "Saved is no number from 0 to 1: 1",
        ),
    ],
)
def test_a_file_without_answers_is_refused_in_a_sentence(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(text)
    done = homines(str(tmp_path / "r.csv"))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_more_bad_files(tmp_path: Path) -> None:
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(HEAD), encoding="utf-16")
    with pytest.raises(HominesError, match="UTF-16; save it as UTF-8"):
        amce_of_file(wide)
    with pytest.raises(HominesError, match="cannot read"):
        amce_of_file(tmp_path / "none.csv")
    rows = responses(SCENARIOS[:2], [1.0, 0.0])
    with pytest.raises(HominesError, match="lacks the column UserCountry3"):
        amce_of_file(write(tmp_path / "r.csv", rows), "UserCountry3")
    with pytest.raises(HominesError, match="lacks Estimates, se, Label, Country"):
        countries(tmp_path / "r.csv", ["Age"])


def test_every_effect_has_a_place() -> None:
    assert [e.label for e in ALL[9:]] == [f"No. Characters_{n}" for n in (1, 2, 3, 4)]
    assert all(len(people.values) == len(EFFECTS) for people in DILEMMAS.values())

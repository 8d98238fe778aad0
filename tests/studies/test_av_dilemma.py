"""The study of self-driving cars as a user runs it: the short form, on the embedded model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from homines.core.registry import find
from homines.core.types import Choice, HominesError, Prompt
from homines.elicitation.asking import measure
from homines.elicitation.metrics import order_effect
from homines.estimation.columns import Observation
from homines.games.av import ABOARD, PERSPECTIVES
from homines.models.mock import Mock
from homines.studies.av_dilemma import study as study_module
from homines.studies.av_dilemma.agents import ACTS, LETTERS, rates
from homines.studies.av_dilemma.preferences import EXPLAINING, balanced_agreement, kappa_row
from homines.studies.av_dilemma.theory import Place, decision_at, place, sacrifice_probability
from homines.studies.task import StudyTask
from homines.theory.choice import LogitAgent
from tests.helpers.running import rows, study
from tests.helpers.tiny import tiny

EVERYWHERE = [
    decision_at(Place(q, s, who)) for q in PERSPECTIVES for s in study_module.SAVED for who in ABOARD
]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("av") / "run"
    assert "report.html" in study("av_dilemma", folder)
    return folder


@pytest.mark.system
def test_every_rate_stands_beside_what_it_is_worth(quick: Path) -> None:
    found = rows(quick, "behaviour")
    assert {row["agent"] for row in found} == {"untrained", "homo economicus"}
    assert {row["asked"] for row in found} == set(PERSPECTIVES)
    for row in found:
        for saved in study_module.FEW:
            assert 0 <= float(row[f"{saved} saved"]) <= 1
        assert 0 <= float(row["legal mass"]) <= 1
        assert -1 <= float(row["order effect"]) <= 1
        assert 0 <= float(row["instability"]) <= 1


@pytest.mark.system
def test_theory_and_the_dilemma_stand_on_the_page(quick: Path) -> None:
    page = (quick / "report.html").read_text()
    for title in (
        "What is right, what is bought",
        "What theories say",
        "The social dilemma",
        "Beside people",
    ):
        assert title in page
    assert {p.stem for p in (quick / "figures").glob("*.png")} >= {"behaviour", "dilemma", "training"}
    told = {row["agent"]: row for row in rows(quick, "dilemma")}
    assert float(told["theory: economicus"]["regulating less buying"]) == 1
    assert float(told["theory: moralis(kappa=1)"]["regulating less buying"]) == 0


@pytest.mark.system
def test_a_rerun_asks_and_trains_nothing(quick: Path) -> None:
    before = {p: p.stat().st_size for p in quick.rglob("*.jsonl")}
    (quick / "report.html").unlink()
    told = study("av_dilemma", quick, "--json")
    assert Path(json.loads(told)["report"]).exists()
    assert {p: p.stat().st_size for p in quick.rglob("*.jsonl")} == before


def test_other_models_are_measured_beside_it(tokenizer: Any, tmp_path: Path) -> None:
    for seed in (0, 1):
        tiny("llama", seed=seed, initializer_range=0.3).save_pretrained(tmp_path / f"m{seed}")
        tokenizer.save_pretrained(tmp_path / f"m{seed}")
    one, two = (f"hf/{tmp_path / f'm{seed}'}" for seed in (0, 1))
    study("av_dilemma", tmp_path / "run", "--model", one, "--also", two)
    assert {row["agent"] for row in rows(tmp_path / "run", "behaviour")} == {
        "untrained",
        "homo economicus",
        two,
    }


def test_what_is_taught_is_a_few_numbers_by_the_names_of_the_acts_and_both_acts() -> None:
    for kind in study_module.kinds(StudyTask("smollm2", Path("nowhere"), (0,))):
        assert {row.prompt.labels for row in kind.rows()} == {("sacrifice", "protect")}
        at = [place(row.game) for row in kind.rows()]
        assert {5, 20, 50} <= {*study_module.SAVED} - {x.saved for x in at}
        assert {sacrifice_probability(kind.preference, decision_at(x)) for x in at} == {
            0.0,
            1.0,
        }  # and no tie
        assert {row.answer for row in kind.rows()} == {0, 1}


def first(prompt: Prompt) -> Choice:
    """Whichever label is named first on the last line."""
    last = prompt.text.splitlines()[-1].rsplit("Reply", 1)[-1]
    places = [last.find(f"{label} ") for label in prompt.labels]
    return Choice.at([1.0 if place == min(p for p in places if p >= 0) else 0.0 for place in places])


def test_a_position_bias_is_no_preference() -> None:
    model = Mock(first)
    for words in ("sacrifice,protect", ACTS, *LETTERS):
        asked = [q for q in study_module.exam(model) if ",".join(q.prompt.labels) == words]
        records = measure(model, asked)
        assert len({r.game for r in records}) == 63
        assert {round(p, 9) for p in rates(records).values()} == {0.5}
        if words == "sacrifice,protect":  # in all four orders; elsewhere one place goes with the other
            assert (order_effect(records) or 0) == pytest.approx(0.5)


@pytest.mark.parametrize("idle", [Choice.at(p) for p in ([1, 0], [0, 1], [1, 1])])
@pytest.mark.parametrize("theory", EXPLAINING)
def test_looking_at_nothing_explains_nothing(idle: Choice, theory: str) -> None:
    assert balanced_agreement([Observation(d, idle) for d in EVERYWHERE], theory) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("theory", "told"),
    [
        ("economicus", "below to 0.5"),
        ("moralis(kappa=0.4)", "below to 0.5"),
        ("moralis(kappa=0.57)", "0.55 to 0.60"),
        ("moralis(kappa=0.8)", "0.75 to 1.00"),
    ],
)
def test_kappa_is_bounded_by_what_is_bought(theory: str, told: str) -> None:
    seen = [
        Observation(d, Choice.at([p := sacrifice_probability(theory, d), 1 - p]), "", str(i))
        for i, d in enumerate(EVERYWHERE)
    ]
    row = kappa_row(seen)
    assert row["best at kappa"].startswith(told)
    assert row["share best"] == pytest.approx(1)
    assert "separated" in row["kappa"]
    assert (
        balanced_agreement(seen, "economicus" if theory == "economicus" else "moralis(kappa=1)") is not None
    )


def test_kappa_is_estimated_where_choices_are_soft() -> None:
    agent = LogitAgent(find("preferences", "moralis(kappa=0.7)"), 4.0)
    seen = [Observation(d, agent([d])[0], "", str(i)) for i, d in enumerate(EVERYWHERE)]
    assert kappa_row(seen)["kappa"].startswith("0.70 (0.70 to 0.70)")
    assert kappa_row(seen)["explained"] == pytest.approx(1)


def test_a_study_that_takes_no_rival_says_so(tmp_path: Path) -> None:
    from homines.studies import check_more

    with pytest.raises(HominesError, match="av_dilemma takes no"):
        check_more("av_dilemma", study_module.OPTIONS, {"also": (), "rivals": ("nash",), "humans": None})

"""Markets in words: answers are read or asked again, never guessed; a market goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Interrupted, Prompt
from homines.games.pricing import shop
from homines.inference.reasoning import ReasoningOptions
from homines.models.mock import HANDLERS, Mock
from homines.studies.pricing.talk import (
    LOG,
    STRATEGIES,
    Rules,
    Shop,
    all_ended,
    markets,
    outcome,
    play,
    prompt,
    read,
)

MARKET = shop()


class Says:
    """A model that says these texts in turn, and keeps what it was asked."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.asked = texts, []

    def write(self, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[str]:
        out: list[str] = []
        for one in prompts:
            text = self.texts[len(self.asked) % len(self.texts)]
            self.asked.append(one.text)
            if text == "fail":
                raise RuntimeError("the model is gone")
            out.append(text)
        return out


def played(folder: Path, firms: Any, how: Rules, prefix: str = "P0", **more: Any) -> tuple[list[Shop], int]:
    with RunFolder(folder, {"rules": vars(how)}) as run:
        shops = markets({"m": firms}, MARKET, how, run, {"m": prefix})
        return shops, play(shops, how, run, **more)


@given(st.decimals(0, 4, places=2))
def test_a_price_is_read_only_where_there_is_exactly_one(price: Any) -> None:
    top = 4.0
    assert read(f"Plans: hold\nInsights: none yet\nPrice: {price}", top) == {
        "price": float(price),
        "plans": "hold",
        "insights": "none yet",
    }
    assert read(f"**price:** ${price}", top) is not None
    for text in (
        f"Price: {price}\nPrice: {price}",
        f"Price: {price} or 2",
        f"Price: {price}\nPrice: two",
        f"Price: {price}\nPrice: {price} instead",
        "Price: 1.",
        f"I will ask {price}",
        "Price: as before",
        f"Price: {float(price) + 4.01:.2f}",
        f"Price: -{price}",
        "",
    ):
        assert read(text, top) is None


def test_an_answer_without_a_price_is_asked_again_and_counted(tmp_path: Path) -> None:
    how = Rules(periods=3, retries=2)
    shops, stuck = played(tmp_path, (Says("hm", "Price: 1.5"), STRATEGIES["nash"]), how)
    assert stuck == 0
    assert [row["tries"] for row in shops[0].periods] == [[2, 0]] * 3
    found = outcome(shops[0], how)
    assert found is not None
    assert (found.tries, found.unread) == (6, 3)
    assert found.prices[0] == 1.5
    assert found.profits == pytest.approx(MARKET.profits(np.array([1.5, float(MARKET.nash()[1])])))


def test_a_market_whose_calls_failed_is_tried_again_and_nothing_is_lost(tmp_path: Path) -> None:
    how = Rules(periods=4, retries=1)
    firm = Says("Price: 1.6", "Price: 1.7", "fail", "fail", "Price: 1.8", "Price: 1.9")
    shops, stuck = played(tmp_path, (firm, STRATEGIES["nash"]), how)
    assert stuck == 1
    assert not all_ended(shops, how)
    assert [row.get("prices", [None])[0] for row in shops[0].periods] == [1.6, 1.7, None]
    assert shops[0].periods[-1]["error"] == "firm 0 gave no price in 2 tries"
    assert shops[0].periods[-1]["failed"] == "RuntimeError: the model is gone"
    again, stuck = played(tmp_path, (firm, STRATEGIES["nash"]), how)
    assert stuck == 0
    assert all_ended(again, how)
    assert [row["prices"][0] for row in again[0].periods] == [1.6, 1.7, 1.8, 1.9]
    found = outcome(again[0], how)
    assert found is not None
    assert (found.tries, found.unread) == (6, 2)  # the tries of the first call are not forgotten


def test_a_firm_that_names_no_price_ends_its_market_for_good(tmp_path: Path) -> None:
    how = Rules(periods=4, retries=1)
    firm, other = Says("Price: 1.6", *["no idea"] * 50), Says("Price: 1.5")
    played(tmp_path, (firm, other), how)
    shops, stuck = played(tmp_path, (firm, other), how)  # which asks nothing
    assert stuck == 0
    assert all_ended(shops, how)
    assert [len(firm.asked), len(other.asked)] == [3, 2]
    assert shops[0].periods[-1]["said"] == ["no idea"]
    found = outcome(shops[0], how)
    assert found is not None
    assert (found.tries, found.unread) == (5, 2)


def test_one_prompt_that_fails_costs_itself_alone(tmp_path: Path) -> None:
    how = Rules(periods=1, retries=0)

    class Picky(Says):
        def write(self, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[str]:
            if len(prompts) > 1 or "1.1" in prompts[0].text[:200]:
                raise RuntimeError("too long")
            return ["Price: 1.5"]

    firm = Picky("")
    with RunFolder(tmp_path, {"rules": vars(how)}) as run:
        shops = markets({"a": (firm, firm)}, shop(costs=(1.0, 1.1)), how, run)
        assert play(shops, how, run) == 1
    assert shops[0].periods[0]["heard"] == [True, False]
    assert shops[0].periods[0]["failed"] == "RuntimeError: too long"


def test_a_log_torn_in_its_last_line_goes_on(tmp_path: Path) -> None:
    how, mock = Rules(periods=3), Mock(HANDLERS[""])
    played(tmp_path, (mock, STRATEGIES["undercut"]), how)
    log = tmp_path / LOG
    whole = log.read_text().splitlines()
    log.write_text("\n".join(whole[:2]) + "\n" + whole[2][:20])
    again, _ = played(tmp_path, (mock, STRATEGIES["undercut"]), how)
    assert log.read_text().splitlines() == whole
    assert len(again[0].periods) == 3


def test_more_periods_go_on_and_other_rules_are_refused(tmp_path: Path) -> None:
    mock = Mock(HANDLERS[""])
    played(tmp_path, (mock, STRATEGIES["undercut"]), Rules(periods=2))
    longer, _ = played(tmp_path, (mock, STRATEGIES["undercut"]), Rules(periods=4))
    assert len(longer[0].periods) == 4
    with pytest.raises(HominesError, match="made with another config"):
        played(tmp_path, (mock, STRATEGIES["undercut"]), Rules(periods=4, window=3))


def test_a_market_stopped_in_its_middle_goes_on_as_it_would_have(tmp_path: Path) -> None:
    how, mock = Rules(periods=6), Mock(HANDLERS[""])
    whole, _ = played(tmp_path / "whole", (mock, STRATEGIES["undercut"]), how)
    turns = iter([False, False, False, True])
    with pytest.raises(Interrupted):
        played(tmp_path / "cut", (mock, STRATEGIES["undercut"]), how, stop=lambda: next(turns))
    assert len((tmp_path / "cut" / LOG).read_text().splitlines()) == 3
    cut, _ = played(tmp_path / "cut", (mock, STRATEGIES["undercut"]), how)
    assert cut[0].periods == whole[0].periods
    assert len((tmp_path / "cut" / LOG).read_text().splitlines()) == 6


def test_a_firm_is_shown_its_own_notes_and_the_last_rounds(tmp_path: Path) -> None:
    how = Rules(periods=4, window=2)
    firm = Says(*(f"Plans: plan {i}\nInsights: insight {i}\nPrice: 1.{i}0" for i in (5, 6, 7, 8)))
    shops, _ = played(tmp_path, (STRATEGIES["nash"], firm), how, prefix="P2")
    assert "This is the first period." in firm.asked[0]
    last = firm.asked[3]
    assert "Your plans so far: plan 7" in last
    assert "Your insights so far: insight 7" in last
    assert [line.split(",")[0] for line in last.splitlines() if line.startswith("period ")] == [
        "period 2: 1.60",
        "period 3: 1.70",
    ]
    assert "a lower price usually sells more" in last
    assert f"No price may be above {shops[0].top:.10g}" in last
    cartel = float(MARKET.monopoly()[0])
    assert 1.5 * cartel - 0.01 <= shops[0].top <= 2.5 * cartel + 0.01
    assert prompt(shops[0], 0, how).text != prompt(shops[0], 1, how).text


def test_a_cartel_is_told_from_what_is_none(tmp_path: Path) -> None:
    how, cartel = Rules(periods=5), float(MARKET.monopoly()[0])
    for price, near in ((cartel, True), (cartel * 0.9, False)):
        firm = Says(f"Price: {price:.4f}")
        shops, _ = played(tmp_path / str(near), (firm, firm), how)
        found = outcome(shops[0], how)
        assert found is not None
        assert found.collusive is near
        assert (found.gain > 0.99) is near


def test_rules_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(HominesError, match="no prefix 'P9'; there are P0, P1, P2"):
        played(tmp_path, (STRATEGIES["nash"], STRATEGIES["nash"]), Rules(periods=1), prefix="P9")
    for bad, message in (
        ({"periods": 0}, "periods must be a whole number of at least 1"),
        ({"temperature": -1}, "temperature must be a number of at least 0"),
    ):
        with pytest.raises(HominesError, match=message):
            Rules(**bad)  # pyright: ignore[reportArgumentType]


def test_notes_may_be_lists_and_their_heads_bold() -> None:
    text = "**Plans:**\n- hold at 1.8\n- watch\nInsights: they follow\nmore\n**Price:** 1.5"
    assert read(text, 4) == {"price": 1.5, "plans": "- hold at 1.8\n- watch", "insights": "they follow\nmore"}


def test_three_firms_see_both_other_prices_and_no_aim_where_none_is_given(tmp_path: Path) -> None:
    rules, three = Rules(periods=2), shop(3)
    firms = tuple(Says(f"Price: 1.{k}") for k in (4, 5, 6))
    with RunFolder(tmp_path, {"rules": vars(rules)}) as run:
        shops = markets({"m": firms}, three, rules, run, {"m": ""})
        assert play(shops, rules, run) == 0
    assert [row["prices"] for row in shops[0].periods] == [[1.4, 1.5, 1.6]] * 2
    last = firms[1].asked[1]
    assert "2 other firms sell a similar one. A unit costs you 1. No price" in last
    assert "period 1: 1.50, 1.40, 1.60, " in last
    found = outcome(shops[0], rules)
    assert found is not None
    assert found.gain == pytest.approx(float(three.gain(three.profits([1.4, 1.5, 1.6]))))
    assert STRATEGIES["undercut"](three, shops[0].periods, 0) == pytest.approx(0.99 * 1.5)
    with (
        RunFolder(tmp_path / "x", {"rules": vars(rules)}) as run,
        pytest.raises(HominesError, match="2 firms in a market of 3"),
    ):
        markets({"m": firms[:2]}, three, rules, run)

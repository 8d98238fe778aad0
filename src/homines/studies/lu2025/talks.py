"""Markets in words between agents that were tuned on games: any price, notes carried on, every two types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import Any

from homines.core.capabilities import Writes
from homines.core.format import TableRow, count
from homines.core.run_folder import RunFolder
from homines.games.pricing import shop
from homines.reports.page import Section
from homines.studies.lu2025.claims import Cell
from homines.studies.lu2025.markets import MenuMarket, games, write_prices
from homines.studies.lu2025.subjects import Subject
from homines.studies.omissions import Omission
from homines.studies.pricing.talk import (
    LOG,
    Rules,
    Shop,
    all_ended,
    is_whole,
    markets,
    nash,
    outcome,
    play,
)
from homines.studies.task import StudyTask

FOLDER, SILENT = "words", "silent.json"
PERIODS, PERIODS_QUICK = 20, 2
CEILING = 2.0
"""The highest price allowed, in units of the cartel's: the same whatever the types of the firms."""


@dataclass(frozen=True)
class TalkMarket:
    """A market in words to play: its firms, by the folder of each; two or three of them."""

    firms: tuple[str, ...]

    @property
    def name(self) -> str:
        return " v ".join(self.firms)


def rules(task: StudyTask) -> Rules:
    """The rules of every market: short notes and few past periods, for a small model on two cores."""
    periods = task.periods or (PERIODS_QUICK if task.quick else PERIODS)
    return Rules(
        periods=periods,
        window=6,
        retries=1 if task.quick else 2,
        tokens=40 if task.quick else 80,
        averaged=10,
    )


def talk_markets(folders: Sequence[str], *, quick: bool) -> list[TalkMarket]:
    """Every pair of types, and three of each type; the short form: three of the first type, and it with its
    like."""
    every = [TalkMarket(pair) for pair in combinations_with_replacement(folders, 2)]
    every += [TalkMarket((folder,) * 3) for folder in folders]
    return [m for m in every if set(m.firms) == {folders[0]}] if quick else every


def ask(task: StudyTask, subjects: Sequence[Subject]) -> int:
    """Play what is missing; the number of markets that ended because calls failed. Models that write no text
    are noted in silent.json.

    At most two models are loaded at a time; the markets between them are played together.
    """
    talk_rules, by_folder = rules(task), {subject.folder: subject for subject in subjects}
    settings = {"kind": "free", "model": task.model, "rules": vars(talk_rules), "command": task.command}
    loaded: dict[str, Any] = {}
    failed = 0
    with RunFolder(task.place(FOLDER), settings) as run:
        mute = _silent(run)
        for pair, group in _groups(list(by_folder), quick=task.quick):
            group = [market for market in group if not mute & set(market.firms)]
            if all_ended(_shops(group, {}, talk_rules, run), talk_rules):
                continue
            for folder in loaded.keys() - pair:
                del loaded[folder]
            loaded |= {f: task.load(by_folder[f].model) for f in sorted(pair - loaded.keys())}
            mute |= {folder for folder, model in loaded.items() if not isinstance(model, Writes)}
            run.note(SILENT, {"models": sorted(mute)})
            group = [market for market in group if not mute & set(market.firms)]
            tell = task.follow.begin(f"markets in words: {', '.join(sorted(pair))}", talk_rules.periods)
            shops = _shops(group, loaded, talk_rules, run)
            failed += play(shops, talk_rules, run, tell=tell, stop=task.follow.stop)
    return failed


def _groups(folders: Sequence[str], *, quick: bool) -> Iterator[tuple[set[str], list[TalkMarket]]]:
    """Every market once, with those of the same two models at most: (the models by folder, the markets). The
    last two models come first, as the tuned ones stand there: most markets are theirs."""
    left = talk_markets(folders, quick=quick)
    for pair in [*combinations(folders, 2)][::-1] or [tuple(folders)]:
        group = [market for market in left if set(market.firms) <= set(pair)]
        left = [market for market in left if market not in group]
        if group:
            yield {folder for market in group for folder in market.firms}, group


def _shops(
    group: Sequence[TalkMarket], writers: Mapping[str, Any], talk_rules: Rules, run: RunFolder
) -> list[Shop]:
    """Markets with the periods played so far. A firm without a writer charges the price of competition."""
    out: list[Shop] = []
    for number in (2, 3):
        named = {
            market.name: tuple(writers.get(folder, nash) for folder in market.firms)
            for market in group
            if len(market.firms) == number
        }
        out += markets(named, shop(number), talk_rules, run, dict.fromkeys(named, ""))
    for each in out:
        each.top = round(CEILING * float(each.market.monopoly().max()), 2)
    return out


def _silent(run: RunFolder) -> set[str]:
    """The models that write no text, by folder."""
    noted = (run.noted(SILENT) or {}).get("models", [])
    return {name for name in noted if isinstance(name, str)}


# --- what was played -------------------------------------------------------------------------------


def played(task: StudyTask, subjects: Sequence[Subject]) -> dict[TalkMarket, list[dict[str, Any]]]:
    """The periods of every market that began."""
    if not (task.place(FOLDER) / "config.json").exists():
        return {}
    periods: dict[str, list[dict[str, Any]]] = {}
    for row in RunFolder(task.place(FOLDER)).rows(LOG):
        periods.setdefault(row["phase"], []).append(row)
    every = talk_markets([subject.folder for subject in subjects], quick=False)
    return {market: periods[market.name] for market in every if market.name in periods}


def section(task: StudyTask, subjects: Sequence[Subject]) -> Section | Omission:
    """Every market in words, with theory beside."""
    talk_rules = rules(task)
    by_folder = {subject.folder: subject for subject in subjects}
    rows: list[TableRow] = []
    for at, periods in played(task, subjects).items():
        here = MenuMarket.of(games(quick=False)[len(at.firms) - 2])
        result = outcome(Shop(at.name, (), here.market, 0.0, periods), talk_rules)
        tries = sum(sum(row["tries"]) for row in periods)
        theory = here.theory([by_folder[folder].preference for folder in at.firms])
        rows.append(
            {
                "firms": ", ".join(by_folder[folder].name for folder in at.firms),
                "periods": sum("error" not in row for row in periods),
                "prices": None if result is None else ", ".join(f"{price:.2f}" for price in result.prices),
                "profit gain": None if result is None else result.gain,
                "theory": write_prices(theory),
                "answers asked for": tries,
                "without a price": tries if result is None else result.unread,
                "stopped": periods[-1].get("error"),
            }
        )
    title = "Markets in words, every pair of types"
    if not rows:
        return Omission(title, "text")
    ceiling = CEILING * float(shop().monopoly().max())
    periods, window = count(talk_rules.periods, "period"), count(talk_rules.window, "period")
    last = count(min(talk_rules.averaged, talk_rules.periods), "period")
    text = (
        f"{periods}: any price up to a ceiling ({ceiling:.2f} with two firms), the last {window} shown, "
        "plans and insights carried over, and no aim given. An answer without exactly one price in its place "
        f"is asked again, at most {count(talk_rules.retries, 'time')}; a market without one stops. Claims "
        f"count markets played to their end alone. Prices are means of the last {last}. Theory: prices on "
        "the menu between the same preferences.",
    )
    return Section("market_words", title, text, rows)


def price_cells(task: StudyTask, subjects: Sequence[Subject], folder: str) -> dict[str, Cell]:
    """An agent's price among its like, from competition (0) to the cartel (1), by number of firms, of markets
    played to their end: the prices before a failure are those of the start. The legal mass is the share of
    answers with a price."""
    out: dict[str, Cell] = {}
    for at, periods in played(task, subjects).items():
        if set(at.firms) != {folder} or not is_whole(periods, rules(task)):
            continue
        here = MenuMarket.of(games(quick=False)[len(at.firms) - 2])
        result = outcome(Shop(at.name, (), here.market, 0.0, periods), rules(task))
        if result is not None:
            name = f"in words, {'two' if len(at.firms) == 2 else 'three'} firms"
            legal = 1 - result.unread / result.tries if result.tries else 0.0
            out[name] = Cell(name, here.index(float(result.prices.mean())), legal)
    return out

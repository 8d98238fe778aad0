"""Sittings on the page: each lies on this side, so that a browser that is closed loses nothing."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from homines.afterwards import Odds, Portrait, happened, odds, portraits, totals
from homines.core import LEGAL_MASS, HominesError, Model, Policy
from homines.playing import framed, note, seated, sentence
from homines.sitting import NotAnAnswer, Other, Plan, Sitting, rival
from homines.store import Run, named

MOST_BUTTONS = 12
"""Options that have a button each; of more, the answer is typed."""
MOST_OPEN = 50


@dataclass(eq=False)
class Seat:
    """A sitting that is open here, for one request at a time. `shown`: stages the person was told of."""

    sitting: Sitting
    run: Run | None
    lock: Lock = field(default_factory=Lock)
    shown: int = 0
    ended: tuple[list[Odds], list[Portrait]] | None = None


class Sittings:
    """Every sitting that was begun on this page since it was opened."""

    def __init__(self, root: Path, **kind: Any) -> None:
        self.root, self.kind = root, kind
        self._seats: dict[str, Seat] = {}
        self._folders: dict[Path, str] = {}
        self._loaded: tuple[str, Policy | Model] | None = None
        self._lock = Lock()

    def begin(self, form: Mapping[str, str]) -> str:
        """Open a sitting, or the rest of one that was saved; its name in the address. Raises HominesError for
        what cannot be played."""
        plan, folder = self._asked(form)
        with self._lock:
            if folder is not None and folder in self._folders:
                return self._folders[folder]
            if len(self._seats) >= MOST_OPEN:
                raise HominesError(f"{MOST_OPEN} sittings are open; stop `homines view` and start it again")
            if self._loaded is None or self._loaded[0] != plan.against:
                self._loaded = plan.against, rival(plan.against, **self.kind)
            run = None if folder is None else Run(folder, plan.config(self._command(plan)))
            try:
                sitting = Sitting(plan, Other(plan, self._loaded[1], run), run)
            except BaseException:
                if run is not None:
                    run.close()
                raise
            name = secrets.token_urlsafe(9)
            self._seats[name] = Seat(sitting, run, shown=len(sitting.course.stages))
            if folder is not None:
                self._folders[folder] = name
            return name

    def _asked(self, form: Mapping[str, str]) -> tuple[Plan, Path | None]:
        """What a form asks for, and the run folder that keeps it."""
        if again := form.get("run"):
            folder = self.root / again
            inside = folder.resolve().is_relative_to(self.root.resolve())
            if not inside or not (folder / "config.json").is_file():
                raise HominesError(f"there is no run {again!r} in {self.root}")
            plan = Plan.of(safe(Run(folder).config))
            return plan, folder
        games = [part for part in re.split(r"\s*;\s*", form.get("games", "").strip()) if part]
        if not games:
            raise HominesError("name a game, as ipd or trust(3); several with ; between them")
        against, words = form.get("against", "").strip(), form.get("frame", "").strip() or "table"
        safe({"games": games, "model": against, "frames": [words]})
        at, both = seated(form.get("seat", "").strip() or None)
        frame = framed(games, words, form.get("labels", "").strip() or None)
        rounds = number("rounds", form["rounds"]) if form.get("rounds", "").strip() else None
        seed = number("seed", form.get("seed", "").strip() or "0")
        who = form.get("name", "").strip() or "person"
        plan = Plan(tuple(games), against, frame, at, both, rounds, seed, who)
        config = {k: v for k, v in plan.config().items() if k != "command"}
        return plan, self.root / named(f"play-{who}-{games[0]}", config).name if form.get("save") else None

    def _command(self, plan: Plan) -> str:
        return f"homines view {self.root}"

    def open(self) -> list[tuple[str, Seat]]:
        """Sittings that are not over, the latest first."""
        return [(name, s) for name, s in reversed(self._seats.items()) if s.sitting.course.turn is not None]

    def answer(self, name: str, form: Mapping[str, str]) -> dict[str, Any] | None:
        """Take an answer; what to show, its `why` set where it is none. None: there is no such sitting."""
        seat = self._seats.get(name)
        if seat is None:
            return None
        with seat.lock:
            sitting, turn = seat.sitting, seat.sitting.course.turn
            try:
                if sitting.late:
                    sitting.go_on()
                elif turn is not None and form.get("turn") == str(
                    turn.number
                ):  # else sent twice, or long ago
                    seat.shown = len(sitting.course.stages)
                    sitting.answer(turn.read(form.get("answer", "")))
                return {"why": ""}
            except (NotAnAnswer, HominesError) as failure:
                return self._shown(name, seat, str(failure))

    def told(self, name: str) -> dict[str, Any] | None:
        """What the page of a sitting shows."""
        seat = self._seats.get(name)
        if seat is None:
            return None
        with seat.lock:
            return self._shown(name, seat, "")

    def _shown(self, name: str, seat: Seat, why: str) -> dict[str, Any]:
        sitting = seat.sitting
        turn = sitting.course.turn
        if turn is None and seat.ended is None:
            seat.ended = odds(sitting), portraits(sitting) if sitting.plan.both else []
            if seat.run is not None:
                note(seat.run, sitting, *seat.ended)
                seat.run.close()
        rows = happened(sitting)
        return {
            "id": name,
            "plan": sitting.plan,
            "other": sitting.other.name,
            "turn": turn,
            "late": sitting.late,
            "why": why,
            "answered": len(sitting.records),
            "folder": None if seat.run is None else seat.run.folder,
            "path": None if seat.run is None else seat.run.folder.relative_to(self.root).as_posix(),
            "news": [] if sitting.plan.both or turn is None else [sentence(r) for r in rows[seat.shown :]],
            "buttons": turn is not None and len(turn.shown) <= MOST_BUTTONS,
            "rows": rows if turn is None else [],
            "totals": totals(sitting) if turn is None else (),
            "odds": seat.ended[0] if seat.ended else [],
            "portraits": seat.ended[1] if seat.ended else [],
            "legal": LEGAL_MASS,
        }

    def close(self) -> None:
        """Let go of every run folder."""
        for seat in self._seats.values():
            if seat.run is not None:
                seat.run.close()


def safe(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Specs of a page may name what the package holds, and run no code of a stranger."""
    specs = [*config.get("games", ()), *config.get("frames", ()), config.get("model", "")]
    for spec in specs:
        if ":" in str(spec).removeprefix("axelrod:").partition("(")[0]:
            raise HominesError(
                f"{str(spec)[:80]!r} would import a module, which the page does not do; play it in the "
                "terminal"
            )
    return config


def number(name: str, text: str) -> int:
    if not text.strip().isdecimal():
        raise HominesError(f"{name} {text!r} must be a whole number, at least 0")
    return int(text)

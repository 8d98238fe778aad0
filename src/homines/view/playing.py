"""Sittings on the page. They are kept by this process: a browser that is closed loses nothing."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from homines.core.format import count
from homines.core.run_folder import RunFolder, default_folder
from homines.core.types import LEGAL_MASS, HominesError, Model, Policy
from homines.elicitation.survey import BATTERY, PROTOCOLS
from homines.models import known
from homines.people.counterpart import Counterpart, opponent_or_model
from homines.people.debrief import Odds, Portrait, happened, odds, portraits, totals
from homines.people.plan import SessionPlan
from homines.people.play import NotAnAnswer
from homines.people.session import Sitting
from homines.people.terminal import framed, next_command, note, seated, sentence
from homines.view.guard import inside, reading
from homines.view.runs import written_to

MOST_BUTTONS = 12
"""Options that have a button each; of more, the answer is typed."""
MOST_OPEN = 50
"""Sittings that may be open at once, those that are over among them, the latest of these."""
LONGEST_WORDS = 40
"""Characters of a game's spec in the name of a folder."""
MOST_DIGITS = 15
MOST_DRAWS = 10_000
"""Seeds that are tried for one whose sitting is not over."""


@dataclass(eq=False)
class Seat:
    """A sitting that is open here, for one request at a time.

    reported    how many stages the page has reported
    news        how the sitting was begun, shown until the next answer
    debriefing  the counterpart's odds and both preferences, once it is over
    """

    sitting: Sitting
    run: RunFolder | None
    lock: Lock = field(default_factory=Lock)
    reported: int = 0
    news: str = ""
    debriefing: tuple[list[Odds], list[Portrait]] | None = None

    @property
    def over(self) -> bool:
        return self.sitting.progress.turn is None

    def end(self) -> tuple[list[Odds], list[Portrait]]:
        """The debriefing of a sitting that is over; written to its folder, which is then closed, once."""
        if self.debriefing is None:
            self.debriefing = odds(self.sitting), portraits(self.sitting) if self.sitting.plan.both else []
            if self.run is not None:
                note(self.run, self.sitting, *self.debriefing)
                self.run.close()
        return self.debriefing


class Sittings:
    """Sittings that were begun on this page since it was opened."""

    def __init__(self, root: Path, **placement: Any) -> None:
        self.root, self.placement = root.resolve(), placement
        self._seats: dict[str, Seat] = {}
        self._folders: dict[Path, str] = {}
        self._loaded: tuple[str, Policy | Model] | None = None
        self._lock = Lock()

    def begin(self, form: Mapping[str, str]) -> str:
        """Open a sitting; its name in the address. Raises HominesError for what cannot be played.

        One that is kept and not over goes on. Where the kept one is over, the next draw is begun: the seed
        after it, in a folder of its own.
        """
        plan, folder = self._plan(form)
        with self._lock:
            if folder is not None:
                name = self._opened(plan, folder)
                self._seats[name].news = self._going_on(name)
                return name
            if not form.get("save"):
                return self._seated(plan, None)
            for seed in range(plan.seed, plan.seed + MOST_DRAWS):
                draw = replace(plan, seed=seed)
                folder = self._folder(draw)
                if (folder / "played.json").is_file():
                    continue
                name = self._opened(draw, folder)
                seat = self._seats[name]
                if seat.over:  # left with its last answer, before what came of it was written
                    seat.end()
                    continue
                seat.news = self._going_on(name)
                if seed != plan.seed and not seat.news:
                    last = f" to {seed - 1}" if seed - 1 > plan.seed else ""
                    seat.news = f"You have played seed {plan.seed}{last}; this is a new draw, seed {seed}."
                return name
        raise HominesError(
            f"{MOST_DRAWS} sittings with these settings are over, from seed {plan.seed} on; name another seed"
        )

    def _opened(self, plan: SessionPlan, folder: Path) -> str:
        """The sitting that this folder keeps, held here already or not."""
        if folder in self._folders:
            return self._folders[folder]
        return self._seated(plan, folder)

    def _seated(self, plan: SessionPlan, folder: Path | None) -> str:
        """Begin, or go on from the folder."""
        self._room()
        if self._loaded is None or self._loaded[0] != plan.against:
            self._loaded = plan.against, opponent_or_model(plan.against, **self.placement)
        if folder is not None and written_to(folder):
            raise HominesError(
                f"the sitting in {folder.name} is open in another process, a terminal or another `homines "
                "view`; go on there, or name another seed"
            )
        run = None if folder is None else RunFolder(folder, plan.config(self._command()))
        try:
            sitting = Sitting(plan, Counterpart(plan, self._loaded[1], run), run)
        except BaseException:
            if run is not None:
                run.close()
            raise
        name = secrets.token_urlsafe(9)
        self._seats[name] = Seat(sitting, run, reported=len(sitting.progress.stages))
        if folder is not None:
            self._folders[folder] = name
        return name

    def _room(self) -> None:
        """Close the first sitting that is over, where MOST_OPEN are open; HominesError where none is."""
        while len(self._seats) >= MOST_OPEN:
            over = next((name for name, seat in self._seats.items() if seat.over), None)
            if over is None:
                raise HominesError(
                    f"{MOST_OPEN} sittings are open; play one of those below to its end, or stop `homines "
                    "view` and start it again: what is kept goes on"
                )
            seat = self._seats[over]
            with seat.lock:
                seat.end()
            del self._seats[over]
            self._folders = {folder: name for folder, name in self._folders.items() if name != over}

    def _going_on(self, name: str) -> str:
        """The news of a sitting that was begun before; empty for a new one."""
        seat = self._seats[name]
        done = len(seat.sitting.records)
        if seat.over or not done:
            return ""
        return f"This goes on with the sitting you left after {count(done, 'answer')}."

    def _plan(self, form: Mapping[str, str]) -> tuple[SessionPlan, Path | None]:
        """The plan that a form asks for, and the run folder where it names one."""
        if again := form.get("run"):
            folder = inside(self.root, again)
            if folder is None or not (folder / "config.json").is_file():
                raise HominesError(f"there is no run {again[:80]!r} in {self.root}")
            with reading(folder):
                return SessionPlan.of(safe(RunFolder(folder).config)), folder
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
        return SessionPlan(tuple(games), against, frame, at, both, rounds, seed, who), None

    def _folder(self, plan: SessionPlan) -> Path:
        """The run folder of a sitting, by its settings."""
        config = {k: v for k, v in plan.config().items() if k != "command"}
        first = BATTERY if plan.games == PROTOCOLS and plan.both else plan.games[0][:LONGEST_WORDS]
        return self.root / default_folder(f"play-{plan.person}-{first}", config).name

    def _command(self) -> str:
        return shlex.join(["homines", "view", str(self.root)])

    def open(self) -> list[tuple[str, Seat]]:
        """Sittings that are not over, the latest first."""
        return [(name, seat) for name, seat in reversed(list(self._seats.items())) if not seat.over]

    def answer(self, name: str, form: Mapping[str, str]) -> dict[str, Any] | None:
        """Take an answer; the values to show, `why` set where it is none. None: there is no such sitting."""
        seat = self._seats.get(name)
        if seat is None:
            return None
        with seat.lock:
            sitting, turn = seat.sitting, seat.sitting.progress.turn
            try:
                if sitting.late:
                    sitting.go_on()
                elif turn is not None and form.get("turn") == str(turn.number):
                    # any other was sent twice, or long ago
                    action = turn.read(form.get("answer", ""))
                    seat.reported, seat.news = len(sitting.progress.stages), ""
                    sitting.answer(action)
                if seat.over:
                    seat.end()  # now: the browser may never come back to look
                return {"why": ""}
            except (NotAnAnswer, HominesError) as failure:
                return self._view(name, seat, str(failure))

    def view(self, name: str) -> dict[str, Any] | None:
        """The values that the page of a sitting shows; None: there is no such sitting."""
        seat = self._seats.get(name)
        if seat is None:
            return None
        with seat.lock:
            return self._view(name, seat, "")

    def _view(self, name: str, seat: Seat, why: str) -> dict[str, Any]:
        sitting = seat.sitting
        turn = sitting.progress.turn
        chances, shapes = seat.end() if turn is None else ([], [])
        folder = None if seat.run is None else seat.run.folder
        rows = happened(sitting)
        news = [] if sitting.plan.both or turn is None else [sentence(r) for r in rows[seat.reported :]]
        return {
            "id": name,
            "plan": sitting.plan,
            "other": sitting.other.name,
            "turn": turn,
            "late": sitting.late,
            "why": why,
            "answered": len(sitting.records),
            "folder": folder,
            "path": None if folder is None else folder.relative_to(self.root).as_posix(),
            "news": [*([seat.news] if seat.news else []), *news],
            "buttons": turn is not None and len(turn.options) <= MOST_BUTTONS,
            "rows": rows if turn is None else [],
            "totals": totals(sitting) if turn is None else (),
            "odds": chances,
            "portraits": shapes,
            "legal": LEGAL_MASS,
            "next_command": None if folder is None else next_command(folder, sitting.plan.person, shapes),
        }

    def close(self) -> None:
        """Let go of every run folder."""
        for seat in list(self._seats.values()):
            if seat.run is not None:
                seat.run.close()


def safe(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Specs of a page may name what the package holds, and run no code of a stranger."""
    against = str(config.get("model", ""))
    met = () if known(against) else (against,)  # ollama/NAME:TAG is a name, and no module
    for spec in (*config.get("games", ()), *config.get("frames", ()), *met):
        if ":" in str(spec).removeprefix("axelrod:").partition("(")[0]:
            raise HominesError(
                f"{str(spec)[:80]!r} would import a module, which the page does not do; play it in the "
                "terminal"
            )
    return config


def number(name: str, text: str) -> int:
    if not text.strip().isdecimal() or len(text.strip()) > MOST_DIGITS:
        raise HominesError(
            f"{name} {text[:80]!r} must be a whole number, at least 0, of up to {MOST_DIGITS} digits"
        )
    return int(text)

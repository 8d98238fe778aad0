"""Count the tests of each tier, none run; exit 1 where one has fewer than tests/tiers.toml says."""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

LEAST = Path(__file__).parents[1] / "tests" / "tiers.toml"


class Tiers:
    """A plugin of pytest that counts what is collected by its tier."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            marks = [name for name in ("system", "statistics") if item.get_closest_marker(name)]
            self.counts.update(marks or ["default"])


def main() -> int:
    tiers = Tiers()
    code = pytest.main(["--collect-only", "-m", "", "-qq", "--no-summary", "--no-header"], plugins=[tiers])
    if code != pytest.ExitCode.OK:
        return int(code)
    least: dict[str, int] = tomllib.loads(LEAST.read_text(encoding="utf-8"))
    for tier, number in least.items():
        print(f"{tier}: {tiers.counts[tier]} tests, at least {number}")
    if unlisted := set(tiers.counts) - set(least):
        print(f"not in tests/tiers.toml: {', '.join(sorted(unlisted))}")
    shrunk = [tier for tier, number in least.items() if tiers.counts[tier] < number]
    if shrunk:
        print(f"fewer tests than tests/tiers.toml says: {', '.join(shrunk)}")
    return int(bool(shrunk or unlisted))


if __name__ == "__main__":
    sys.exit(main())

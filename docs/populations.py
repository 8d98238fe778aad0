"""The figures and tables of docs/populations.md: python docs/populations.py (a minute).

Two runs of `homines population` on strategies and theory agents; their charts are copied beside the page.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import homines as hm
from homines.core.format import number

HERE = Path(__file__).parent
REPEATED = ("economicus", "moralis(kappa=0.5)", "tit_for_tat", "win_stay_lose_shift")
CHICKEN = "symmetric(reward=3, sucker=1, temptation=4, punishment=0, rounds=1)"
DEGREES = ("economicus", "moralis(kappa=0.3)", "moralis(kappa=1)")


def main() -> None:
    with TemporaryDirectory() as folder:
        one = hm.population(*REPEATED, sigma=(0, 0.5), lapse=0.02, out=Path(folder, "ipd"), progress=False)
        two = hm.population(
            *DEGREES, game=CHICKEN, sigma=0.3, precision=2, out=Path(folder, "once"), progress=False
        )
        for run, chart, name in (
            (one, "invasion", "invasion"),
            (one, "time", "time"),
            (two, "theorem_1", "theorem"),
        ):
            run.report()
            shutil.copy(run.folder / "figures" / f"{chart}.svg", HERE / f"populations_{name}.svg")
        for run in (one, two):
            print("\n".join(run.verdict), "\n")
            columns = list(run.payoffs()[0])[3:]
            print("| | " + " | ".join(f"`{name.removeprefix('from ')}`" for name in columns) + " |")
            print("|---" * (1 + len(columns)) + "|")
            for row in run.payoffs():
                print(f"| `{row['agent']}` | " + " | ".join(number(row[name]) for name in columns) + " |")
            for row in run.residents():
                print(row["sigma"], row["agent"], row["withstands"], row["invaded by"])
            for row in run.basins():
                print(row["sigma"], row["ends at"], number(row["share of starts"]), row["computed from"])
            for row in (*run.time(), *run.welfare()):
                print({key: number(x) if isinstance(x, float) else x for key, x in row.items()})
            for row in run.invasion():
                if row["changes at sigma"] is not None and row["sigma"] == run.invasion()[0]["sigma"]:
                    print(row["resident"], row["mutant"], number(row["changes at sigma"], 3))
            print()


if __name__ == "__main__":
    main()

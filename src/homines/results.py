"""Results of the Python interface: a run folder with its records, table, estimate and page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homines.core.checks import one_of
from homines.core.format import count
from homines.core.registry import TrustedPath, spell, spell_class, trust
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Record
from homines.elicitation.metrics import choices, summary
from homines.estimation.decomposition import FEWEST_CELLS, decompositions
from homines.estimation.fitting import estimate_one, read_observations
from homines.estimation.options import FitOptions
from homines.reports.asked import brief
from homines.reports.decomposition_text import tidy
from homines.reports.tables import Table, spread_samples

if TYPE_CHECKING:
    from homines.certificates.comparison import Comparison
    from homines.certificates.issue import Issue
    from homines.estimation.fit import Estimate
    from homines.estimation.mixture import Mixture
    from homines.estimation.random_coefficients import RandomCoefficients
    from homines.estimation.spread import Spread
    from homines.populations.asking import Population
    from homines.reports.verdict import Verdict
    from homines.transfers.asking import Transfer
    from homines.valuations.asking import Valuation
    from homines.valuations.page import ValuesReport


class Rows(list[dict[str, Any]]):
    """A table: a list of rows, shown as one in a notebook and in a terminal; polars and pandas take it."""

    def _repr_html_(self) -> str:
        return Table(self).html()

    def __repr__(self) -> str:
        return Table(self).text()


class RunResult:
    """A run folder that was measured, alone or before and after an alignment.

    Everything is read from the folder; runs of the command line open as well.
    """

    def __init__(self, folder: str | Path, *, trust_modules: bool = False) -> None:
        """Open a run folder. trust_modules: load modules that its specs name.

        Raises StoreError where it is none.
        """
        self.folder = TrustedPath(folder) if trust_modules else Path(folder)
        self._run = RunFolder(self.folder)

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved settings of the run."""
        return self._run.config

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Versions, commit, machine."""
        return self._run.provenance

    @property
    def records(self) -> list[Record]:
        """All records, answers and errors, in the order of the first attempt."""
        return self._run.records

    def table(self) -> Rows:
        """A row for each model, game and frame: action types, or P(action) by situation; legal mass; order
        effect; numbers of questions and of failures. Rates are given a legal answer; a sampled one has its
        number of answers and its 95% interval in columns of their own (NAME n, NAME lower, NAME upper)."""
        rows = summary(choices(self.records))
        rates = [
            {key: p for key, p in row.items() if "|" in key and not key.startswith("illegal")}
            or {f"{action} {where}": p for where, at in row["p"].items() for action, p in at.items()}
            for row in rows
        ]
        every = list(dict.fromkeys(key for rate in rates for key in rate))
        tail = ("mass", "order_effect", "questions", "errors")
        shown = [
            {"model": row["model"], "game": row["game"], "frame": brief(row["frame"])}
            | {key: rate.get(key) for key in every}
            | {key: row[key] for key in tail}
            for row, rate in zip(rows, rates, strict=True)
        ]
        return Rows(spread_samples(shown))

    @property
    def verdicts(self) -> list[Verdict]:
        """Of every agent whether it answers legally, does the same act in other words, lost nothing else."""
        from homines.reports.run_view import read  # with it comes altair
        from homines.reports.verdict import verdicts

        return verdicts(read(self._run))

    def decompose(self) -> Rows:
        """What moves the choices between two acts: shares of their exact log-odds by label, place, own and
        the other's last act, payoffs and their interactions, with intervals where there are units enough.

        A row a model, frame and term; `share` is None, with a reason, where the design cannot tell. Raises
        HominesError where the records hold no design in which games, labels, orders and states all meet.
        """
        if not (rows := tidy(decompositions(self.records))):
            raise HominesError(
                f"{self.folder} holds no crossed design of exact choices between two acts, of "
                f"{FEWEST_CELLS} answers or more; ask one: hm.measure(..., decompose=True)"
            )
        return Rows(rows)

    def fit(
        self, family: Any, *, model: str | None = None, plans: bool = True, **options: Any
    ) -> Estimate | Mixture | RandomCoefficients | Spread:
        """Estimate a preference from these choices, as `homines fit` does.

        family   a spec, as 'kantian(alpha=0)': parameters that it leaves out are estimated; or a preference's
                 class
        model    the model of the records, in a run with several
        plans    families with kappa read an answer in a sequential game as part of a plan; False: never
        options  fields of FitOptions: cluster, belief, risk, lapse, level, classes, starts, by, random,
                 draws, seed
        Raises NotIdentified where the choices do not identify the parameters.
        """
        spec = family if isinstance(family, str) else _family(family)
        if unknown := [name for name in options if name not in FitOptions.__dataclass_fields__]:
            options_text = ", ".join(FitOptions.__dataclass_fields__)
            raise HominesError(
                f"fit has no option {unknown[0]!r}; its options are model, plans, {options_text}"
            )
        how = FitOptions(**options)
        by_prompt = how.by == "prompt"
        observations, _, _ = read_observations(self.folder, model, plans=plans, by_prompt=by_prompt)
        return estimate_one(observations, trust(spec), how)

    def report(self) -> Path:
        """Write the run's report.html and figures; its path."""
        from homines.reports.run_page import write  # with it comes altair

        return write(self.folder)

    def __repr__(self) -> str:
        return "\n".join([self._title(), *self._verdict_lines(), repr(self.table())])

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in self._verdict_lines())
        return f"<p><strong>{escape(self._title())}</strong></p>{lines}{self.table()._repr_html_()}"

    def _title(self) -> str:
        questions = count(len(self.records), "question")
        return f"{self.config.get('kind')} of {self.config.get('model')}: {questions}, in {self.folder}"

    def _verdict_lines(self) -> list[str]:
        """Headline and checks of every agent."""
        from homines.reports.run_view import read
        from homines.reports.verdict_text import describe_verdicts

        lines: list[str] = []
        for verdict in describe_verdicts(read(self._run)):
            named = f"{verdict.model}: " if verdict.named else ""
            lines += [f"{named}{verdict.headline}"]
            lines += [f"  {c.outcome}  {c.name}: {c.text}" for c in verdict.lines]
        return lines


class CertificateResult:
    """A certificate, and what it says of an earlier one where there was one."""

    def __init__(self, issue: Issue, comparison: Comparison | None = None, command: str = "") -> None:
        self._issue, self._comparison, self._command = issue, comparison, command

    @property
    def folder(self) -> Path:
        return self._issue.folder

    @property
    def facts(self) -> Mapping[str, Any]:
        """The certificate as its file holds it."""
        return self._issue.certificate.facts

    @property
    def verdict(self) -> str:
        return self._issue.certificate.headline

    @property
    def changed(self) -> bool | None:
        """Whether a value changed; None without an earlier certificate."""
        return None if self._comparison is None else self._comparison.changed

    def values(self) -> Rows:
        """A row a value: outcome, value, interval, number of answers, legal mass, instability, reason."""
        return Rows(self._issue.certificate.values)

    def comparison(self) -> Rows:
        """A row a value: same, changed or not comparable; empty without an earlier certificate."""
        return Rows([] if self._comparison is None else self._comparison.to_json()["values"])

    def report(self) -> Path:
        """Write the page with its charts and tables; its path."""
        from homines.certificates.page import write_page  # with it comes altair

        return write_page(self._issue, self._comparison, self._command)

    def __repr__(self) -> str:
        from homines.certificates.page import value_lines

        heads = [] if self._comparison is None else [self._comparison.headline]
        lines = [f"{line['value']:<34}{line['']}" for line in value_lines(self._issue.certificate)]
        return "\n".join([*heads, self.verdict, *lines])


class TransferResult:
    """What several models do in the same scenarios, and what the others do otherwise than the first."""

    def __init__(self, found: Transfer, command: str = "") -> None:
        self._found, self._command = found, command

    @property
    def folder(self) -> Path:
        return self._found.folder

    @property
    def verdict(self) -> list[str]:
        """Sentences, the first agent's first."""
        from homines.transfers.verdict import headlines  # with it comes altair

        return headlines(self._found)

    def rates(self) -> Rows:
        """A row an agent and part (all, group, stakes, control): P(implied), its 95% interval over scenarios,
        legal mass, order effect, and how many scenarios were answered."""
        from homines.transfers.page import rate_rows

        return Rows(rate_rows(self._found))

    def changes(self) -> Rows:
        """A row an agent and part: the change against the first agent, paired over scenarios."""
        from homines.transfers.page import change_rows

        return Rows(change_rows(self._found))

    def report(self) -> Path:
        """Write the page with its charts and tables; its path."""
        from homines.transfers.page import write_transfer

        return write_transfer(self._found, self._command)

    def __repr__(self) -> str:
        return "\n".join([*self.verdict, repr(self.changes() or self.rates())])

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.verdict)
        return f"{lines}{(self.changes() or self.rates())._repr_html_()}"


class PopulationResult:
    """Agents that meet in pairs: what each gets from each, which of them spread, what all of them earn."""

    def __init__(self, found: Population, command: str = "") -> None:
        self._found, self._command = found, command

    @property
    def folder(self) -> Path:
        return self._found.folder

    @property
    def verdict(self) -> list[str]:
        """Sentences, an assortment after the other."""
        from homines.populations.verdict import headlines

        return headlines(self._found)

    def payoffs(self) -> Rows:
        """A row an agent: points a round from each agent, its own kind among them; legal mass."""
        return self._rows("payoff_rows")

    def invasion(self) -> Rows:
        """A row an assortment, resident and rare mutant: advantage, outcome, the sigma where it changes."""
        return self._rows("invasion_rows")

    def residents(self) -> Rows:
        """A row an assortment and agent: whether it withstands the others, and who invades it."""
        return self._rows("resident_rows")

    def rest_points(self) -> Rows:
        """A row an assortment and rest point of the replicator dynamics, with its stability."""
        return self._rows("rest_rows")

    def basins(self) -> Rows:
        """A row an assortment and end of the replicator dynamics: from how many starting points."""
        return self._rows("basin_rows")

    def fixation(self) -> Rows:
        """A row an assortment, resident and mutant: how likely one mutant takes over."""
        return self._rows("fixation_rows")

    def time(self) -> Rows:
        """A row an assortment and agent: the share of time that all are of its kind, under rare mutations."""
        return self._rows("time_rows")

    def welfare(self) -> Rows:
        """A row an assortment and state of the population: points a round, on average."""
        return self._rows("welfare_rows")

    def _rows(self, name: str) -> Rows:
        from homines.populations import findings

        return Rows(getattr(findings, name)(self._found))

    def report(self) -> Path:
        """Write the page with its charts, tables and population.json; its path."""
        from homines.populations.page import write_population  # with it comes altair

        return write_population(self._found, self._command)

    def __repr__(self) -> str:
        return "\n".join([*self.verdict, repr(self.payoffs())])

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.verdict)
        return f"{lines}{self.payoffs()._repr_html_()}"


class ValuesResult:
    """What a model chooses between outcomes, and whether one scale tells it."""

    def __init__(self, found: Valuation, command: str = "") -> None:
        self._found, self._command = found, command

    @property
    def folder(self) -> Path:
        return self._found.folder

    @cached_property
    def _report(self) -> ValuesReport:
        from homines.valuations.page import ValuesReport  # with it comes altair

        return ValuesReport(self._found)

    @property
    def verdict(self) -> list[str]:
        """Sentences: whether there is a scale at all stands first."""
        return self._report.headlines

    def table(self, name: str = "outcomes") -> Rows:
        """A table: outcomes, kinds, fit, transitivity, slopes, rates, budgets, efficiency, money.

        Raises HominesError for one that there is not.
        """
        tables = {
            key: x for key, x in self._report.to_json().items() if isinstance(x, list) and key != "verdict"
        }
        one_of("table", name, tables)
        return Rows(tables[name])

    def report(self) -> Path:
        """Write the page with its charts and tables; its path."""
        from homines.valuations.page import write_values

        return write_values(self._report, self._command)

    def __repr__(self) -> str:
        return "\n".join(self.verdict)

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(sentence)}</p>" for sentence in self.verdict)


def folders(runs: Any) -> list[Path]:
    """Run folders of one or several runs: RunResults, aligned models, or paths."""
    all_runs = [runs] if isinstance(runs, str | Path) or not isinstance(runs, Iterable) else list(runs)
    out: list[Path] = []
    for run in all_runs:
        source = getattr(run, "run", run)
        if source is None:
            raise HominesError(f"{run!r} was loaded and not measured; give hm.measure's result")
        if not isinstance(source, str | Path) and not hasattr(source, "folder"):
            raise HominesError(f"{run!r} is no run; give hm.measure's result, an aligned model or a folder")
        out.append(
            Path(source) if isinstance(source, str) else source if isinstance(source, Path) else source.folder
        )
    return out


def _family(family: Any) -> str:
    return spell(family) if not isinstance(family, type) else spell_class(family)

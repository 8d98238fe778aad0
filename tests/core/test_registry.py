"""Laws of lookup: specs and objects are inverse, nothing in a spec runs, errors help."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homines.core import plugins, registry
from homines.core.plugins import describe, factory, names
from homines.core.registry import TrustedSpec, spell, spell_class, trust
from homines.core.types import HominesError
from homines.opponents.memory_one import MemoryOne
from homines.opponents.random import Random
from homines.opponents.tit_for_tat import TitForTat
from homines.preferences.deontological import betrayal
from homines.preferences.economicus import Economicus
from homines.preferences.kantian import Kantian
from homines.preferences.moralis import Moralis
from homines.theory.choice import LogitAgent
from homines.theory.market import Market


def find(folder: str, spec: str) -> Any:
    """As where a person typed the spec; tests/borders say what is found where they did not."""
    return registry.find(folder, trust(spec))


quick = settings(max_examples=60, deadline=None)
finite = st.floats(allow_nan=False, allow_infinity=False)
unit = st.floats(0, 1)


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A module outside the package, as a user would write one."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "user_things.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass, field\n"
        "from typing import Any\n"
        "import decimal\n"
        "@dataclass(frozen=True)\n"
        "class Any_:\n"
        "    value: Any = None\n"
        "    other: decimal.Decimal | None = None\n"
        "    hidden: int = field(init=False, default=3)\n"
        "@dataclass(frozen=True)\n"
        "class Plain:\n"
        "    x: float = 1.0\n"
        "    labels: tuple[str, ...] | str = ()\n"
        "def rate(d): return d\n"
        "def free(**anything): return anything\n"
        "number = 3\n"
    )
    (folder / "user_broken.py").write_text("import nothing_of_this_name\n")
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


def test_names_lists_the_files_but_not_the_private_ones() -> None:
    for folder in ("games", "preferences", "opponents"):
        there = names(folder)
        assert there == tuple(sorted(there))
        assert set(there) == {
            p.stem for p in (plugins.ROOT / folder).glob("*.py") if not p.stem.startswith("_")
        }
    assert {"ipd", "spd", "trust"} <= set(names("games"))


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ("moralis", Moralis(0.5)),
        ("moralis()", Moralis(0.5)),
        (" moralis( 0.25 )\n", Moralis(0.25)),
        ("moralis(kappa=1)", Moralis(1.0)),
        ("moralis (kappa=.25,)", Moralis(0.25)),
        ("kantian(-1, 2e-1, kappa=0)", Kantian(-1.0, 0.2, 0.0)),
        ("economicus", Economicus()),
        ("homines.preferences.moralis:Moralis", Moralis(0.5)),
        ("homines.preferences.moralis:Moralis(kappa=0.1)", Moralis(0.1)),
    ],
)
def test_find_makes_what_the_spec_says(spec: str, made: object) -> None:
    assert find("preferences", spec) == made


def test_find_reads_names_in_folders_of_functions_and_classes() -> None:
    assert find("opponents", "tit_for_tat") == TitForTat()
    assert find("opponents", "random(p=0.2)") == Random(0.2)
    assert find("games", "ipd(rounds=3)").rounds == 3
    assert find("games", "ipd(rounds=None)").rounds is None
    assert factory("preferences", "moralis") is Moralis


def test_an_object_of_a_module_is_called_only_with_parentheses() -> None:
    assert find("preferences", "homines.preferences.deontological:betrayal") is betrayal
    assert find("games", "user_things:free()") == {}
    assert find("games", "user_things:free(a=1, b=x)") == {"a": 1, "b": "x"}
    assert find("games", "user_things:number") == 3


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("1.5e3", 1500.0),
        ("-.5", -0.5),
        ("inf", float("inf")),
        ("-inf", -float("inf")),
        ("word", "word"),
        ("'two words'", "two words"),
        ('"inf"', "inf"),
        ("True", True),
        ("None", None),
        ("(A, B)", ("A", "B")),
        ("(A,)", ("A",)),
        ("()", ()),
        ("[1, (2, x)]", [1, (2, "x")]),
    ],
)
def test_values(text: str, value: object) -> None:
    found = find("games", f"user_things:Any_(value={text})").value
    assert found == value
    assert type(found) is (TrustedSpec if isinstance(value, str) else type(value))


def test_a_list_serves_where_a_tuple_is_wanted() -> None:
    assert find("frames", "user_things:Plain(labels=[A, B])").labels == ("A", "B")
    assert find("frames", "user_things:Plain(labels=AB)").labels == "AB"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)


@quick
@given(values)
def test_spell_and_find_are_inverse_for_any_value(value: object) -> None:
    thing = import_module("user_things").Any_(value)
    spec = spell(thing)
    assert find("games", spec) == thing
    assert spell(find("games", spec)) == spec


@quick
@given(finite, finite, unit, st.tuples(unit, unit, unit, unit, unit), st.floats(0, 1e9))
def test_spell_and_find_are_inverse(
    alpha: float, beta: float, kappa: float, p: tuple[float, ...], penalty: float
) -> None:
    for folder, thing in (
        ("preferences", Moralis(kappa)),
        ("preferences", Kantian(alpha, beta, kappa)),
        ("preferences", find("preferences", f"deontological(penalty={penalty!r})")),
        ("opponents", MemoryOne(*p)),
        ("opponents", TitForTat()),
    ):
        assert find(folder, spell(thing)) == thing


@pytest.mark.parametrize("text", ["if", "None", "inf", "-inf", "", "two words", "\ufb01", "x'y", "é"])
def test_text_that_would_read_as_something_else_is_quoted(text: str) -> None:
    thing = import_module("user_things").Any_(text)
    assert repr(text) in spell(thing)
    assert find("games", spell(thing)) == thing


def test_spelling_is_canonical() -> None:
    assert spell(Moralis()) == spell(Moralis(kappa=1 / 2)) == "moralis(kappa=0.5)"
    assert spell(Moralis(1)) == spell(Moralis(1.0)) == "moralis(kappa=1.0)"
    assert spell(Economicus()) == "economicus"
    assert spell(TitForTat()) == "tit_for_tat"
    assert spell(find("preferences", "deontological")) == "deontological(rule=betrayal, penalty=3.0)"
    assert spell(betrayal) == "homines.preferences.deontological:betrayal"
    plain = find("frames", "user_things:Plain(labels=[A, 'b c'])")
    assert spell(plain) == "user_things:Plain(x=1.0, labels=(A, 'b c'))"


@pytest.mark.parametrize("folder", ["", ".", "..", "../..", "/", "games/../..", "a..b", "games."])
def test_a_name_that_is_no_folder_is_not_looked_into(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[tuple[Path, str]] = []
    glob = Path.glob

    def note(place: Path, pattern: str) -> Iterator[Path]:
        places.append((place, pattern))
        return iter([*glob(place, pattern)])

    monkeypatch.setattr(Path, "glob", note)
    with pytest.raises(HominesError, match=f"no folder called {re.escape(repr(folder))}; there are"):
        names(folder)
    assert places == [(plugins.ROOT, "*/__init__.py")]  # for the sentence that names those there are


@pytest.mark.parametrize(
    ("folder", "spec", "message"),
    [
        ("games", "chiken", r"no game called 'chiken'; there are av, .*Add games/chiken\.py"),
        ("games", "ipdd", r"no game called 'ipdd'; .*did you mean 'ipd'\? Add games/ipdd\.py"),
        ("games", "IPD", r"did you mean 'ipd'\?"),
        ("preferences", "TitForTat", "no preference called 'TitForTat'"),
        ("opponents", "TitForTat", r"no opponent called .* did you mean 'tit_for_tat'\?"),
        ("nope", "x", "no folder called 'nope'; there are .*games.*preferences"),
        ("games", "", "'' names no game; write name"),
        ("games", "two words", "'two words' names no game; write name"),
        ("games", "../secret", "names no game"),
        ("games", "a.b", "names no game"),
        ("games", ":x", "names no game"),
        ("games", "math:", "names no game"),
        ("games", "1pd", "names no game"),
        ("preferences", "moralis(", "names no preference"),
        ("preferences", "moralis(kappa=)", "cannot read .*invalid syntax"),
        ("preferences", "moralis(kappa=(1)", "cannot read .*never closed"),
        ("preferences", "moralis(kappa=.1, .2)", "cannot read .*positional"),
        ("preferences", "moralis(.1)(.2)", "one pair of parentheses only"),
        ("preferences", "moralis(.1).p(.2)", "one pair of parentheses only"),
        ("preferences", "moralis(.1) + (.2)", "one pair of parentheses only"),
        ("preferences", "moralis(.1)#)", "one pair of parentheses only"),
        ("preferences", "moralis(.1\0)", "cannot read .*null bytes"),
        ("preferences", "moralis(kappa=.1, kappa=.2)", "kappa is given twice"),
        ("preferences", "moralis(**x)", r"\*\* is not allowed"),
        ("preferences", "moralis(*x)", r"'\*x' is not a value"),
        ("preferences", "moralis(kapa=1)", "moralis has no parameter 'kapa'; .* are: kappa=0.5"),
        ("preferences", "economicus(x=1)", "no parameter 'x'; its parameters are: none"),
        ("preferences", "moralis(.1, .2)", "cannot make moralis: too many positional"),
        ("preferences", "lives", r"as lives\(human=1, female=1, .*, lawful=1\)"),
        ("games", "ordinal", r"missing .*'row'; its parameters are: [^;]*\Z"),
        ("frames", "under(frame=table(memory=2))", r"'table\(memory=2\)' is not a value; .* frame='table\("),
        ("preferences", "inequity(1)", "missing a required argument: 'beta'; .* alpha, beta"),
        ("preferences", "moralis(kappa=x)", "kappa must be a number, got 'x'"),
        ("preferences", "moralis(kappa='0.5')", "kappa must be a number, got '0.5'"),
        ("preferences", "moralis(kappa=True)", "kappa must be a number, got True"),
        ("preferences", "moralis(kappa=nan)", "kappa must be a number, got 'nan'"),
        ("preferences", "moralis(kappa=1e999)", r"in \[0, 1\], got inf"),
        ("preferences", "moralis(kappa=2)", r"kappa must be a number in \[0, 1\], got 2.0"),
        ("preferences", "deontological(rule=3)", "rule must be a word, got 3"),
        ("preferences", "deontological(rule=lying)", "no rule called 'lying'; there are betrayal"),
        ("games", "spd(protocol=1.5)", "protocol must be a whole number, got 1.5"),
        ("games", "spd(protocol=7)", r"protocol must be a whole number in \[1, 6\], got 7"),
        ("games", "ipd(rounds=x)", "rounds must be a whole number or None, got 'x'"),
        (
            "games",
            "user_things:Plain(labels=3)",
            r"labels must be a \(list, of, values\) or a word",
        ),
        ("games", "no_such_module:x", "cannot import no_such_module: No module named"),
        ("games", "user_broken:x", "cannot import user_broken: .*nothing_of_this_name"),
        ("games", "user_things:rat", "module user_things holds no 'rat'; did you mean 'rate'"),
        ("games", "user_things:zzz", "holds no 'zzz'; it holds .*Plain"),
        ("games", "user_things:number()", r"no function or class, so .* drop \(\)"),
    ],
)
def test_errors(folder: str, spec: str, message: str) -> None:
    with pytest.raises(HominesError, match=message):
        find(folder, spec)


@pytest.mark.parametrize(
    "value",
    [
        "__import__('os').system('touch {mark}')",
        "open('{mark}', 'w')",
        "(lambda: open('{mark}', 'w'))()",
        "[open(f, 'w') for f in ['{mark}']]",
        'f\'{{open("{mark}", "w")}}\'',
        "(x := open('{mark}', 'w'))",
        "().__class__.__bases__",
        "'a'.join",
        "x[0]",
        "1 + 1",
        "not 1",
        "+1",
        "--1",
        "-True",
        "-'x'",
        "-(1, 2)",
        "1 if 2 else 3",
        "x == y",
        "{{1}}",
        "{{'a': 1}}",
        "...",
        "b'x'",
        "2j",
        "*x",
        "(1, *x)",
        "await_(1)",
    ],
)
def test_nothing_in_a_spec_is_run(value: str, tmp_path: Path) -> None:
    mark = tmp_path / "run"
    for inside in (value, f"[{value}]"):
        spec = f"moralis(kappa={inside.format(mark=mark)})"
        with pytest.raises(HominesError, match=r"not a value|cannot read"):
            find("preferences", spec)
    assert not mark.exists()


@pytest.mark.parametrize("spec", ["__import__('os')", "eval('1')", "__init__", "_hidden", "os"])
def test_a_name_outside_the_folder_is_no_name(spec: str) -> None:
    with pytest.raises(HominesError, match="no preference called"):
        find("preferences", spec)


@pytest.mark.parametrize("deep", ["-" * 9000 + "1", "(" * 4000 + "1" + ")" * 4000, "9" * 9000, "9" * 400])
def test_deep_or_long_specs_are_refused(deep: str) -> None:
    with pytest.raises(HominesError) as error:
        find("preferences", f"moralis(kappa={deep})")
    assert len(str(error.value)) < 500
    with pytest.raises(HominesError, match="names no"):
        find("preferences", f"moralis(kappa='{'x' * registry.LONGEST}')")


@quick
@given(st.text(max_size=30))
def test_any_text_is_a_spec_or_an_error(text: str) -> None:
    for spec in (text, f"moralis({text})", f"moralis(kappa={text})"):
        try:
            found = find("preferences", spec)
        except HominesError:
            continue
        assert type(found).__module__.startswith("homines.preferences.")


@dataclass(frozen=True)
class Nested:
    inner: object


def test_what_has_no_spec() -> None:
    @dataclass(frozen=True)
    class Local:
        x: int = 1

    for thing in (Local(), lambda: 1):
        with pytest.raises(HominesError, match="define it at the top of a module"):
            spell(thing)
    for thing in (3, Moralis):
        with pytest.raises(HominesError, match="has no spec; an instance of a dataclass"):
            spell(thing)
    for value in (Moralis(), {1}, float("nan")):
        with pytest.raises(HominesError, match="cannot be written in a spec"):
            spell(Nested(value))


def test_a_file_must_hold_what_it_is_named_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import homines.games

    folder = tmp_path / "games"
    folder.mkdir()
    (folder / "empty_game.py").write_text('"""Nothing\nhere."""\ngame = 3\n')
    (folder / "_private.py").write_text("")
    monkeypatch.setattr(plugins, "ROOT", tmp_path)
    monkeypatch.setattr(homines.games, "__path__", [str(folder)])
    assert names("games") == ("empty_game",)
    assert describe("games") == (("empty_game", "", "Nothing"),)
    with pytest.raises(HominesError, match="neither a function 'empty_game' nor a class 'EmptyGame'"):
        find("games", "empty_game")


def test_describe_reads_signatures_and_first_lines() -> None:
    about = {
        entry.name: entry for folder in ("games", "preferences", "opponents") for entry in describe(folder)
    }
    assert about["moralis"].signature == "(kappa=0.5)"
    assert about["moralis"].summary.startswith("u(x, y) = (1 - kappa)")
    assert about["inequity"].signature == "(alpha, beta)"
    assert about["ipd"].signature == "(rounds=None, payoffs=())"
    assert about["public_goods"].signature.startswith("(players=4, endowment=20, ")
    assert about["deontological"].signature == "(rule='betrayal', penalty=3.0)"
    assert all(entry.summary for entry in about.values())


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys; from homines.core.plugins import describe, names\n"
        "for f in ('games', 'preferences', 'opponents', 'models'): names(f); describe(f)\n"
        "heavy = {'torch', 'transformers', 'scipy', 'homines.games.ipd', 'homines.models.hf'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(plugins.ROOT.parent)},
    )
    assert ran.stdout.strip() == "[]"


def test_only_plug_ins_are_spelt_by_their_file() -> None:
    """A class of another file has no name of a plug-in, even where a plug-in is called alike."""
    assert spell(find("frames", "market")).startswith("market(")
    assert spell(Market()).startswith("homines.theory.market:Market(")
    assert spell_class(LogitAgent) == "homines.theory.choice:LogitAgent"

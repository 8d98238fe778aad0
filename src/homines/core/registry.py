"""Specs: `trust` is games/trust.py (plugins.py), `module:object` is anything importable.

    spec      =  name | name(arguments) | module:object | module:object(arguments)
    argument  =  value | parameter=value
    value     =  number | inf | 'text' | word | True | False | None | (value, ...) | [value, ...]

A word without quotes is text. Nothing in the parentheses is ever run: no calls, no attributes, no
operators.

The registry is closed: text names the package's own things only, at every depth, for it may come from
a stranger's file. `module:object` imports the module, which runs its code; so a TrustedSpec alone may name
one, and text becomes a TrustedSpec where a person typed it for this command (`trust`). Whatever is written
to a file is read back as text.

A file x.py holds a function `x` or a class X (tit_for_tat.py: TitForTat), which a spec calls. After
`module:` a class is called as well, any other object only where the spec has parentheses.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from keyword import iskeyword
from numbers import Integral, Real
from pathlib import Path
from typing import Any, cast

from homines.core.plugins import class_name, factory, load_module, singular
from homines.core.types import HominesError

PLUG_IN_PACKAGES = tuple(
    f"homines.{folder}" for folder in ("games", "preferences", "frames", "opponents", "models")
)
"""Packages whose classes a spec names by their file."""
LATER = {"later": True}
"""Metadata of a field that came after the others: `spell` leaves it out at its default, so that the specs in
older records stay as they are."""
LONGEST = 10_000
GRAMMAR = "write name, name(parameter=value), module:object or module:object(parameter=value)"
VALUES = "a value is a number, a word, 'text', True, False, None, or a (list, of, these)"

_SPEC = re.compile(
    r"(?:(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):)?(?P<name>[^\W\d]\w*)\s*(?P<call>\(.*\))?",
    re.DOTALL,
)


class TrustedSpec(str):
    """A spec that a person typed for this command, or that they said to trust: it may name `module:object`.

    Texts among its arguments are trusted as well. Text that is cut from it or joined with it is not trusted,
    nor is a spec that is read back from a file.
    """

    __slots__ = ()


class UntrustedModule(HominesError):  # noqa: N818 (a state of the spec, not a fault of the program)
    """A spec that was not typed for this command names a module."""


def trust(value: Any) -> Any:
    """The value with every text in it, in lists, tuples and mappings as well, a TrustedSpec.

    >>> isinstance(trust(["my_module:game"])[0], TrustedSpec)
    True
    """
    if isinstance(value, str):
        return TrustedSpec(value)
    if type(value) is list:
        return [trust(v) for v in cast("list[Any]", value)]
    if type(value) is tuple:
        return tuple(trust(v) for v in cast("tuple[Any, ...]", value))
    if type(value) is dict:
        return {k: trust(v) for k, v in cast("dict[Any, Any]", value).items()}
    return value


class TrustedPath(type(Path())):
    """A file or folder in which specs may name modules, because a person allowed it (`--trust-modules`).

    Paths below it are trusted as well; Path(trusted_path) is not.
    """


def trust_from(path: str | Path) -> Callable[[Any], Any]:
    """The function a reader applies to the texts of this file: `trust` for a TrustedPath, else identity."""
    return trust if isinstance(path, TrustedPath) else lambda value: value


def is_foreign(spec: str) -> bool:
    """Whether a spec names a module and is not trusted: `find` then raises UntrustedModule."""
    match = _SPEC.fullmatch(spec.strip())
    return match is not None and match["module"] is not None and not isinstance(spec, TrustedSpec)


def inherit_trust(spec: str, text: str) -> str:
    """Text that was cut from a spec, trusted as the spec is."""
    return type(spec)(text)


def find(folder: str, spec: str) -> Any:
    """The object a spec names, made with the spec's arguments.

    Raises HominesError for a malformed spec, an unknown name or parameter, a value of a wrong type,
    and a module that cannot be imported; UntrustedModule where text that is no TrustedSpec names a module.

    >>> find("preferences", "moralis(kappa=0.25)")
    Moralis(kappa=0.25)
    """
    module, name, values, keywords = _parse(folder, spec)
    if module is None:
        return _call(name, factory(folder, name), values or (), keywords)
    target = _imported_object(module, name)
    if values is None and not inspect.isclass(target):
        return target
    return _call(f"{module}:{name}", target, values or (), keywords)


def arguments(folder: str, spec: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function or class a spec calls, and its arguments, checked; defaults are not filled in.

    >>> arguments("preferences", "kantian(beta=0)")[1]
    {'beta': 0.0}
    """
    module, name, values, keywords = _parse(folder, spec)
    target = factory(folder, name) if module is None else _imported_object(module, name)
    binding = _bind(name, target, values or (), keywords, complete=False)
    return target, dict(binding.arguments)


def spell(instance: Any) -> str:
    """The canonical spec, every parameter (but LATER ones at their default): find(folder, spell(x)) == x.

    instance   a dataclass instance whose fields are spec values, or a function
    The result is a TrustedSpec where the class comes from outside the package (its module is loaded already)
    and where one of the values is a TrustedSpec.

    >>> spell(find("preferences", "moralis"))
    'moralis(kappa=0.5)'
    """
    if inspect.isfunction(instance):
        return _path(instance)
    if not is_dataclass(instance) or isinstance(instance, type):
        raise HominesError(f"{instance!r} has no spec; an instance of a dataclass or a function has")
    kind = type(instance)
    package, _, stem = kind.__module__.rpartition(".")
    internal = package in PLUG_IN_PACKAGES and kind.__qualname__ == class_name(stem)
    name = stem if internal else _path(kind)
    arguments = ", ".join(
        f"{field.name}={_spell_value(convert(field.name, getattr(instance, field.name), field.type))}"
        for field in fields(instance)
        if field.init and not (field.metadata.get("later") and getattr(instance, field.name) == field.default)
    )
    spec = f"{name}({arguments})" if arguments else name
    known = internal and not any(
        _trusted(getattr(instance, field.name)) for field in fields(instance) if field.init
    )
    return spec if known else TrustedSpec(spec)


def head(spec: str) -> str:
    """The name in a spec, without its arguments.

    >>> head("table(asks=belief)")
    'table'
    """
    return spec.partition("(")[0]


def spell_class(kind: type) -> str:
    """The spec of a class without parameters: its name for a class of the package, else module:object."""
    package, _, stem = kind.__module__.rpartition(".")
    return stem if package in PLUG_IN_PACKAGES else _path(kind)


def _trusted(value: Any) -> bool:
    """Whether a value, or one within it, is a TrustedSpec."""
    if isinstance(value, tuple | list):
        return any(map(_trusted, cast("Sequence[Any]", value)))
    return isinstance(value, TrustedSpec)


def _path(target: Any) -> TrustedSpec:
    """module:object of a function or class, which is loaded already."""
    if not target.__qualname__.isidentifier():
        raise HominesError(f"{target.__qualname__} has no spec; define it at the top of a module")
    return TrustedSpec(f"{target.__module__}:{target.__qualname__}")


def settings(kind: Callable[..., Any], options: str) -> Any:
    """kind(...) with a spec's options, '(value, parameter=value, ...)'; empty: with its defaults."""
    _, name, values, keywords = _parse("settings", f"{kind.__name__}{options}")
    return _call(name, kind, values or (), keywords)


def _parse(folder: str, spec: str) -> tuple[str | None, str, tuple[Any, ...] | None, Mapping[str, Any]]:
    """Module or None, name, positional values (None: no parentheses), named values."""
    match = _SPEC.fullmatch(spec.strip())
    if match is None or len(spec) > LONGEST:
        raise HominesError(f"{_short(spec)} names no {singular(folder)}; {GRAMMAR}")
    if is_foreign(spec):
        raise UntrustedModule(
            f"{_short(spec)} is not available here: it names a module, and only what is typed for a command "
            "loads one; give --trust-modules to load it (in Python trust_modules=True, the spec as a "
            "homines.core.registry.TrustedSpec, or the function itself)"
        )
    if match["call"] is None:
        return match["module"], match["name"], None, {}
    source = f"_{match['call']}"
    try:
        tree = ast.parse(source, mode="eval").body
    # a null byte is a ValueError, deep nesting the other two
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = getattr(error, "msg", "") or str(error) or "nested too deeply"
        raise HominesError(f"cannot read {_short(spec)}: {why}; {VALUES}") from error
    whole = ast.get_source_segment(source, tree) == source  # false where a comment hides the rest
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or not whole:
        raise HominesError(f"cannot read {_short(spec)}: one pair of parentheses only; {GRAMMAR}")
    text = type(spec)
    values = tuple(_parse_value(node, source, text) for node in tree.args)
    keywords: dict[str, Any] = {}
    for keyword in tree.keywords:
        if keyword.arg is None or keyword.arg in keywords:
            problem = f"{keyword.arg} is given twice" if keyword.arg else "** is not allowed"
            raise HominesError(f"cannot read {_short(spec)}: {problem}; {GRAMMAR}")
        keywords[keyword.arg] = _parse_value(keyword.value, source, text)
    return match["module"], match["name"], values, keywords


def _parse_value(node: ast.expr, source: str, text: type[str]) -> Any:
    """The value an expression writes, words of this type of text; HominesError for what would have to run."""
    match node:
        case ast.Constant(value=int() as whole) if abs(whole) > sys.float_info.max:
            pass  # it would overflow where a float is wanted
        case ast.Constant(value=str() as words):
            return text(words)
        case ast.Constant(value=bool() | int() | float() | None as constant):
            return constant
        case ast.Name(id=word):
            return math.inf if word == "inf" else text(word)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() | ast.Name() as operand):
            number = _parse_value(operand, source, text)
            if isinstance(number, int | float) and not isinstance(number, bool):
                return -number
        case ast.Tuple(elts=nodes):
            return tuple(_parse_value(n, source, text) for n in nodes)
        case ast.List(elts=nodes):
            return [_parse_value(n, source, text) for n in nodes]
        case _:
            pass
    segment = ast.get_source_segment(source, node) or ""
    if isinstance(node, ast.Call):
        raise HominesError(
            f"{_short(segment)} is not a value; put a spec that stands in another in quotes, as in "
            "under(condition=persona, frame='table(memory=2)')"
        )
    raise HominesError(f"{_short(segment)} is not a value; {VALUES}")


def _call(name: str, target: Callable[..., Any], values: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """target(*values, **named), each value checked against the annotation of its parameter.

    Raises HominesError where an object of this package cannot be made of the values; failures in other
    modules are raised as they are.
    """
    binding = _bind(name, target, values, keywords)
    try:
        return target(*binding.args, **binding.kwargs)
    except HominesError:
        raise
    except (ArithmeticError, MemoryError, RecursionError, TypeError, ValueError) as failure:
        if not str(getattr(target, "__module__", "")).startswith("homines."):
            raise
        assignments = ", ".join(f"{key}={value!r}" for key, value in binding.arguments.items())
        raise HominesError(
            f"{name} cannot be made of {_short(assignments)} ({type(failure).__name__}: "
            f"{_short(str(failure))}); give values nearer to its defaults"
        ) from failure


def _bind(
    name: str,
    target: Callable[..., Any],
    values: Sequence[Any],
    keywords: Mapping[str, Any],
    *,
    complete: bool = True,
) -> inspect.BoundArguments:
    """The arguments of a call, checked against annotations. complete: none may be missing."""
    if not callable(target):
        raise HominesError(f"{name} is no function or class, so it takes no arguments: drop ()")
    signature = inspect.signature(target)
    parameters = signature.parameters.values()
    accepts = ", ".join(parameters_of(signature)) or "none"
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for keyword in keywords:
        if keyword not in signature.parameters and not takes_any:
            raise HominesError(f"{name} has no parameter {keyword!r}; its parameters are: {accepts}")
    try:
        binding = (signature.bind if complete else signature.bind_partial)(*values, **keywords)
    except TypeError as error:
        example = _example(name, parameters) if not (values or keywords) else ""
        raise HominesError(f"cannot make {name}: {error}; its parameters are: {accepts}{example}") from error
    for parameter in parameters:
        plain = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if plain and parameter.name in binding.arguments:
            value = binding.arguments[parameter.name]
            binding.arguments[parameter.name] = convert(parameter.name, value, parameter.annotation)
    return binding


def _example(name: str, parameters: Iterable[inspect.Parameter]) -> str:
    """', as inequity(alpha=1, beta=1)': the parameters without a default set, where all are numbers."""
    needed = [p for p in parameters if p.default is p.empty]
    if any(inspect.formatannotation(p.annotation).strip("'") not in ("float", "int") for p in needed):
        return ""
    return f", as {name}({', '.join(f'{p.name}=1' for p in needed)})"


def parameters_of(signature: inspect.Signature) -> Iterator[str]:
    """Every parameter as a spec would write it: `kappa=0.5`, or `kappa` where it must be given."""
    for name, parameter in signature.parameters.items():
        default = parameter.default
        yield name if default is parameter.empty else f"{name}={default!r}"


KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "float": ("a number", lambda v: not isinstance(v, bool) and isinstance(v, Real)),
    "int": ("a whole number", lambda v: not isinstance(v, bool) and isinstance(v, Integral)),
    "str": ("a word", lambda v: isinstance(v, str)),
    "bool": ("True or False", lambda v: isinstance(v, bool)),
    "None": ("None", lambda v: v is None),
    "tuple": ("a (list, of, values)", lambda v: isinstance(v, tuple | list)),
    "list": ("a (list, of, values)", lambda v: isinstance(v, tuple | list)),
    "Sequence": ("a (list, of, values)", lambda v: isinstance(v, tuple | list)),
}


def convert(name: str, value: Any, annotation: Any) -> Any:
    """The value in the type of its annotation: 1 for a float becomes 1.0, and equal specs are spelt alike.

    An annotation outside KINDS accepts any value: its owner checks it. Raises HominesError for a value of
    another kind.
    """
    annotation_text = inspect.formatannotation(annotation).strip("'")
    kinds = [kind.strip() for kind in re.sub(r"\[.*\]", "", annotation_text).split("|")]
    if any(kind not in KINDS for kind in kinds):
        return value
    fits = [kind for kind in kinds if KINDS[kind][1](value)]
    if not fits:
        expected = " or ".join(dict.fromkeys(KINDS[kind][0] for kind in kinds))
        raise HominesError(f"{name} must be {expected}, got {value!r}")
    if "float" in fits and "int" not in fits:
        return float(value)
    if "tuple" in fits:
        return tuple(value)
    return value


def _spell_value(value: Any) -> str:
    """The inverse of `_parse_value`."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        word = value.isascii() and value.isidentifier() and not iskeyword(value) and value != "inf"
        return value if word else repr(value)
    if isinstance(value, Integral):
        return repr(int(value))
    if isinstance(value, Real) and not math.isnan(value):
        return repr(float(value))
    if isinstance(value, tuple | list):
        parts = [_spell_value(v) for v in cast("Sequence[Any]", value)]
        text = ", ".join(parts)
        if isinstance(value, list):
            return f"[{text}]"
        return f"({text},)" if len(parts) == 1 else f"({text})"
    raise HominesError(f"{value!r} cannot be written in a spec; {VALUES}")


def _imported_object(module: str, name: str) -> Any:
    contents = load_module(module)
    if not hasattr(contents, name):
        names = [n for n in dir(contents) if not n.startswith("_")]
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it holds {', '.join(names[:20])}"
        raise HominesError(f"module {module} holds no {name!r}; {hint}")
    return getattr(contents, name)


def _short(text: str) -> str:
    """The text in quotes, shortened to fit a message."""
    return repr(text if len(text) <= 80 else f"{text[:77]}...")

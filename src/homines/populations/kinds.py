"""Which of three kinds of agents a spec names: a model, a strategy, or a theory agent with a preference.

    smollm2, hf/FOLDER, mock, any with +ADAPTER     a model, as of every command (homines.models)
    tit_for_tat, axelrod:NAME                       a strategy (homines.opponents), as of `align --opponent`
    moralis(kappa=0.5)                              a preference (homines.preferences): an agent that has it
    module:object                                   a strategy where its object has a `memory`, else a
    preference

No name is in two of the folders; a test says so.
"""

from __future__ import annotations

import math
import re
from difflib import get_close_matches
from typing import Any, Literal

from homines.core.capabilities import Remembers
from homines.core.plugins import names
from homines.core.registry import find, head, inherit_trust, spell
from homines.core.types import HominesError, Policy
from homines.models import PROVIDERS, kinds, known
from homines.opponents import LIBRARY, opponent
from homines.theory.choice import LogitAgent

AgentKind = Literal["model", "strategy", "theory"]


def agent_kind(spec: str) -> AgentKind:
    """The kind of agent. Raises HominesError, with the nearest names, where a spec names none or several."""
    spec = inherit_trust(spec, spec.strip())
    word = head(spec).strip()
    found: list[AgentKind] = ["model"] if known(spec) else []
    if word in names("opponents") or spec.startswith(LIBRARY):
        found.append("strategy")
    if word in names("preferences"):
        found.append("theory")
    if not found and ":" in word:
        return "strategy" if isinstance(find("opponents", spec), Remembers) else "theory"
    if len(found) == 1:
        return found[0]
    if found:
        raise HominesError(
            f"{word!r} names a {' and a '.join(found)}; write the one that is meant as module:object, or a "
            "model as hf/FOLDER"
        )
    first = re.split(r"[/+(]", spec, maxsplit=1)[0].strip()
    there = (*kinds(), *names("opponents"), *names("preferences"), *PROVIDERS)
    near = get_close_matches(first.lower(), there, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    raise HominesError(
        f"no agent called {spec[:80]!r}{hint} An agent is a model ({', '.join(kinds())}, any with +ADAPTER, "
        f"PROVIDER/NAME), a strategy ({', '.join(names('opponents'))}, axelrod:NAME) or a preference "
        f"({', '.join(names('preferences'))})"
    )


def canonical(spec: str) -> str:
    """One spelling of a spec: equal agents have the same. Raises HominesError for a spec that names none."""
    kind = agent_kind(spec)
    if kind == "model" or spec.strip().startswith(LIBRARY):
        return str(spec.strip())
    instance: Any = opponent(spec) if kind == "strategy" else find("preferences", spec)
    return str(spell(instance))


def policy_of(spec: str, precision: float | None) -> Policy:
    """The policy of a strategy, or of a theory agent: it chooses by logit(precision x expected utility);
    None: by best responses."""
    if agent_kind(spec) == "strategy":
        return opponent(spec)
    return LogitAgent(find("preferences", spec), math.inf if precision is None else precision)

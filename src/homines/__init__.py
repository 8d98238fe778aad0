"""homines: measure what an LLM agent prefers, align it to a written preference, verify what changed.

    import homines as hm
    m = hm.load("smollm2")
    run = hm.measure(m, "ipd")
    m2 = hm.align(m, to=hm.moralis(kappa=0.5))
    hm.report([run, m2.run])

Names are looked up when they are used (homines.namespace), so that the import itself costs nothing.
"""

import os
from importlib import import_module

__version__ = "0.1.0"
__all__ = [
    "align", "atlas", "certify", "load", "measure", "persist", "population", "report", "transfer", "values",
]  # fmt: skip

# Threads that spin long while they wait gain on an idle machine and cost a factor of 1.7 beside one busy
# neighbour (bench/README.md); a short spin keeps most of the gain. Read when torch is loaded; the user's own
# value stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def __getattr__(name: str) -> object:
    if name.startswith("_"):
        raise AttributeError(f"module 'homines' has no attribute {name!r}")
    return import_module("homines.namespace").top(name)


def __dir__() -> list[str]:
    return import_module("homines.namespace").everything()

"""homines: measure what an LLM agent prefers, align it to a written preference, verify what changed."""

import os

__version__ = "0.1.0"

# Threads that spin long while they wait gain on an idle machine and cost a factor of 1.7 beside one busy
# neighbour (bench/README.md); a short spin keeps most of the gain. Read when torch is loaded; the user's own
# value stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

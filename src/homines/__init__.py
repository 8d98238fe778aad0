"""homines: measure what an LLM agent prefers, align it to a written preference, verify what changed."""

import os

__version__ = "0.1.0"

# Threads that wait by spinning let one busy neighbour on a two-core machine cost a factor of six
# (bench/threads.py). Read when torch is loaded, so it stands here; a value of the user's own stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

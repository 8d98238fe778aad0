"""Where the cells of a sweep are done. A file of this folder defines `run(jobs, **how) -> outcomes`.

`how` is workers (None: as many as there is room for), address, threads and gpus (of one cell), stop. An
outcome is yielded for every job that ended, in any order; none for jobs that had not begun when `stop` said
so.
"""

from __future__ import annotations

TRIES = 3
"""Workers that a cell may cost before it counts as failed: a cell that needs more memory than there is kills
every worker it gets."""

"""What the passes of a fit have returned, kept on disk so that a cut fit goes on.

The solvers are deterministic: given the same sums they take the same steps. So no
solver's state is saved, only what every pass has summed, under a digest of what was
summed over which rows. A resumed fit runs from the start, is given the sums of the
passes that were made, and reads the data from the first pass that is missing; all
solvers, and everything that a fit does beside solving, are resumed alike and to the
same bits.
"""

from dlogreg.checkpoint.folder import (
    Checkpoint,
    compare_checkpoint,
    kept_in,
    with_checkpoint,
)
from dlogreg.checkpoint.journal import Journal

__all__ = ["Checkpoint", "Journal", "compare_checkpoint", "kept_in", "with_checkpoint"]

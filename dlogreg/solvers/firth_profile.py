r"""Where the profile of Firth's penalised likelihood crosses a level.

With F*, g* and H at a point (``solvers/firth.py``) and a'theta the coefficient, the
least F* for a given a'theta is, to second order, reached along

    d = -H^-1 g* + mu H^-1 a,   F*(theta + d) = F* - g*'H^-1 g* / 2 + mu^2 a'H^-1 a / 2,

so that mu follows from the level (Venzon and Moolgavkar 1988, J. R. Stat. Soc. C 37,
87-94; Heinze and Schemper 2002, Stat. Med. 21, 2409-2419). Steps go from read to read,
with leverages from the point before as long as that is exact enough, and are no longer
than a standard error. The end is found when a step is within tol; like the estimate's,
that is no proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.firth import FirthState

LONGEST = 1.0
"""Step, in standard errors."""
MOST_STEPS = 60
ABOVE = 4.0
"""Times the level's height, above which a point is given up for one halfway."""


@dataclass(slots=True, eq=False)
class PenalizedEnd:
    """One end of one coefficient's interval, ready to be advanced."""

    along: FloatArray
    """a, with a'theta the coefficient."""
    sign: float
    least: float
    """F* at the estimate."""
    height: float
    """By how much the level is above it."""
    tol: float
    state: FirthState
    trial: FloatArray | None
    """Where to evaluate next; None once the end is found or given up."""
    value: float = np.nan
    n_steps: int = 0
    wants_leverages: bool = False
    """Only the leverages of the state's point are wanted."""

    def receive_leverages(self, state: FirthState) -> None:
        """Take the state with leverages of its own."""
        self.state, self.wants_leverages = state, False
        self._choose()

    def receive(self, found: FirthState) -> None:
        """Take what was found at the trial point, and choose the next."""
        assert self.trial is not None
        self.n_steps += 1
        if self.n_steps >= MOST_STEPS:
            self.trial = None
        elif not found.penalized <= self.least + ABOVE * self.height:
            self.trial = (self.state.point.theta + self.trial) / 2
        else:
            self.state = found
            self._choose()

    def _choose(self) -> None:
        """Take the step, ask for leverages, or end."""
        step = self._step()
        length = math.sqrt(max(0.0, float(step @ self.state.hessian @ step)))
        if self.state.lag > max(length, self.tol / 2):
            self.wants_leverages = True
            return
        if length + self.state.lag <= self.tol:
            self.value = float(self.along @ (self.state.point.theta + step))
            self.trial = None
            return
        self.trial = self.state.point.theta + min(1.0, LONGEST / length) * step

    def _step(self) -> FloatArray:
        state = self.state
        newton = state.newton_step
        across = state.system.solve(self.along)
        left = self.least + self.height - state.penalized
        left -= float(state.gradient @ newton) / 2
        scale = float(self.along @ across)
        mu = self.sign * math.sqrt(max(0.0, 2 * left / scale))
        return newton + mu * across

"""ManyResults: the fits of several outcomes, as tables and one by one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from dlogreg.display.outcomes import summarize_outcomes
from dlogreg.display.summary import Summary
from dlogreg.evaluation import Label, PassRecord
from dlogreg.kernel.outcomes import Outcome
from dlogreg.labelled import no_such
from dlogreg.outcomes.prediction import OutcomePredictions
from dlogreg.outcomes.tables import OutcomeTables
from dlogreg.results import LogitResults
from dlogreg.rows_again import RowsAgain
from dlogreg.solvers import Status


@dataclass(frozen=True, eq=False, repr=False)
class ManyResults(OutcomeTables, OutcomePredictions, Mapping[Label, LogitResults]):
    """The fits of several outcomes over the same rows; holds no data.

    A mapping: ``many["name"]`` is the result of one outcome as of ``fit``, with its
    summary, odds ratios, intervals and tests, and with all that reads the rows again;
    ``len``, ``in``, iteration and ``items()`` are those of a dictionary. Tables have a
    line for each outcome: ``many.params["name", "age"]``, and ``many.params[3, "age"]``
    where the outcomes are labels that are numbers.
    """

    labels: tuple[Label, ...]
    """The outcomes: names of the columns of Y, or labels of y, in order."""
    fits: tuple[LogitResults, ...]
    """Their results, without the rows; ``many[label]`` knows these."""
    one_vs_rest: bool = False
    """Whether the outcomes are labels of one y, each against the rest."""
    outcomes: tuple[Outcome, ...] = ()
    rows: RowsAgain | None = None
    """Where the rows are, for what needs them again; never pickled."""

    def __getitem__(self, label: Label) -> LogitResults:
        """Return the result of an outcome."""
        if label not in self.labels:
            raise KeyError(no_such("outcome", label, self.labels))
        i = self.labels.index(label)
        fit, rows = self.fits[i], self.rows
        if rows is None:
            return fit
        outcome = self.outcomes[i]
        partitions = tuple(replace(p, outcome=outcome) for p in rows.partitions)
        source = replace(rows.source, outcome=outcome)
        return replace(fit, rows=replace(rows, source=source, partitions=partitions))

    def __iter__(self) -> Iterator[Label]:
        """Return the outcomes in order."""
        return iter(self.labels)

    def __len__(self) -> int:
        """Return the number of outcomes."""
        return len(self.labels)

    def __eq__(self, other: object) -> bool:
        """Tell whether it is the same object, as of a single result."""
        return self is other

    def __hash__(self) -> int:
        """Return a hash of the object."""
        return id(self)

    def __repr__(self) -> str:
        """Return one line."""
        kind = "labels against the rest" if self.one_vs_rest else "outcomes"
        done = int(sum(self.statuses[label].converged for label in self.labels))
        return (
            f"<ManyResults: {len(self)} {kind}, {len(self.names)} coefficients each, "
            f"{done} converged, {self.n_passes} passes>"
        )

    def _repr_html_(self) -> str:
        """Return the summary, as a notebook shows it."""
        return self.summary()._repr_html_()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of X."""
        return self.fits[0].feature_names

    @property
    def statuses(self) -> dict[Label, Status]:
        """How the fit of every outcome ended."""
        fits = zip(self.labels, self.fits, strict=True)
        return {label: fit.status for label, fit in fits}

    @property
    def converged(self) -> bool:
        """Whether all outcomes have reached their optima."""
        return all(fit.converged for fit in self.fits)

    @property
    def separated(self) -> dict[Label, tuple[str, ...]]:
        """Columns that separate the classes, or seem to, of outcomes that have such."""
        fits = zip(self.labels, self.fits, strict=True)
        return {label: fit.separated for label, fit in fits if fit.separated}

    @property
    def n_passes(self) -> int:
        """Times that all data were read, for all outcomes together."""
        return self.fits[0].n_passes

    @property
    def bytes_read(self) -> int:
        """Decoded bytes of all blocks that were loaded."""
        return self.fits[0].bytes_read

    @property
    def trace(self) -> tuple[PassRecord, ...]:
        """What each pass did and cost; bounds are those of the slowest outcome."""
        return self.fits[0].trace

    def summary(self) -> Summary:
        """Return a table of the outcomes, a line for each: ``print`` it.

        Returns
        -------
        Summary
            Text by ``str``, HTML in a notebook.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.arange(8.0)[:, None]
        >>> Y = [[0, 1], [0, 1], [1, 1], [0, 0], [1, 1], [0, 0], [1, 1], [1, 0]]
        >>> print(str(dlogreg.fit_many(x, Y).summary()).splitlines()[0].strip())
        Logistic regressions of several outcomes
        """
        return summarize_outcomes(self)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write all fits to a JSON file, which ``dlogreg.load`` reads.

        The file appears whole or not at all, and only its owner may read it. Where the
        rows are is not saved: what reads them again needs X and y then.

        Parameters
        ----------
        path : str or path
            File to write; its directory must exist.
        overwrite : bool
            Replace a file that exists, instead of raising FileExistsError.

        Raises
        ------
        TypeError
            If outcomes are labels other than bool, int, float and text.

        Examples
        --------
        >>> import numpy as np, dlogreg, pathlib, tempfile
        >>> x = np.arange(8.0)[:, None]
        >>> Y = [[0, 1], [0, 1], [1, 1], [0, 0], [1, 1], [0, 0], [1, 1], [1, 0]]
        >>> many = dlogreg.fit_many(x, Y, outcome_names=["sold", "seen"])
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "models.json"
        >>> many.save(path)
        >>> bool((dlogreg.load(path).params == many.params).all())
        True
        """
        # loaded on first use, because results are loaded by what it imports
        room = import_module("dlogreg.storage.outcomes")
        room.write_many(self, path, overwrite=overwrite)

    def __reduce__(self) -> Any:
        """Pickle the results without the rows, as one of ``fit``."""
        fields = self.labels, self.fits, self.one_vs_rest
        return ManyResults, fields

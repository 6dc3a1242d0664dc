"""GroupedResults: one model for every level of a column, as a table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlogreg.display import Summary, Trace
from dlogreg.display.grouped import summarize_groups
from dlogreg.errors import InferenceError
from dlogreg.evaluation import Label, PassRecord
from dlogreg.grouped.tables import GroupTables
from dlogreg.results import LogitResults

if TYPE_CHECKING:
    from dlogreg.formula.recipe import Recipe


@dataclass(frozen=True, eq=False, repr=False)
class GroupedResults(GroupTables):
    """A model for every group of rows; holds no data.

    ``len`` counts the groups, ``[level]`` gives the model of one as of ``fit``, and
    iterating gives the levels. Arrays have a line for every group, in the order of
    ``levels``, NaN where a group has no model; ``reasons`` tells why.
    """

    levels: tuple[Label, ...]
    """Labels of the groups, sorted."""
    models: tuple[LogitResults | None, ...]
    """The model of every group, None where it has none."""
    reasons: Mapping[Label, str]
    """Why a group has no model, by its label."""
    n_rows: npt.NDArray[np.int64]
    """Rows of positive weight of every group, shape (n_groups,)."""
    classes: tuple[Label, ...]
    """The other class and the event, whose probability is modelled."""
    feature_names: tuple[str, ...]
    fit_intercept: bool
    tol: float
    """Largest allowed distance from the optimum, in standard errors."""
    n_passes: int
    """Times that all data were read for all models together."""
    bytes_read: int
    """Decoded bytes of all blocks that were loaded."""
    peak_memory: int
    """Largest resident set of any process that took part, in bytes."""
    has_offset: bool = False
    """Whether rows had offsets, which predictions then need too."""
    n_dropped: int = 0
    """Rows left out because a value was missing."""
    trace: tuple[PassRecord, ...] = ()
    """What each pass did and cost."""
    recipe: Recipe | None = None
    """How rows of a table become rows of the design, after ``fit_formula``."""
    by: str | None = None
    """The column of the groups, after ``fit_formula``."""
    _places: Mapping[Label, int] = field(init=False)

    def __post_init__(self) -> None:
        """Find groups by their labels."""
        places = {level: i for i, level in enumerate(self.levels)}
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "trace", Trace(self.trace))

    def __repr__(self) -> str:
        """Return one line."""
        return (
            f"<GroupedResults: {len(self):,} groups, {len(self.names)} coefficients, "
            f"{int(self.converged.sum()):,} converged, {self.n_passes} passes>"
        )

    def _repr_html_(self) -> str:
        """Return the summary, as a notebook shows it."""
        return self.summary()._repr_html_()

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.levels)

    def __iter__(self) -> Iterator[Label]:
        """Return the labels of the groups."""
        return iter(self.levels)

    def __contains__(self, level: object) -> bool:
        """Tell whether there is such a group."""
        return level in self._places

    def __getitem__(self, level: Label) -> LogitResults:
        """Return the model of a group, as of ``fit``.

        Raises
        ------
        KeyError
            If there is no such group.
        InferenceError
            If the group has no model, with the reason.
        """
        if isinstance(level, np.datetime64 | np.timedelta64):
            coarse = level.astype(f"{level.dtype.kind}8[us]")
            level = coarse.item() if isinstance(level.item(), int) else level.item()
        place = self._places.get(level) if level.__hash__ else None
        if place is None:
            known = list(map(repr, self.levels))
            near = get_close_matches(repr(level), known, n=3) or known[:5]
            some = ", ".join(near) + ", ..." * (len(known) > len(near))
            raise KeyError(f"no group is labelled {level!r}; there are {some}")
        model = self.models[place]
        if model is None:
            raise InferenceError(f"group {level!r} has no model: {self.reasons[level]}")
        return model

    def summary(self) -> Summary:
        """Return a table with a line for every group: ``print`` it, or show it.

        Returns
        -------
        Summary
            Text by ``str``, HTML in a notebook.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.random.default_rng(0).normal(size=(300, 1))
        >>> shop = np.repeat(["a", "b", "c"], 100)
        >>> res = dlogreg.fit(x, x[:, 0] ** 3 > -1 + (shop == "c"), by=shop, alpha=0.1)
        >>> print(str(res.summary()).splitlines()[0].strip())
        Logistic regressions by group, ridge penalty, alpha = 0.1 on the mean loss
        """
        return summarize_groups(self)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the models to a JSON file, which ``dlogreg.load`` reads.

        The file appears whole or not at all, and only its owner may read it. Labels of
        groups must be bool, int, float or text.

        Parameters
        ----------
        path : str or path
            File to write; its directory must exist.
        overwrite : bool
            Replace a file that exists, instead of raising FileExistsError.

        Raises
        ------
        TypeError
            If labels are of another type, such as dates.

        Examples
        --------
        >>> import numpy as np, dlogreg, pathlib, tempfile
        >>> x = np.random.default_rng(0).normal(size=(300, 1))
        >>> shop = np.repeat(["a", "b", "c"], 100)
        >>> res = dlogreg.fit(x, x[:, 0] ** 3 > -1 + (shop == "c"), by=shop, alpha=0.1)
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "models.json"
        >>> res.save(path)
        >>> bool((dlogreg.load(path).params == res.params).all())
        True
        """
        room = import_module("dlogreg.storage.groups")
        room.write_groups(self, path, overwrite=overwrite)

    def predict(self, X: Any, by: Any = None, offset: Any = None) -> Any:
        """Return the probability of the event of every row, by the model of its group.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Numpy array, memmap, scipy sparse or pandas dataframe in memory, or a
            ``zarr.Array``, dask array or dataframe, chunked by rows in any way. A group
            of compressed rows in a Zarr store is refused: give these rows as a dask
            array of CSR blocks. Columns of a dataframe are found by name. After
            ``fit_formula``, also a dataframe of its raw columns.
        by : array, shape (n_rows,), optional
            The group of every row; may be left out where X has the column that
            ``fit_formula`` was told.
        offset : array, shape (n_rows,), optional
            Row by row beside X; needed where the fit had one.

        Returns
        -------
        array, shape (n_rows,)
            Numpy for data in memory, else a lazy dask array. NaN for rows with a
            missing value, and for rows of groups that have no model.

        Raises
        ------
        DataError
            If a label is of no group of the fit; the message names its row. Of a dask
            array and dataframe when the result is computed.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.random.default_rng(0).normal(size=(300, 1))
        >>> shop = np.repeat(["a", "b", "c"], 100)
        >>> res = dlogreg.fit(x, x[:, 0] ** 3 > -1 + (shop == "c"), by=shop, alpha=0.1)
        >>> p = res.predict([[0.5], [0.5]], by=["b", "c"])
        >>> bool(p[0] > p[1])
        True
        """
        # loaded on first use, because Dask and Zarr come with it
        room = import_module("dlogreg.grouped.prediction")
        return room.predict(self, X, by, offset)

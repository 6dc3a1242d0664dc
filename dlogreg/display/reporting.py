"""The method of results that writes a report; what makes the page is loaded by it."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from dlogreg.storage.writing import check_target, write_whole

if TYPE_CHECKING:
    from dlogreg.inference.class_goodness import ClassGoodness
    from dlogreg.inference.goodness import GoodnessOfFit
    from dlogreg.results import Results


class Reporting:
    """Writes results as a page for people."""

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        alpha: float = 0.05,
        goodness: GoodnessOfFit | ClassGoodness | None = None,
        title: str | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write one HTML file with text, tables and plots, which needs no network.

        In order: model, data, warnings, coefficients, fit measures, calibration and
        ROC, cost of the fit, options and versions. No row is read. The file appears
        whole or not at all, and only its owner may read it. It needs matplotlib.

        Parameters
        ----------
        path : str or path
            File to write; its directory must exist.
        alpha : float
            Level of the intervals is 1 - alpha.
        goodness : GoodnessOfFit or ClassGoodness, optional
            What ``dlogreg.evaluate`` or ``goodness_of_fit()`` has measured; default:
            what the closing pass of the fit has told, if it is still known. A result
            that was loaded does not know it, nor does one of three or more classes.
        title : str, optional
            Stands above the page instead of the kind of model.
        overwrite : bool
            Replace a file that exists, instead of raising FileExistsError.

        Raises
        ------
        ImportError
            If matplotlib is not installed; the message says how to.
        ValueError
            If ``goodness`` is of other classes than the model.
        """
        check_target(path, overwrite=overwrite)
        import_module("dlogreg.inference.levels").check_level(alpha)
        results = cast("Results", self)
        room: Any = import_module("dlogreg.display.report")
        if goodness is None:
            goodness = room.goodness_at_hand(results)
        elif tuple(goodness.classes) != tuple(results.classes):
            raise ValueError(
                f"goodness is of the classes {goodness.classes!r}, but the model knows "
                f"{results.classes!r}; give what was measured of this model"
            )
        page = room.report_page(results, alpha, goodness, title)
        write_whole(path, page, overwrite=overwrite)

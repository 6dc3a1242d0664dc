"""The programs that are compared: each prepares its data and returns a fit to time.

What a user does once before fitting (importing, opening a store, a column of ones, a
Spark session) is not timed; in the ``zarr`` kind reading the data is part of the fit.
No program penalises, but for dask-ml's ADMM, which takes C = 1e10 at the most.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from generated import Data
from readers import reader
from spark import prepare_spark

Fit = Callable[[], dict[str, Any]]
TOLERANCES = tuple(10.0**-k for k in range(1, 11))
MOST_ITERATIONS = 10_000


@dataclass(frozen=True)
class Terms:
    """On what terms a fit is made."""

    tol: float | None
    """The program's own tolerance; None where its line names one."""
    threads: int


Prepare = Callable[[Data, Terms], Fit]


@dataclass(frozen=True)
class Peer:
    """A line of the table."""

    name: str
    package: str
    """What must be importable."""
    prepare: Prepare
    tolerances: tuple[float, ...] = ()
    """The program's own, from loose to tight; empty where the line names one."""
    kinds: tuple[str, ...] = ("zarr", "memory")
    own_threads: bool = False
    """Several tasks run at once, so that each has one BLAS thread."""
    note: str = ""

    @property
    def missing(self) -> str:
        """Why it cannot run here; empty if it can."""
        if find_spec(self.package) is None:
            return f"{self.package} is not installed"
        if self.package == "pyspark" and shutil.which("java") is None:
            return "it needs Java, and there is no java in PATH"
        return ""


def dlogreg(**options: Any) -> Prepare:
    def prepare(data: Data, terms: Terms) -> Fit:
        import dlogreg
        import dlogreg.fitting

        if find_spec("numba"):
            from dlogreg.kernel import sweeps

            # numba starts, as when it is imported: 0.3 s, once in a process
            sweeps.add_symmetric(np.zeros((1, 1)), np.zeros((1, 1)))

        _use_threads(terms.threads)
        X, y = data.open()

        def fit() -> dict[str, Any]:
            res = dlogreg.fit(X, y, **options)
            return {
                "params": list(res.params),
                "passes": res.n_passes,
                "decoded": res.bytes_read,
                "bound": res.error_bound,
            }

        return fit

    return prepare


def read_only(name: str) -> Prepare:
    def prepare(data: Data, terms: Terms) -> Fit:
        read = reader(name, data.folder / "data.zarr", terms.threads)

        def fit() -> dict[str, Any]:
            read()
            return {"passes": 1}

        return fit

    return prepare


def dask_ml(solver: str) -> Prepare:
    def prepare(data: Data, terms: Terms) -> Fit:
        from dask_ml.linear_model import LogisticRegression

        _use_threads(terms.threads)
        warnings.simplefilter("ignore")
        X, y = data.as_dask(terms.threads)
        tol = terms.tol or 0.0
        more: dict[str, dict[str, Any]] = {
            "newton": {},
            "lbfgs": {"regularizer": None},
            "admm": {"abstol": tol, "reltol": 100 * tol},
        }

        def fit() -> dict[str, Any]:
            model = LogisticRegression(
                solver=solver,
                C=1e10,
                tol=tol,
                max_iter=1000,
                solver_kwargs=more[solver],
            ).fit(X, y)
            return _result(model.intercept_, model.coef_)

        return fit

    return prepare


def scikit_learn(solver: str) -> Prepare:
    def prepare(data: Data, terms: Terms) -> Fit:
        from sklearn.linear_model import LogisticRegression

        load = data.loader()

        def fit() -> dict[str, Any]:
            model = LogisticRegression(
                C=np.inf, solver=solver, tol=terms.tol, max_iter=MOST_ITERATIONS
            ).fit(*load())
            found = model.intercept_[0], model.coef_[0]
            return _result(*found, iterations=int(model.n_iter_[0]))

        return fit

    return prepare


def statsmodels(model: str) -> Prepare:
    def prepare(data: Data, terms: Terms) -> Fit:
        import statsmodels.api as sm

        warnings.simplefilter("ignore")
        load = _with_ones(data)

        def logit() -> dict[str, Any]:
            X, y = load()
            res = sm.Logit(y, X).fit(
                method="newton", tol=terms.tol, maxiter=1000, disp=0
            )
            steps = int(res.mle_retvals["iterations"])
            return _result(res.params[0], res.params[1:], iterations=steps)

        def glm() -> dict[str, Any]:
            X, y = load()
            family = sm.families.Binomial()
            res = sm.GLM(y, X, family=family).fit(tol=terms.tol, maxiter=1000)
            steps = int(res.fit_history["iteration"])
            return _result(res.params[0], res.params[1:], iterations=steps)

        return {"Logit": logit, "GLM": glm}[model]

    return prepare


def glum(data: Data, terms: Terms) -> Fit:
    from glum import GeneralizedLinearRegressor

    load = data.loader()

    def fit() -> dict[str, Any]:
        model = GeneralizedLinearRegressor(
            family="binomial",
            alpha=0,
            gradient_tol=terms.tol,
            max_iter=MOST_ITERATIONS,
        ).fit(*load())
        steps = int(model.n_iter_)
        return _result(model.intercept_, model.coef_, iterations=steps)

    return fit


def spark(data: Data, terms: Terms) -> Fit:
    return prepare_spark(data, terms.tol, terms.threads)


def _use_threads(threads: int) -> None:
    import dask

    dask.config.set(scheduler="threads", num_workers=threads)


def _with_ones(data: Data) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Return what gives X with a column of ones, made before where X is in memory."""
    load = data.loader()

    def load_with_ones() -> tuple[np.ndarray, np.ndarray]:
        X, y = load()
        return np.column_stack([np.ones(len(X)), X]), y

    if data.kind == "zarr":
        return load_with_ones
    given = load_with_ones()
    return lambda: given


def _result(intercept: Any, coef: Any, **more: Any) -> dict[str, Any]:
    return {"params": [float(intercept), *map(float, coef)], **more}


DASK_ML_NOTES = {
    "lbfgs": "dask-ml lbfgs: unpenalised by solver_kwargs; tol is scipy's pgtol, its "
    "factr stays at 1e7",
    "newton": "",
    "admm": "dask-ml admm: ridge of 1e-10 on the sum of the loss, intercept included "
    "(C=1e10); tol is abstol, reltol 100 times that",
}
PEERS = [
    Peer(
        "dlogreg tol=0.01 inference=False",
        "dlogreg",
        dlogreg(tol=0.01, inference=False),
    ),
    Peer(
        "dlogreg tol=1e-6 inference=False",
        "dlogreg",
        dlogreg(tol=1e-6, inference=False),
    ),
    Peer("dlogreg, with standard errors", "dlogreg", dlogreg()),
    *(
        Peer(f"read only: {name}", package, read_only(name), kinds=("zarr",))
        for name, package in [
            ("zarr-python", "zarr"),
            ("zarrs", "zarrs"),
            ("chunk files", "dlogreg"),
        ]
    ),
    *(
        Peer(
            f"dask-ml {solver}",
            "dask_ml",
            dask_ml(solver),
            TOLERANCES,
            own_threads=True,
            note=note,
        )
        for solver, note in DASK_ML_NOTES.items()
    ),
    *(
        Peer(f"scikit-learn {solver}", "sklearn", scikit_learn(solver), TOLERANCES)
        for solver in ("lbfgs", "newton-cholesky")
    ),
    *(
        Peer(f"statsmodels {model}", "statsmodels", statsmodels(model), TOLERANCES)
        for model in ("Logit", "GLM")
    ),
    Peer("glum", "glum", glum, TOLERANCES),
    Peer(
        "Spark MLlib",
        "pyspark",
        spark,
        TOLERANCES,
        own_threads=True,
        note="Spark MLlib: reads the same rows from Parquet; its session is started "
        "before the clock",
    ),
]

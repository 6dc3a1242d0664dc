"""Spark MLlib: its session and rows are prepared, its fit is timed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from generated import Data


@dataclass
class SparkFit:
    """A fit whose work is done by another process, the Java machine."""

    model: Any
    rows: Any
    processes: list[int] = field(default_factory=list)

    def __call__(self) -> dict[str, Any]:
        fitted = self.model.fit(self.rows)
        steps = int(fitted.summary.totalIterations)
        params = [fitted.intercept, *fitted.coefficients]
        return {"params": list(map(float, params)), "iterations": steps}


def prepare_spark(data: Data, tol: float | None, threads: int) -> SparkFit:
    """Read Parquet in the fit (zarr), or rows cached in the Java machine (memory)."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master(f"local[{threads}]")
        .config("spark.driver.memory", _java_memory())
        .config("spark.ui.enabled", "false")
        .config("spark.local.dir", str(data.folder))
        .getOrCreate()
    )
    rows = session.read.parquet(str(data.folder / "data.parquet"))
    rows = rows.select("label", array_to_vector("features").alias("features"))
    if data.kind == "memory":
        rows = rows.cache()
        rows.count()
    model = LogisticRegression(regParam=0.0, tol=tol, maxIter=1000)
    java = session.sparkContext._gateway.proc.pid
    return SparkFit(model, rows, [java])


def _java_memory() -> str:
    """Return six tenths of the memory of this machine."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{int(0.6 * total / 2**20)}m"

"""One block of rows and params -> sums. Numpy and BLAS only; knows no Dask."""

from dlogreg.kernel.block import Kernel, Rows
from dlogreg.kernel.dense import LossKernel
from dlogreg.kernel.hessian_products import HessianProductsKernel
from dlogreg.kernel.many import ManyKernel
from dlogreg.kernel.row_slab import (
    PRODUCT_VALUES,
    RowSlab,
    long_rows,
    open_slab,
    short_rows,
)
from dlogreg.kernel.slab import Slab, slab_rows
from dlogreg.kernel.softmax import SoftmaxKernel
from dlogreg.kernel.softmax_points import SoftmaxPointsKernel
from dlogreg.kernel.trial_points import TrialPointsKernel

__all__ = [
    "PRODUCT_VALUES",
    "HessianProductsKernel",
    "Kernel",
    "LossKernel",
    "ManyKernel",
    "RowSlab",
    "Rows",
    "Slab",
    "SoftmaxKernel",
    "SoftmaxPointsKernel",
    "TrialPointsKernel",
    "long_rows",
    "open_slab",
    "short_rows",
    "slab_rows",
]

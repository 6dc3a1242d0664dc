"""One block of rows and params -> sums. By numpy, BLAS and numba; knows no Dask."""

from dlogreg.kernel.block import Kernel, Rows
from dlogreg.kernel.compiled_slab import CompiledSlab
from dlogreg.kernel.csr import CSR, as_dense
from dlogreg.kernel.dense import LossKernel
from dlogreg.kernel.hessian_products import HessianProductsKernel
from dlogreg.kernel.many import ManyKernel
from dlogreg.kernel.mixed import Mixed
from dlogreg.kernel.mixed_slab import MixedSlab
from dlogreg.kernel.row_slab import (
    PRODUCT_VALUES,
    ROWS_FROM,
    RowSlab,
    long_rows,
    short_rows,
)
from dlogreg.kernel.slab import Slab, slab_rows
from dlogreg.kernel.slabs import AnySlab, open_slab
from dlogreg.kernel.softmax import SoftmaxKernel
from dlogreg.kernel.softmax_points import SoftmaxPointsKernel
from dlogreg.kernel.sparse_slab import SparseSlab
from dlogreg.kernel.trial_points import TrialPointsKernel

__all__ = [
    "CSR",
    "PRODUCT_VALUES",
    "ROWS_FROM",
    "AnySlab",
    "CompiledSlab",
    "HessianProductsKernel",
    "Kernel",
    "LossKernel",
    "ManyKernel",
    "Mixed",
    "MixedSlab",
    "RowSlab",
    "Rows",
    "Slab",
    "SoftmaxKernel",
    "SoftmaxPointsKernel",
    "SparseSlab",
    "TrialPointsKernel",
    "as_dense",
    "long_rows",
    "open_slab",
    "short_rows",
    "slab_rows",
]

"""One block of rows and params -> sums. Numpy and BLAS only; knows no Dask."""

from dlogreg.kernel.block import Kernel, Rows
from dlogreg.kernel.dense import LossKernel
from dlogreg.kernel.many import ManyKernel
from dlogreg.kernel.row_slab import RowSlab, open_slab
from dlogreg.kernel.slab import Slab, slab_rows
from dlogreg.kernel.softmax import SoftmaxKernel

__all__ = [
    "Kernel",
    "LossKernel",
    "ManyKernel",
    "RowSlab",
    "Rows",
    "Slab",
    "SoftmaxKernel",
    "open_slab",
    "slab_rows",
]

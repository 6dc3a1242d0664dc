"""Files of tables to Zarr groups that are fast to fit."""

from dlogreg.convert.converting import DTYPES, convert
from dlogreg.convert.labels import parse_labels

__all__ = ["DTYPES", "convert", "parse_labels"]

"""Whether a machine or a cluster can make a fit: what each process says, judged.

``probe`` tells what one process is made of, ``asking`` asks all of them, ``judging``
and ``exposure`` turn the answers into ``findings``. Nothing is changed anywhere.
"""

from dlogreg.doctor.asking import examine
from dlogreg.doctor.findings import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]

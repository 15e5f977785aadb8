"""The leak lab: what a program keeps alive, and why. ``pyhmap`` itself does not import it.

>>> from pyhmap import debug
>>> debug.leakcheck(lambda: dict.fromkeys(range(100)), rounds=5).verdict
<Verdict.CLEAN: 'clean'>

``docs/debug.md`` explains the verdicts.
"""

from pyhmap.debug.collector import CollectorWatch
from pyhmap.debug.diagnosis import Diagnosis, Line, TypeGrowth, compare
from pyhmap.debug.meters import Snapshot, snapshot
from pyhmap.debug.reflection import LayoutMismatch, compare_headers, header_by_reflection
from pyhmap.debug.rounds import leakcheck
from pyhmap.debug.slopes import Slope
from pyhmap.debug.verdicts import Trend, Verdict

__all__ = [
    "CollectorWatch",
    "Diagnosis",
    "LayoutMismatch",
    "Line",
    "Slope",
    "Snapshot",
    "Trend",
    "TypeGrowth",
    "Verdict",
    "compare",
    "compare_headers",
    "header_by_reflection",
    "leakcheck",
    "snapshot",
]

"""Makes the harness importable the way it runs: with its own folder first on the module path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "profiling"))

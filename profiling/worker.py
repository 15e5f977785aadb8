"""``python profiling/worker.py MODULE ARGUMENTS``: starts a measuring process, as ``core.runner`` asks for it.

Runs a module of the harness as a program, with this folder first on the module path. Imports nothing else, so that what
a process measures of itself is its module's own.
"""

import runpy
import sys

if __name__ == "__main__":
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

"""A map beside what happens to a whole process: its exit, an interrupt, a second interpreter. The compiled map only.

Forks are in test_threads.py.
"""

import subprocess
import sys
import sysconfig

import numpy as np
import pytest

from pyhmap import HMap
from support import interrupted_after

SECONDS = 60  # a process that takes longer counts as deadlocked


def run(program, *arguments):
    """The standard output of a program, whose exit status must be 0, and its standard error."""
    command = [sys.executable, "-P", "-W", "ignore", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done
    return done.stdout, done.stderr


# A map that daemon threads work on, and N keys. Only a module's own name, not a function, keeps `holder` until the end.
DAEMONS = """
import sys, threading, time, types
import numpy as np
from pyhmap import FrozenMap, HMap

N = 2_000_000
m = HMap(np.int64, np.int64)
keys = np.random.default_rng(1).permutation(N)
m.set_many(keys, 1)
frozen = m.freeze()
began = threading.Event()

def work(call):
    while True:
        began.set()
        call()

def start(call):
    threading.Thread(target=work, args=(call,), daemon=True).start()
    began.wait()
    time.sleep(0.1)
"""


@pytest.mark.parametrize(
    "call",
    [
        "m.set_many(keys, 2)",
        "m.get_many(keys)",
        "m.discard_many(keys[:N // 2])",
        "m.copy()",
        "m.freeze()",
        "m.freeze(threads=2)",
        "FrozenMap.from_arrays(keys, keys)",
        "frozen.get_many(keys)",
        "frozen.positions(keys, threads=2)",
    ],
)
def test_the_interpreter_exits_while_a_daemon_thread_is_in_a_batch(call):
    assert run(f"{DAEMONS}\nstart(lambda: {call})\nstart(lambda: {call})") == ("", "")


@pytest.mark.parametrize("call", ["m.set_many(keys, 2)", "m.get_many(keys)", "m.freeze()"])
def test_a_finaliser_at_exit_does_not_wait_for_a_daemon_thread(call):
    """The thread never gets the GIL again, to release the map."""
    program = f"""{DAEMONS}
class Last:
    def __init__(self):
        self.map, self.print = m, print

    def __del__(self):
        try:
            self.map.set_many([5], 7)
        except RuntimeError as error:
            self.print(error)

sys.modules["holder"] = types.ModuleType("holder")
sys.modules["holder"].last = Last()
del Last
start(lambda: {call})
"""
    out, err = run(program)
    assert "the interpreter exits while a daemon thread is in a batch" in out
    assert err == ""


def test_maps_that_are_alive_at_exit():
    """In globals of a module, in cycles, half iterated, with arrays lent out, in a class, in a thread's storage."""
    out, err = run("""
import threading
import numpy as np
from pyhmap import HMap, HSet, nil

m = HMap(object, object)
m["self"] = m
m[m.get] = [m]
texts = HMap(str, str, {"a text that is longer than a slot": "another that is longer"})
iterator = iter(HMap(np.int64, np.int64, {1: 2, 3: 4}).items())
next(iterator)
growing = HMap(np.int64, np.int64, ((i, i) for i in range(27)))
arrays = growing.bucket_arrays()
local = threading.local()
local.keys = HSet(str, ["a"])
nothing = nil(str, np.int64)
frozen = [texts.freeze(), growing.freeze(), local.keys.freeze()]
rows = [iter(f) for f in frozen]
next(rows[0])
hash(frozen[1])

class Last:
    maps = [m, texts, growing]
    frozen = frozen

    def __del__(self):
        for f in self.frozen:
            list(f)
            f.contains_many(list(f))
        for m in self.maps:
            m.get("a" if m is not growing else 1)
            m.clear()

texts_of_last = Last()
m["last"] = Last()
print("end")
""")
    assert (out, err) == ("end\n", "")


PIECES = 3 << 20  # keys: three pieces, between which signals are handled


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("call", ["set_many", "setdefault_many", "add_many", "factorize", "discard_many"])
def test_an_interrupt_ends_a_batch_between_two_pieces(call):
    m = HMap(np.int64, np.int64, capacity=PIECES)
    keys = np.arange(PIECES)
    if call == "discard_many":
        m.set_many(keys, 0)
    before = len(m)
    arguments = () if call in ("factorize", "discard_many") else (1,)
    with pytest.raises(KeyboardInterrupt), interrupted_after(0.01):
        getattr(m, call)(keys, *arguments)
    assert 0 < abs(len(m) - before) < PIECES
    m.check()
    assert m.contains_many(keys).sum() == len(m)


@pytest.mark.parametrize("first", ["main", "second"])
def test_a_second_interpreter_is_refused_or_works(first):
    """NumPy refuses a second one, whichever of the two imported it first; without a GIL, and before 2.4, one that is
    not the main one. The process goes on."""
    out, err = run(
        """
import sys
try:
    import _interpreters as interpreters  # from Python 3.13 on
    create = lambda: interpreters.create("legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    create = lambda: interpreters.create(isolated=False)

USE = '''
try:
    import numpy as np
    from pyhmap import HMap
    m = HMap(np.int64, np.int64)
    m.set_many(np.arange(1000), 1)
    m.check()
    print("works", flush=True)
except (ImportError, RuntimeError):  # the latter by NumPy 2.3 and earlier
    print("refused", flush=True)
'''
if sys.argv[1] == "main":
    exec(USE)
for _ in range(2):
    second = create()  # without a GIL of its own: one that has its own is refused, also if it is the first
    interpreters.run_string(second, USE)
    interpreters.destroy(second)
exec(USE)
""",
        first,
    )
    said = out.split()
    assert err == ""
    assert set(said) <= {"works", "refused"}
    lone = not sysconfig.get_config_var("Py_GIL_DISABLED") and np.lib.NumpyVersion(np.__version__) >= "2.4.0"
    assert said[0] == "works" or (first == "second" and not lone)
    if first == "main":
        assert said[-1] == "works"


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_a_free_threaded_python_stays_without_a_gil():
    out, err = run("import pyhmap, pyhmap.debug, tophash_cache, sys; print(sys._is_gil_enabled())")
    assert (out, err) == ("False\n", "")

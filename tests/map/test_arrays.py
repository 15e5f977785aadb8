"""The memory of a large map: what is returned to the system, what views keep, and errors when memory runs out."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import psutil
import pytest

from pyhmap import HMap

FULL = 13 << 13  # keys of 2^14 buckets: 2.2 MB, mapped and not allocated


def grown_by_single_writes(m, n):
    for key in range(len(m), n):
        m[key] = key


def test_arrays_that_somebody_holds_keep_their_keys():
    """They are not zeroed, unmapped or reused, even long after the growth."""
    m = HMap(np.int64, np.int64)
    m.set_many(np.arange(FULL), np.arange(FULL))
    held = m.bucket_arrays()
    before = np.sort(held.keys[held.tophash >= 5])
    at = held.tophash >= 5
    grown_by_single_writes(m, 3 * FULL)
    assert m.header().buckets > 2 * len(held.overflow)
    np.testing.assert_array_equal(np.sort(held.keys[at]), before)
    np.testing.assert_array_equal(held.keys[at], held.values[at])
    del m
    np.testing.assert_array_equal(np.sort(held.keys[at]), before)


def resident() -> int:
    return psutil.Process().memory_info().rss


@pytest.mark.release_only
@pytest.mark.slow
def test_the_old_array_goes_back_to_the_system_while_single_writes_go_on():
    """After the growth the map takes little more than its rows in use, and during the growth less than both arrays."""
    start = resident()
    m = HMap(np.int64, np.int64)
    m.set_many(np.arange(64 * FULL), 0)
    assert m.header().oldbuckets == 0
    settled = resident() - start
    most = 0
    for key in range(64 * FULL, 64 * FULL + (1 << 20)):
        m[key] = 0
        if key % 5000 == 0:
            most = max(most, resident() - start)
    assert m.header().oldbuckets == 0
    after = resident() - start
    assert settled < 1.15 * 64 * FULL * 27
    assert most < 3 * settled
    assert after < 1.15 * m.nbytes


def test_tracemalloc_sees_buckets():
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        m = HMap(np.int64, np.int64, capacity=8 * FULL)
        held = tracemalloc.get_traced_memory()[0] - before
        assert held > (1 << 17) * (8 + 128 + 4)
        del m
        assert tracemalloc.get_traced_memory()[0] - before < held / 100
    finally:
        tracemalloc.stop()


def in_a_process(code: str) -> str:
    """The output of a new process that runs the code."""
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout


LIMITED = """
import resource
import numpy as np
from pyhmap import HMap
m = HMap(np.int64, np.int64)
m.set_many(np.arange({keys}), np.arange({keys}))
m.finish_growth()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {spare}, -1))
"""


def test_no_memory_for_a_growth_is_an_error_and_changes_nothing():
    code = LIMITED.format(keys=13 << 16, spare=1 << 22)
    code += """
try:
    m[-1] = 1
except MemoryError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
print(len(m), -1 in m, m[5], m.header().oldbuckets)
m[5] = 6
m.check()
"""
    message, rest = in_a_process(code).split("\n", 1)
    assert message.startswith("no memory for")
    assert rest.split() == [str(13 << 16), "False", "5", "0"]


@pytest.mark.slow
def test_no_memory_for_a_smaller_array_does_not_fail_the_deletion():
    """The deletion is done. A later one shrinks the table, when there is memory."""
    code = LIMITED.format(keys=13 << 18, spare=1 << 16)
    code += """
for key in range(13 << 15, 13 << 18):
    del m[key]
m.pop((13 << 15) - 1)
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
print(len(m), m.stats().shrinks, m.header().buckets)
m.pop(0)
print(len(m), m.stats().shrinks, m.header().buckets)
"""
    numbers = list(map(int, in_a_process(code).split()))
    assert numbers == [(13 << 15) - 1, 0, 1 << 19, (13 << 15) - 2, 1, 1 << 17]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.slow
def test_a_fork_in_the_middle_of_a_growth():
    """Parent and child both continue, each with its own array."""
    m = HMap(np.int64, np.int64)
    m.set_many(np.arange(8 * FULL), 7)
    m[-1] = 7
    assert m.header().oldbuckets
    child = os.fork()
    if child == 0:
        try:
            grown_by_single_writes(m, 9 * FULL)
            m.finish_growth()
            m.check()
            os._exit(0 if (m.get_many(np.arange(8 * FULL)) == 7).all() else 1)
        except BaseException:
            os._exit(2)
    grown_by_single_writes(m, 9 * FULL)
    assert os.waitpid(child, 0)[1] == 0
    m.check()
    assert (m.get_many(np.arange(8 * FULL)) == 7).all()

"""Arrays that change while a frozen map is built from them: an error, or a map that passes check().

`progress` is called between the steps of a build, so what it does to the arrays happens at a known place.
"""

import threading

import numpy as np
import pyarrow as pa
import pytest

from pyhmap import FrozenMap
from pyhmap._reference.frozen import PART_KEYS
from support import hash_key_of

ONE_PART, SEVERAL = 600, PART_KEYS * 5 // 2
sizes = pytest.mark.parametrize("n", [ONE_PART, SEVERAL])
WIDTH = 20  # bytes of a text, which is too long for a row
CHANGED = "another thread changed the arrays while they were read: nothing was frozen"


# ---- arrays, and the bytes that they are over ------------------------------------------------------------------------


def bytes_of_texts(n):
    """n different texts: one row of bytes each. Only digits in the middle differ."""
    return np.array([b"%0*d." % (WIDTH - 1, i) for i in range(n)]).view(np.uint8).reshape(n, WIDTH)


def bytes_of_words(n, dtype):
    """n different words: one row of bytes each."""
    words = np.random.default_rng(n).permutation(n).astype(dtype)
    return words.view(np.uint8).reshape(n, words.itemsize)


def arrow_column(data, dtype):
    n = len(data)
    offsets = np.arange(0, (n + 1) * WIDTH, WIDTH, np.int32)
    return pa.Array.from_buffers(dtype, n, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def arrow_views(data):
    n = len(data)
    views = np.zeros((n, 4), np.int32)
    views[:, 0], views[:, 3] = WIDTH, np.arange(n) * WIDTH
    views[:, 1] = np.ascontiguousarray(data[:, :4]).view(np.int32).ravel()
    return pa.Array.from_buffers(pa.string_view(), n, [None, pa.py_buffer(views), pa.py_buffer(data)])


WORDS = {
    "int64": lambda data: data.reshape(-1).view(np.int64),
    "int32": lambda data: data.reshape(-1).view(np.int32),
    "float64": lambda data: data.reshape(-1).view(np.float64),
    "times": lambda data: data.reshape(-1).view("M8[s]"),
    "Arrow ints": lambda data: pa.Array.from_buffers(pa.int64(), len(data), [None, pa.py_buffer(data)]),
}
TEXTS = {
    "S": lambda data: data.reshape(-1).view(f"S{WIDTH}"),
    "V": lambda data: data.reshape(-1).view(f"V{WIDTH}"),
    "records": lambda data: data.reshape(-1).view([("a", "i8"), ("b", "i4"), ("c", "V8")]),
    "Arrow strings": lambda data: arrow_column(data, pa.string()),
    "Arrow binaries": lambda data: arrow_column(data, pa.binary()),
    "Arrow string views": arrow_views,
}
kinds = pytest.mark.parametrize("kind", [*WORDS, *TEXTS])
BYTE = {"int32": 3, "float64": 0}  # which is the same in all items, or no digit of theirs; 5 in the others


def source(kind, n):
    """An array of n different items, and their bytes, which can be changed."""
    if kind in TEXTS:
        data = bytes_of_texts(n)
        return TEXTS[kind](data), data
    data = bytes_of_words(n, kind if kind in ("int32", "float64") else np.int64)
    return WORDS[kind](data), data


def items(array):
    return (
        array.to_pylist() if isinstance(array, pa.Array) else list(array) if array.dtype.kind == "M" else array.tolist()
    )


def change(data, column):
    """Make another item of each, of which no two are equal; the second time, what it was."""
    data[:, column] ^= 1


class At:
    """A progress function that does something in its calls of these numbers."""

    def __init__(self, calls, act):
        self.calls, self.act, self.called = calls, act, 0

    def __call__(self, fraction):
        if self.called in self.calls:
            self.act()
        self.called += 1


def calls_of(kind, n):
    """How often progress is called in a build."""
    progress = At((), None)
    FrozenMap.from_arrays(source(kind, n)[0], np.arange(n), progress=progress, seed=1)
    return progress.called


def outcome(keys, before, after, **settings):
    """What becomes of a build: a map of the keys as they were before, or as they are after, or an error."""
    n, message = len(before), None
    try:
        f = FrozenMap.from_arrays(keys, np.arange(n), seed=1, **settings)
    except RuntimeError as error:
        message = str(error)
    if message is not None:
        assert message == CHANGED
        return "error"
    f.check()
    assert len(f) == n
    name, expected = ("before", before) if before[0] in f else ("after", after)
    assert f.get_many(expected).tolist() == list(range(n))
    return name


def outcomes(kind, n, column, *, back_at=None):
    """For each call of progress: what becomes of the build if the keys change in it, or also change back in another."""
    found = []
    for step in range(calls_of(kind, n)):
        keys, data = source(kind, n)
        before = items(keys)
        change(data, column)
        after = items(keys)
        assert len({*before, *after}) == 2 * n
        change(data, column)
        steps = {step} ^ {back_at}
        found.append(outcome(keys, before, after, progress=At(steps, lambda data=data: change(data, column))))
    return found


# ---- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WORDS)
@sizes
def test_words_are_read_twice_and_then_never_again(kind, n):
    """Both passes must find as many keys in each part."""
    first, *later = outcomes(kind, n, BYTE.get(kind, 5))
    assert first == ("after" if n == ONE_PART else "error")
    assert set(later) == {"before"}


@pytest.mark.parametrize("kind", [kind for kind in TEXTS if kind != "records"])
@pytest.mark.parametrize("column", [0, 3, 4, WIDTH - 1])
@sizes
def test_long_texts_are_read_until_they_are_copied(kind, n, column):
    """Also the first bytes, which each row has by itself."""
    found = outcomes(kind, n, column)
    assert "error" in found
    assert found[-2:] == ["before", "before"]  # they have been copied, and the map is done
    assert column >= 4 or "after" not in found


def test_records_are_copied_at_once():
    assert set(outcomes("records", ONE_PART, 0)) == {"before"}


@kinds
def test_keys_that_change_back_make_a_map_of_one_state_or_none(kind):
    for back_at in range(calls_of(kind, ONE_PART)):
        found = outcomes(kind, ONE_PART, BYTE.get(kind, 5), back_at=back_at)
        assert found[back_at] == "before"  # both in one call: nothing has changed


@pytest.mark.parametrize("kind", ["int64", "int32", "S", "Arrow strings"])
def test_keys_that_become_equal_are_named(kind):
    keys, data = source(kind, ONE_PART)

    def act():
        data[5] = data[3]

    with pytest.raises(ValueError, match=r"keys\[5\] is .*, as keys\[3\] is") as raised:
        FrozenMap.from_arrays(keys, np.arange(ONE_PART), progress=At([0], act))
    assert f"is {items(keys)[3]!r}, as" in str(raised.value)


def test_equal_hashes_of_keys_that_are_not_equal_draw_another_hash_key():
    """The keys are equal while they are copied, and not any more when duplicates are looked for: the same happens where
    two texts have one hash by chance."""
    keys, data = source("int64", ONE_PART)
    before, own = items(keys), data[5].copy()

    def act():
        data[5] = data[3] if (data[5] == own).all() else own

    f = FrozenMap.from_arrays(keys, np.arange(ONE_PART), progress=At([0, 1], act), seed=1)
    assert f._sections()[0] == hash_key_of(1, draw=1)
    assert dict(f) == {key: i for i, key in enumerate(before)}
    f.check()


# ---- values ----------------------------------------------------------------------------------------------------------


@kinds
def test_values_that_change_are_as_they_were_or_as_they_are(kind):
    keys, calls = np.arange(ONE_PART), At((), None)
    FrozenMap.from_arrays(keys, source(kind, ONE_PART)[0], progress=calls)
    for step in range(calls.called):
        values, data = source(kind, ONE_PART)
        before = items(values)
        act = At([step], lambda data=data: change(data, BYTE.get(kind, 5)))
        f = FrozenMap.from_arrays(keys, values, progress=act)
        f.check()
        assert before != items(values)
        assert items(f.get_many(keys)) in (before, items(values))


# ---- at any moment ---------------------------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("threads", [1, 2])
def test_another_thread_changes_keys_and_values_all_the_while(kind, threads):
    n, column = max(SEVERAL, 70_000), BYTE.get(kind, 5)
    keys, data = source(kind, n)
    values, value_data = source(kind, n)
    before = items(keys)
    change(data, column)
    after = items(keys)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            change(data, column)
            change(value_data, column)

    worker = threading.Thread(target=work)
    worker.start()
    messages = set()
    try:
        for _ in range(4):
            try:
                f = FrozenMap.from_arrays(keys, values, threads=threads)
            except RuntimeError as error:
                messages.add(str(error))
            else:
                f.check()
                assert (f.contains_many(before) ^ f.contains_many(after)).all()
                assert len(f.values_array()) == n
    finally:
        stop.set()
        worker.join()
    assert messages <= {CHANGED}
    assert len(FrozenMap.from_arrays(keys, values, threads=threads)) == n

"""What the tests of generations run in other processes: it must be importable there."""

import numpy as np

from pyhmap import Publisher

KEYS = np.arange(1000)


def content_of(m):
    """The one value that all keys of a generation have."""
    values = m.get_many(KEYS)
    assert len(m) == len(KEYS)
    assert (values == values[0]).all()
    return int(values[0])


def answer(subscriber, connection):
    """For each message: what the current generation holds, and its number."""
    while connection.recv() is not None:
        connection.send((content_of(subscriber.current()), subscriber.generation))


def answer_both_ways(subscriber, connection):
    """For each list of keys: their codes in the current index, the keys of these codes, and the number."""
    while (keys := connection.recv()) is not None:
        ix = subscriber.current()
        codes = ix.encode(keys)
        connection.send((codes.tolist(), ix.decode(codes, to="list", missing=None), subscriber.generation))


def try_to_publish(folder, connection):
    """Says the error that a second Publisher meets."""
    try:
        Publisher(folder, "users").close()
        connection.send(None)
    except OSError as error:
        connection.send((type(error).__name__, str(error)))

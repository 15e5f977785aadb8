"""Pickles that earlier releases wrote: each stays readable.

`PYTHONPATH=tests python tests/map/test_pickle_golden.py` writes those of the present release, once, when their content
is new. A pickle of a release is never written again.
"""

import pickle
from pathlib import Path

import pytest

from golden_maps import PICKLED

GOLDEN = Path(__file__).parent.parent / "golden"
PROTOCOLS = (2, 5)


def path_of(name, protocol):
    return GOLDEN / f"{name.replace(' ', '-')}-1.protocol-{protocol}.pickle"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", PICKLED)
def test_a_pickle_of_an_earlier_release_is_read(name, protocol):
    made = pickle.loads(path_of(name, protocol).read_bytes())
    expected = PICKLED[name]()
    assert type(made) is type(expected)
    assert made == expected
    assert made.key_dtype == expected.key_dtype
    assert getattr(made, "value_dtype", None) == getattr(expected, "value_dtype", None)
    if hasattr(made, "check"):
        made.check()


if __name__ == "__main__":
    for name, make in PICKLED.items():
        for protocol in PROTOCOLS:
            if not path_of(name, protocol).exists():
                path_of(name, protocol).write_bytes(pickle.dumps(make(), protocol))

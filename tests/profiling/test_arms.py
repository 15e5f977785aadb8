"""All arms do the same work: equal digests and equal counts, against the xxhash package and a Counter."""

from collections import Counter

import numpy as np
import pytest
import xxhash

import arms
import corpus
import worker

# "self" comes several times in each request: a count may not be lost when its key repeats.
NAMES = [f"name{n}" if n % 9 else "self" for n in range(200)]
WORDS = ["self", "größe", "", "k" * 32, "k" * 33, "k" * 200, *NAMES] * 3
TEXT = "\n".join(WORDS)


@pytest.mark.parametrize("name", arms.NAMES)
def test_an_arm_counts_every_identifier(name: str) -> None:
    vocabulary = corpus.vocabulary(TEXT)
    arm = arms.build(name, vocabulary, seed=7)
    worker.run_requests(arm.request, corpus.requests(TEXT))
    counted = Counter(WORDS)

    assert np.asarray(arm.counts).tolist() == [counted[word] for word in vocabulary]


@pytest.mark.parametrize("name", arms.NAMES)
def test_an_arm_hashes_as_the_xxhash_package_does(name: str) -> None:
    arm = arms.build(name, corpus.vocabulary(TEXT), seed=7)

    for keys in corpus.requests(TEXT):
        assert list(arm.hash_keys(keys)) == [xxhash.xxh64_intdigest(key.encode()) for key in keys]


def test_an_unknown_arm_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"'cach'.*oneshot"):
        arms.build("cach", ["a"], seed=0)


def test_verification_tells_wrong_digests_and_wrong_counts_from_right_ones() -> None:
    good = worker.verify(arms.build("before", corpus.vocabulary(TEXT), seed=1), TEXT)
    assert worker.verify(arms.build("batch", corpus.vocabulary(TEXT), seed=2), TEXT) == good

    other = worker.verify(arms.build("before", corpus.vocabulary(TEXT), seed=1), TEXT + "\nself")

    assert good["digests_sha256"] != other["digests_sha256"]
    assert good["counts_sha256"] != other["counts_sha256"]

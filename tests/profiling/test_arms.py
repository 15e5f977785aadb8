"""All arms do the same work: equal digests and equal counts, against the xxhash package and a Counter."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import xxhash

from core import corpus
from table import arms, worker

# "self" comes several times in each request: a count may not be lost when its key repeats.
NAMES = [f"name{n}" if n % 9 else "self" for n in range(200)]
WORDS = ["self", "größe", "", "k" * 32, "k" * 33, "k" * 200, *NAMES] * 3
TEXT = "\n".join(WORDS)


def buildable(name: str) -> str:
    if reason := arms.missing(name):
        pytest.skip(reason)
    return name


def keys_of(key_type: str) -> list[Any]:
    return [word.encode() for word in WORDS] if key_type == "bytes" else list(WORDS)


@pytest.mark.parametrize("key_type", ["str", "bytes"])
@pytest.mark.parametrize("name", arms.NAMES)
def test_an_arm_counts_every_key(name: str, key_type: str) -> None:
    vocabulary = corpus.vocabulary(TEXT, key_type)
    arm = arms.build(buildable(name), vocabulary, seed=7)
    worker.run_requests(arm.request, corpus.requests(TEXT, key_type))
    counted = Counter(keys_of(key_type))

    assert np.asarray(arm.counts).tolist() == [counted[word] for word in vocabulary]


@pytest.mark.parametrize("key_type", ["str", "bytes"])
@pytest.mark.parametrize("name", arms.NAMES)
def test_an_arm_hashes_as_the_xxhash_package_does(name: str, key_type: str) -> None:
    arm = arms.build(buildable(name), corpus.vocabulary(TEXT, key_type), seed=7)

    for keys in corpus.requests(TEXT, key_type):
        encoded = [key if isinstance(key, bytes) else key.encode() for key in keys]
        assert list(arm.hash_keys(keys)) == [xxhash.xxh64_intdigest(key) for key in encoded]


@pytest.mark.parametrize("name", arms.NAMES)
def test_a_request_without_its_hashing_counts_the_same(name: str) -> None:
    arm = arms.build(buildable(name), corpus.vocabulary(TEXT), seed=7)
    if arm.count_only is None:
        pytest.skip("this arm hashes where it looks up")
    boxes = [[arm.hash_keys(keys)] for keys in corpus.requests(TEXT)]
    worker.run_requests(arm.count_only, boxes)

    assert sum(arm.counts) == len(WORDS)
    assert boxes == [[]] * len(boxes)  # the digests are freed where a request frees its own


@pytest.mark.parametrize("name", arms.NAMES)
def test_an_arm_begins_with_an_empty_cache(name: str) -> None:
    cache = arms.build(buildable(name), corpus.vocabulary(TEXT), seed=7).cache

    assert cache is None or cache.cache_info()[:2] == (0, 0)


def test_an_arm_that_these_packages_cannot_build_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def older(*arguments: object, **options: object) -> None:
        raise TypeError("unexpected keyword argument 'hash_cache'")

    monkeypatch.setattr(arms.pyhmap, "HMap", older)

    assert "hash_cache" in str(arms.missing("inside"))
    assert arms.missing("cache") is None


def test_an_unknown_arm_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"'cach'.*oneshot"):
        arms.build("cach", ["a"], seed=0)


def verified(name: str, text: str) -> dict[str, Any]:
    return worker.verify(arms.build(name, corpus.vocabulary(TEXT), seed=1), lambda: corpus.requests(text))


def test_verification_tells_wrong_digests_and_wrong_counts_from_right_ones() -> None:
    good = verified("before", TEXT)
    assert verified("batch", TEXT) == good

    other = verified("before", TEXT + "\nself")

    assert good["digests_sha256"] != other["digests_sha256"]
    assert good["counts_sha256"] != other["counts_sha256"]

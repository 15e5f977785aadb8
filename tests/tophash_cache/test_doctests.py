"""Runs every example in the cache's docstrings and on its page. Every public object has one."""

import doctest
from pathlib import Path

import pytest

import tophash_cache
from tophash_cache import (
    TopHashCache,
    __main__,
    _arrow,
    _cache,
    _hashing,
    break_even,
    config,
    containers,
    controller,
    stats,
)

PAGE = Path(__file__).parents[2] / "docs" / "tophash_cache.md"

# doctest does not look into compiled classes and functions, so their docstrings are listed here.
COMPILED = {
    "xxh64": _hashing.xxh64,
    "hash_arrow": _arrow.hash_arrow,
    "TopHashCache": TopHashCache,
    **{f"TopHashCache.{name}": getattr(TopHashCache, name) for name in vars(TopHashCache) if not name.startswith("_")},
}


def run(test: doctest.DocTest) -> None:
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize(
    "module",
    [tophash_cache, __main__, break_even, config, containers, controller, stats],
    ids=lambda module: module.__name__,
)
def test_examples_of_modules(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", [name for name in COMPILED if name != "TopHashCache.settings"])
def test_examples_of_compiled_objects(name):
    test = doctest.DocTestParser().get_doctest(
        COMPILED[name].__doc__, {**vars(_arrow), **vars(_cache), "xxh64": _hashing.xxh64}, name, None, 0
    )
    assert test.examples
    run(test)


def test_examples_of_the_page():
    text = PAGE.read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert test.examples
    run(test)

"""One round of each public call of ``tophash_cache``, and of the records that both packages return."""

import atexit
import contextlib
import io
import pickle
import shutil
import tempfile
from pathlib import Path

import tophash_cache
from leaks.recipes.kit import Call, Kit, raises, recipe
from tophash_cache import TopHashCache

# --- errors ---


@recipe("pyhmap.CorruptMapError()", "pyhmap.FileFormatError()", "pyhmap.NilMapError()", "tophash_cache.ConfigError()")
def _(call: Call, kit: Kit) -> None:
    call("a reason")


# --- tophash_cache ---


@recipe("tophash_cache.xxh64")
def _(call: Call, kit: Kit) -> None:
    for key in ("user:42", b"user:42", bytearray(b"user"), memoryview(b"user"), "ä" * 40):
        call(key)
        call(key, 7)
    raises(TypeError, call, 7)
    raises(UnicodeEncodeError, call, "\ud800")
    raises(TypeError, call, "a", "seed")


@recipe("TopHashCache()")
def _(call: Call, kit: Kit) -> None:
    call()
    call(max_entries=10, window=64)
    raises(tophash_cache.ConfigError, call, max_entries=0)
    raises(tophash_cache.ConfigError, call, entries=10)


@recipe("TopHashCache.hash", "TopHashCache.tophash")
def _(call: Call, kit: Kit) -> None:
    for text in kit.texts[:4]:
        call(kit.cache, text)
    # New texts: the cache fills, evicts and switches itself off and on.
    kit.new = getattr(kit, "new", 0) + 1
    call(kit.cache, f"new {kit.new}")
    for key in (b"user:42", bytearray(b"user"), "long " * 20):
        call(kit.cache, key)
    raises(TypeError, call, kit.cache, 7)


@recipe("TopHashCache.hash_many")
def _(call: Call, kit: Kit) -> None:
    for texts in kit.text_batches:
        call(kit.cache, texts)
    raises(TypeError, call, kit.cache, [1, 2])
    raises(TypeError, call, kit.cache, 7)


@recipe("TopHashCache.cache_info", "TopHashCache.stats", "TopHashCache.settings", "TopHashCache.__repr__")
def _(call: Call, kit: Kit) -> None:
    kit.cache.hash(kit.texts[0])
    call(kit.cache)


@recipe("TopHashCache.enable", "TopHashCache.disable", "TopHashCache.clear")
def _(call: Call, kit: Kit) -> None:
    kit.cache.enable()
    kit.cache.hash(kit.texts[0])
    call(kit.cache)


@recipe("TopHashCache.__reduce__")
def _(call: Call, kit: Kit) -> None:
    raises(TypeError, call, kit.cache)
    raises(TypeError, pickle.dumps, kit.cache)


@recipe("tophash_cache.configure")
def _(call: Call, kit: Kit) -> None:
    call(enabled=False, window=128)
    call(enabled=None, window=None)
    raises(tophash_cache.ConfigError, call, enabled="perhaps")


@recipe("tophash_cache.option_context")
def _(call: Call, kit: Kit) -> None:
    with call(max_entries=10):
        TopHashCache()
    with contextlib.suppress(ZeroDivisionError), call(max_entries=10):
        raise ZeroDivisionError


@recipe("tophash_cache.show_config")
def _(call: Call, kit: Kit) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        call()


@recipe("tophash_cache.load_config")
def _(call: Call, kit: Kit) -> None:
    if not hasattr(kit, "folder"):
        kit.folder = Path(tempfile.mkdtemp(prefix="zero-growth-"))
        atexit.register(shutil.rmtree, kit.folder)
        (kit.folder / "good.toml").write_text("window = 128\n")
        (kit.folder / "bad.toml").write_text("window = 'wide'\n")
    call(kit.folder / "good.toml")
    for name in ("bad.toml", "none.toml"):
        raises(tophash_cache.ConfigError, call, kit.folder / name)


# --- records: what the calls give back ---


@recipe("tophash_cache.CacheInfo()", "tophash_cache.Transition()")
def _(call: Call, kit: Kit) -> None:
    call(1, 2, 3, 4)


@recipe("tophash_cache.CacheStats()", "tophash_cache.Settings()")
def _(call: Call, kit: Kit) -> None:
    call(**{name: getattr(kit.subject, name) for name in call.__dataclass_fields__})
    raises(TypeError, call, 7)


@recipe("tophash_cache.CacheStats.__init__", "tophash_cache.Settings.__init__")
def _(call: Call, kit: Kit) -> None:
    call(kit.subject, **{name: getattr(kit.subject, name) for name in kit.subject.__dataclass_fields__})


@recipe("tophash_cache.Mode()")
def _(call: Call, kit: Kit) -> None:
    call("bypass")
    raises(ValueError, call, "perhaps")


@recipe("__hash__")
def _(call: Call, kit: Kit) -> None:
    with contextlib.suppress(TypeError):  # a record that has a dict
        call(kit.subject)


@recipe("__class_getitem__")
def _(call: Call, kit: Kit) -> None:
    call(int)


@recipe("__repr__", "__str__", "__getstate__", "__getnewargs__", "__iter__", "__len__")
def _(call: Call, kit: Kit) -> None:
    call(kit.subject)


@recipe("__eq__")
def _(call: Call, kit: Kit) -> None:
    call(kit.subject, kit.subject)
    call(kit.subject, 7)


@recipe("__format__")
def _(call: Call, kit: Kit) -> None:
    call(kit.subject, ">10")


@recipe("__setstate__")
def _(call: Call, kit: Kit) -> None:
    call(kit.subject, kit.subject.__getstate__())
    pickle.loads(pickle.dumps(kit.subject))


# Python's dataclasses with slots raise one or the other for a name that is no field (CPython issue 90562).
REFUSALS = (AttributeError, TypeError)


@recipe("__setattr__")
def _(call: Call, kit: Kit) -> None:
    raises(REFUSALS, call, kit.subject, "window", 1)


@recipe("__delattr__")
def _(call: Call, kit: Kit) -> None:
    raises(REFUSALS, call, kit.subject, "window")

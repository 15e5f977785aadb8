"""The result types of `cache_info()` and `stats()`."""

from dataclasses import dataclass
from typing import NamedTuple

from tophash_cache.controller import Mode


class CacheInfo(NamedTuple):
    """The four numbers of `functools.lru_cache`'s `cache_info()`, with the same names.

    `hits` and `misses` count look-ups only. A key that was hashed directly counts as neither.

    Example:
        >>> from tophash_cache import CacheInfo
        >>> CacheInfo(hits=1, misses=2, maxsize=10, currsize=2).misses
        2
    """

    hits: int
    misses: int
    maxsize: int
    currsize: int


class Transition(NamedTuple):
    """A change of mode, after `call` calls of `hash`. `hit_rate` is that of the look-ups before it, or None."""

    call: int
    old: Mode
    new: Mode
    hit_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """Counters of one cache since it was built. `clear`, `enable` and `disable` do not reset them.

    Each call of `hash` or `tophash` that returned is counted once: in hits, misses, bypassed, oversize or uncacheable.
    """

    mode: Mode  #: the current mode
    hits: int  #: look-ups answered from the cache
    misses: int  #: look-ups that hashed
    window_hit_rate: float | None  #: hit rate (0 to 1) of the last complete window; None before the first
    bypassed: int  #: calls hashed directly because the cache was off or in bypass
    oversize: int  #: keys hashed directly because they are longer than `max_key_bytes`; not in the hit rate
    uncacheable: int  #: keys hashed directly because of their type; not in the hit rate
    entries: int  #: keys that are cached now
    nbytes: int  #: bytes of these keys, their digests and the tables
    evictions: int  #: keys dropped to make room
    rejected: int  #: missed keys that were not stored, because the cache was full and saw them for the first time
    probes: int  #: the number of probes
    next_probe_in: int | None  #: direct calls until the next probe; None outside bypass
    #: The last 64 changes of mode, oldest first; a new cache is disabled at first
    transitions: tuple[Transition, ...]

    @property
    def hit_rate(self) -> float | None:
        """Hits among all look-ups, 0 to 1; None before the first look-up.

        >>> from tophash_cache import TopHashCache
        >>> cache = TopHashCache()
        >>> _ = [cache.hash(key) for key in ("a", "b", "a", "a")]
        >>> cache.stats().hit_rate
        0.5
        """
        lookups = self.hits + self.misses
        return self.hits / lookups if lookups else None

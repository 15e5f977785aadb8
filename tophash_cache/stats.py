"""What a cache tells about itself. Owns the result types; imports `controller` for the names of the modes."""

from dataclasses import dataclass
from typing import NamedTuple

from tophash_cache.controller import Mode


class CacheInfo(NamedTuple):
    """The four numbers of `functools.lru_cache`'s `cache_info()`, under the same names.

    `hits` and `misses` count look-ups only: a key that was hashed directly is neither.
    """

    hits: int
    misses: int
    maxsize: int
    currsize: int


class Transition(NamedTuple):
    """A change of mode. `call` is the number of `hash` calls before it; `hit_rate` is None if it was not judged."""

    call: int
    old: Mode
    new: Mode
    hit_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """Counters of one cache since it was built; `clear`, `enable` and `disable` leave them as they are.

    Every call of `hash` or `tophash` that returned is counted once: in hits, misses, bypassed, oversize or uncacheable.

    Attributes:
        mode: what the cache is doing now.
        hits: look-ups answered from the cache.
        misses: look-ups that had to hash.
        window_hit_rate: hit rate (0 to 1) of the last complete window, or None before the first.
        bypassed: calls hashed directly because the cache was off or in bypass.
        oversize: keys hashed directly because they are longer than `max_key_bytes`; no part of the hit rate.
        uncacheable: keys hashed directly because of their type; no part of the hit rate.
        entries: keys held now.
        nbytes: bytes that they, their digests and the cache's tables take.
        evictions: keys dropped to make room.
        rejected: missed keys that were not stored: a full cache saw them for the first time.
        probes: times a bypass ended in a probe.
        next_probe_in: direct calls until the next probe, or None outside bypass.
        transitions: the last 64 changes of mode, oldest first; a cache begins as disabled.
    """

    mode: Mode
    hits: int
    misses: int
    window_hit_rate: float | None
    bypassed: int
    oversize: int
    uncacheable: int
    entries: int
    nbytes: int
    evictions: int
    rejected: int
    probes: int
    next_probe_in: int | None
    transitions: tuple[Transition, ...]

    @property
    def hit_rate(self) -> float | None:
        """Hits among all look-ups, 0 to 1; None before the first look-up."""
        lookups = self.hits + self.misses
        return self.hits / lookups if lookups else None

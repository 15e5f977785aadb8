"""A bounded, adaptive cache of XXH64 digests, and XXH64 itself, compiled.

Example:
    >>> from tophash_cache import TopHashCache, xxh64
    >>> cache = TopHashCache()
    >>> cache.hash("user:42") == xxh64("user:42")
    True
"""

from tophash_cache._cache import TopHashCache
from tophash_cache._hashing import xxh64
from tophash_cache.config import ConfigError, Settings, configure, load_config, option_context, show_config
from tophash_cache.controller import Mode
from tophash_cache.stats import CacheInfo, CacheStats, Transition

__all__ = [
    "CacheInfo",
    "CacheStats",
    "ConfigError",
    "Mode",
    "Settings",
    "TopHashCache",
    "Transition",
    "configure",
    "load_config",
    "option_context",
    "show_config",
    "xxh64",
]

"""Settings of the cache: their values, their origins, and the errors for invalid ones.

Owns the settings and their layers. The later layer wins:

    defaults < file < environment < configure() < option_context() < arguments of TopHashCache

The file is the one given to `load_config`, or named by $TOPHASH_CACHE_CONFIG when the package is imported. The working
folder is never searched. The environment is read once, at import. A cache reads its settings when it is built. Later
changes of `enabled` by `configure` or `load_config` also apply to caches that have it from these or lower layers.
"""

import difflib
import os
import threading
import tomllib
import warnings
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, TypedDict, Unpack

ENVIRONMENT_PREFIX = "TOPHASH_CACHE"
TABLE = "tool.tophash-cache"
POLICIES = ("cost", "hit-rate", "always")

# The range of each number. 2**24 entries take some 3 GB; a larger value is probably a wrong unit. 1024 bytes per key
# limit the memory of the entries. Fewer than 64 look-ups are too small a sample of a hit rate.
RANGES: dict[str, tuple[float, float]] = {
    "max_entries": (1, 1 << 24),
    "max_key_bytes": (1, 1024),
    "hit_rate_floor": (0.0, 1.0),
    "resume_at": (0.0, 1.0),
    "window": (64, 1 << 24),
}

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


class ConfigError(ValueError):
    """A setting with an unknown name or an invalid value. The message names both, the origin, and what is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one cache, with their defaults.

    Example:
        >>> from tophash_cache import Settings
        >>> Settings().max_entries
        8192
    """

    enabled: bool = True  #: False: each call hashes, and nothing is kept
    #: Entries at most. A larger cache saves time if thousands of keys repeat. It costs time if none does, since finding
    #: that out takes as many look-ups. 8192 is a compromise. A full cache takes some 1.5 MB: about 180 bytes per entry
    #: (key, digest, places in tables).
    max_entries: int = 8192
    #: Longer keys are not kept. In bytes of UTF-8. The default is the limit of the article on Go's map that this
    #: project follows (README, "The article").
    max_key_bytes: int = 32
    #: Below this hit rate the cache turns itself off. The default is the rule of that article. The rate at which a
    #: cache breaks even depends on the machine and the type of the keys.
    hit_rate_floor: float = 0.85
    #: From this hit rate on it turns itself on again. Five points above the floor, three times the sampling error of a
    #: window, so that the cache does not oscillate.
    resume_at: float = 0.90
    #: Look-ups after which the hit rate is judged. At 0.85 the 95 % sampling error is 1.5 points (with 256 look-ups,
    #: 4.4). Failed probes take longer with longer windows.
    window: int = 2048
    #: "hit-rate" turns the cache off while it misses too often. "cost" also turns it off if trials on the program's own
    #: calls do not find look-ups faster than hashing. "always" keeps it on.
    policy: str = "cost"


class Options(TypedDict, total=False):
    """The settings as keyword arguments. None means "not given"."""

    enabled: bool | None
    max_entries: int | None
    max_key_bytes: int | None
    hit_rate_floor: float | None
    resume_at: float | None
    window: int | None
    policy: str | None


class _Follower(Protocol):
    def _follow(self, enabled: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class _Choice:
    value: Any
    origin: str


_Layer = dict[str, _Choice]

_NAMES = tuple(field.name for field in fields(Settings))
_DEFAULTS: _Layer = {field.name: _Choice(field.default, "default") for field in fields(Settings)}

# Reentrant, because a signal handler may call configure() while the same thread is inside it.
lock = threading.RLock()
_file: _Layer = {}
_environment: _Layer = {}
_configured: _Layer = {}
_context: ContextVar[_Layer | None] = ContextVar("tophash_cache_options", default=None)
_followers: weakref.WeakSet[Any] = weakref.WeakSet()


def configure(**settings: Unpack[Options]) -> None:
    """Change settings for the whole process.

    `enabled` also applies to existing caches, unless they have it from `option_context`, an argument, `enable` or
    `disable`. Other settings apply to caches that are built later. None removes a setting from this layer.

    Args:
        **settings: fields of `Settings`.

    Raises:
        ConfigError: a name or value is invalid; nothing has changed.

    Example:
        >>> from tophash_cache import TopHashCache, configure
        >>> cache = TopHashCache()
        >>> configure(enabled=False)
        >>> cache.stats().mode
        <Mode.DISABLED: 'disabled'>
        >>> configure(enabled=None)
        >>> cache.stats().mode
        <Mode.WARM_UP: 'warm-up'>
    """
    global _configured
    with lock:
        layer = _override(_configured, settings, "configure()")
        _merge(_file, _environment, layer)
        _configured = layer
        _notify()


def load_config(path: str | os.PathLike[str]) -> None:
    """Read the file layer from a TOML file. It replaces the file that was loaded before.

    In a file named `pyproject.toml`, or one with a table `[tool]`, the settings are in `[tool.tophash-cache]`. In any
    other, such as `tophash_cache.toml`, they are at the top level.

    Args:
        path: the path of the file.

    Raises:
        ConfigError: the file cannot be read, has no such table, or has an invalid setting; nothing has changed.

    Example:
        >>> import pathlib, tempfile
        >>> from tophash_cache import TopHashCache, load_config
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "tophash_cache.toml")
        ...     _ = path.write_text("window = 4096")
        ...     load_config(path)
        ...     TopHashCache().settings.window
        ...     _ = path.write_text("")
        ...     load_config(path)
        4096
    """
    global _file
    with lock:
        layer = _read_file(Path(path))
        _merge(layer, _environment, _configured)
        _file = layer
        _notify()


@contextmanager
def option_context(**settings: Unpack[Options]) -> Iterator[None]:
    """Change settings for the caches that are built inside a `with` block, in this thread or task only.

    Args:
        **settings: fields of `Settings`; None removes one that an outer block has set.

    Raises:
        ConfigError: a name or value is invalid.

    Example:
        >>> from tophash_cache import TopHashCache, option_context
        >>> with option_context(max_entries=100):
        ...     cache = TopHashCache()
        >>> cache.cache_info().maxsize
        100
    """
    layer = _override(_context.get() or {}, settings, "option_context()")
    _merge(_file, _environment, _configured, layer)
    token = _context.set(layer)
    try:
        yield
    finally:
        _context.reset(token)


def show_config() -> None:
    """Print each setting, the value that a cache built now would have, and the origin of the value.

    Example:
        >>> from tophash_cache import option_context, show_config
        >>> with option_context(window=128):
        ...     show_config()  # doctest: +ELLIPSIS
        enabled         ...
        window          128 ...option_context()
        ...
    """
    choices = current()
    width = max(len(str(value)) for value, _ in choices.values())
    for name, (value, origin) in choices.items():
        print(f"{name:<15} {value!s:<{width}}  {origin}")


def current() -> dict[str, tuple[Any, str]]:
    """The value that a cache built now would have, and its origin, for each setting.

    Example:
        >>> with option_context(window=128):
        ...     current()["window"]
        (128, 'option_context()')
    """
    choices = _merge(_file, _environment, _configured, _context.get() or {})
    return {name: (choice.value, choice.origin) for name, choice in choices.items()}


def faults(environment: Mapping[str, str]) -> list[str]:
    """The errors in the variables of an environment, a sentence for each. An import makes one warning of them.

    Example:
        >>> faults({"TOPHASH_CACHE": "off"}), len(faults({"TOPHASH_CACHE_WINDOW": "wide"}))
        ([], 1)
    """
    return _read_environment(environment)[2]


def attach(cache: _Follower, arguments: Mapping[str, object]) -> Settings:
    """The settings of a cache that is being built. Registers it if later changes of `enabled` apply to it."""
    with lock:
        context = _context.get() or {}
        given = _override({}, arguments, "an argument")
        choices = _merge(_file, _environment, _configured, context, given)
        if "enabled" not in context and "enabled" not in given:
            _followers.add(cache)
        return Settings(**{name: choice.value for name, choice in choices.items()})


def detach(cache: _Follower) -> None:
    """Unregister a cache: its own method has switched it."""
    with lock:
        _followers.discard(cache)


def _notify() -> None:
    enabled = _merge(_file, _environment, _configured)["enabled"].value
    for cache in list(_followers):
        cache._follow(enabled)


def _merge(*layers: _Layer) -> _Layer:
    """All layers over the defaults. Raises ConfigError if two settings contradict each other."""
    choices = dict(_DEFAULTS)
    for layer in layers:
        choices.update(layer)
    floor, resume_at = choices["hit_rate_floor"], choices["resume_at"]
    if resume_at.value < floor.value:
        raise ConfigError(
            f"resume_at is {resume_at.value} ({resume_at.origin}), below hit_rate_floor {floor.value} ({floor.origin}):"
            f" set resume_at to {floor.value} or more, otherwise the cache would turn on and off all the time"
        )
    return choices


def _override(layer: _Layer, settings: Mapping[str, object], origin: str) -> _Layer:
    """`layer` updated by `settings`; None removes a setting."""
    new = dict(layer)
    for name, value in settings.items():
        _known(name, origin)
        if value is None:
            new.pop(name, None)
        else:
            new[name] = _Choice(_checked(name, value, origin), origin)
    return new


def _known(name: str, origin: str) -> None:
    if name not in _NAMES:
        near = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.5)
        advice = f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(_NAMES)}"
        raise ConfigError(f"unknown setting {name!r} ({origin}): {advice}")


def _checked(name: str, value: object, origin: str) -> object:
    """`value` in the type of the setting. Raises ConfigError if it is of another type or out of range."""
    _known(name, origin)
    if name == "enabled":
        if isinstance(value, bool):
            return value
        wanted = "True or False (on or off in the environment)"
    elif name == "policy":
        if value in POLICIES:
            return value
        near = difflib.get_close_matches(str(value), POLICIES, n=1)
        wanted = f"one of {', '.join(map(repr, POLICIES))}" + (f" (did you mean {near[0]!r}?)" if near else "")
    else:
        least, greatest = RANGES[name]
        whole = isinstance(_DEFAULTS[name].value, int)
        wanted = f"{'an int' if whole else 'a number'} from {least} to {greatest}"
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        # Written so that NaN is refused, for which every comparison is false.
        if number and least <= value <= greatest:  # type: ignore[operator]
            return value if whole else float(value)  # type: ignore[arg-type]
    raise ConfigError(f"{name} must be {wanted}, not {value!r} ({origin})")


def _read_file(path: Path) -> _Layer:
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; give the path of a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML, correct it: {error}") from error
    if path.name == "pyproject.toml" or "tool" in document:
        try:
            document = dict(document["tool"]["tophash-cache"])
        except (KeyError, TypeError, ValueError):
            raise ConfigError(f"{path} has no table [{TABLE}]: add one, or load another file") from None
    origin = f"file {path}"
    return {name: _Choice(_checked(name, value, origin), origin) for name, value in document.items()}


def _parsed(name: str, text: str) -> object:
    """The value of `text`. Invalid text is returned unchanged; `_checked` refuses it."""
    if name == "enabled":
        word = text.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else text
    if name in RANGES:
        try:
            return type(_DEFAULTS[name].value)(text)
        except ValueError:
            return text
    return text


def _read_environment(environment: Mapping[str, str]) -> tuple[_Layer, _Layer, list[str]]:
    """The file layer, the environment layer, and the errors in the variables that were ignored."""
    file: _Layer = {}
    layer: _Layer = {}
    problems: list[str] = []
    for variable, text in sorted(environment.items()):
        if not text or not (variable == ENVIRONMENT_PREFIX or variable.startswith(ENVIRONMENT_PREFIX + "_")):
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX + "_").lower()
        origin = f"environment variable {variable}"
        try:
            if variable == ENVIRONMENT_PREFIX:
                layer["enabled"] = _Choice(_checked("enabled", _parsed("enabled", text), origin), origin)
            elif name == "config":
                file = _read_file(Path(text))
                _merge(file)
            elif name == "enabled":
                raise ConfigError(f"unknown {origin}: did you mean {ENVIRONMENT_PREFIX}?")
            else:
                layer[name] = _Choice(_checked(name, _parsed(name, text), origin), origin)
        except ConfigError as error:
            problems.append(str(error))
    try:
        _merge(file, layer)
    except ConfigError as error:
        problems.append(str(error))
        layer = {name: choice for name, choice in layer.items() if name not in ("hit_rate_floor", "resume_at")}
    return file, layer, problems


def _start(environment: Mapping[str, str]) -> None:
    """Read the environment at import. An import must not fail because of a variable, so errors become one warning."""
    global _file, _environment
    _file, _environment, problems = _read_environment(environment)
    if problems:
        warnings.warn(
            f"tophash_cache ignores {len(problems)} invalid setting(s) of the environment: " + "; ".join(problems),
            RuntimeWarning,
            stacklevel=2,
        )


_start(os.environ)

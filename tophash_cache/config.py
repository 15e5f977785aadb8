"""Settings of the cache: their values, where each comes from, and the errors for bad ones.

Owns the settings and their layers; imports the standard library only. The layers, the later ones winning:

    defaults < file < environment < configure() < option_context() < arguments of TopHashCache

The file is the one given to `load_config`, or named by $TOPHASH_CACHE_CONFIG when the package is imported; the working
folder is never searched. The environment is read once, at import. A cache reads its settings when it is built; later
changes of `enabled` by `configure` or `load_config` reach caches that took `enabled` from those layers or lower ones.
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

# Least and greatest value of each number. 2**24 entries hold some 3 GB, beyond which a size is a mistake in units;
# 1024 bytes a key bounds what the entries can hold; a window under 64 look-ups says nothing about a hit rate.
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
    """A setting with an unknown name or a value it cannot have; the message names both, and where they came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one cache, with the defaults and their reasons.

    Example:
        >>> Settings().max_entries
        8192
    """

    enabled: bool = True
    # A larger cache saves time where thousands of keys repeat, and costs time where none does, as finding out takes
    # as many look-ups: 8192 is between the two, by the loads of `make cache`. Some 1.5 MB when full, at about 180 bytes
    # an entry (key, digest, places in tables).
    max_entries: int = 8192
    # UTF-8 bytes. The limit of the article that the project follows.
    max_key_bytes: int = 32
    # The article's rule. A policy, not a law: the rate at which a cache breaks even depends on machine and key type.
    hit_rate_floor: float = 0.85
    # Five points over the floor, some three times the sampling error of a window, so that the cache never flaps.
    resume_at: float = 0.90
    # Look-ups. At a hit rate of 0.85 the 95 % sampling error is 1.5 points (with 256 look-ups it is 4.4); with longer
    # windows failed probes cost more.
    window: int = 2048
    # "hit-rate" switches the cache off while it misses too often; "cost" also where trials on the program's own calls
    # do not find look-ups quicker than hashing; "always" keeps it on.
    policy: str = "cost"


class Options(TypedDict, total=False):
    """The settings as keyword arguments. None stands for "not given here"."""

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

    Live caches follow `enabled` at once, unless they got it from `option_context`, an argument, `enable` or `disable`.
    Other settings hold for caches built from now on. None takes a setting back to what the lower layers say.

    Raises:
        ConfigError: a name or value is not valid; nothing has changed.

    Example:
        >>> from tophash_cache import TopHashCache
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
    """Take the file layer from a TOML file, in place of any file loaded before.

    A file named `pyproject.toml`, or one with a table `[tool]`, is read at `[tool.tophash-cache]`; any other, such as
    `tophash_cache.toml`, holds the settings at its top level.

    Raises:
        ConfigError: the file cannot be read, has no such table, or holds a bad setting; nothing has changed.
    """
    global _file
    with lock:
        layer = _read_file(Path(path))
        _merge(layer, _environment, _configured)
        _file = layer
        _notify()


@contextmanager
def option_context(**settings: Unpack[Options]) -> Iterator[None]:
    """Change settings for the caches built inside the `with` block, in this thread or task only.

    Raises:
        ConfigError: a name or value is not valid.

    Example:
        >>> from tophash_cache import TopHashCache
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
    """Print each setting, the value a cache built here and now would have, and where that value comes from."""
    choices = current()
    width = max(len(str(value)) for value, _ in choices.values())
    for name, (value, origin) in choices.items():
        print(f"{name:<15} {value!s:<{width}}  {origin}")


def current() -> dict[str, tuple[Any, str]]:
    """Each setting's value, as a cache built here and now would have it, and its origin.

    Example:
        >>> with option_context(window=128):
        ...     current()["window"]
        (128, 'option_context()')
    """
    choices = _merge(_file, _environment, _configured, _context.get() or {})
    return {name: (choice.value, choice.origin) for name, choice in choices.items()}


def faults(environment: Mapping[str, str]) -> list[str]:
    """What is wrong with the variables of an environment, one sentence each; at import they are a warning.

    Example:
        >>> faults({"TOPHASH_CACHE": "off"}), len(faults({"TOPHASH_CACHE_WINDOW": "wide"}))
        ([], 1)
    """
    return _read_environment(environment)[2]


def attach(cache: _Follower, arguments: Mapping[str, object]) -> Settings:
    """The settings of a cache that is being built; registers it if it is to follow later changes of `enabled`."""
    with lock:
        context = _context.get() or {}
        given = _override({}, arguments, "an argument")
        choices = _merge(_file, _environment, _configured, context, given)
        if "enabled" not in context and "enabled" not in given:
            _followers.add(cache)
        return Settings(**{name: choice.value for name, choice in choices.items()})


def detach(cache: _Follower) -> None:
    """Let a cache no longer follow: it was switched by its own method."""
    with lock:
        _followers.discard(cache)


def _notify() -> None:
    enabled = _merge(_file, _environment, _configured)["enabled"].value
    for cache in list(_followers):
        cache._follow(enabled)


def _merge(*layers: _Layer) -> _Layer:
    """All layers over the defaults; raises ConfigError if two settings contradict each other."""
    choices = dict(_DEFAULTS)
    for layer in layers:
        choices.update(layer)
    floor, resume_at = choices["hit_rate_floor"], choices["resume_at"]
    if resume_at.value < floor.value:
        raise ConfigError(
            f"resume_at is {resume_at.value} ({resume_at.origin}), below hit_rate_floor {floor.value} ({floor.origin}):"
            f" set resume_at to {floor.value} or more, or the cache would go on and off at every window"
        )
    return choices


def _override(layer: _Layer, settings: Mapping[str, object], origin: str) -> _Layer:
    """`layer` with `settings` put over it; None removes a setting."""
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
    """`value` as the setting's own type; raises ConfigError if it is of another type or out of range."""
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
        # Written so that NaN, for which every comparison is false, is refused.
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
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    if path.name == "pyproject.toml" or "tool" in document:
        try:
            document = dict(document["tool"]["tophash-cache"])
        except (KeyError, TypeError, ValueError):
            raise ConfigError(f"{path} has no table [{TABLE}]: add one, or load another file") from None
    origin = f"file {path}"
    return {name: _Choice(_checked(name, value, origin), origin) for name, value in document.items()}


def _parsed(name: str, text: str) -> object:
    """The value that `text` stands for; text that stands for none is returned as it is, for `_checked` to refuse."""
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
    """The file layer, the environment layer, and what was wrong with the variables that were left out."""
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
    """Read the environment at import: an import must not fail over a stray variable, so its faults are one warning."""
    global _file, _environment
    _file, _environment, problems = _read_environment(environment)
    if problems:
        warnings.warn(
            f"tophash_cache ignores {len(problems)} faulty setting(s) of the environment: " + "; ".join(problems),
            RuntimeWarning,
            stacklevel=2,
        )


_start(os.environ)

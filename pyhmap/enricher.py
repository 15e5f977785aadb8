"""Data frames that get columns from a file: one object that any engine can send to its workers.

    Enricher ── pickled: a path, an id, options ──> each worker ── first batch ──> the map, mapped once per process

An engine is a program that hands out a table in batches: to threads, to processes, to machines. None is known here.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import numpy as np

from pyhmap import _system, datasets, files
from pyhmap._convert.codec import Codec, shown
from pyhmap._convert.codecs import key_codec, value_codec
from pyhmap._file import fetch, places, read
from pyhmap._file.types import type_of_text
from pyhmap._mapping.frames import Values, check_column, column_like, columns_named, keys_in, refuse_names, with_columns
from pyhmap.errors import FileFormatError
from pyhmap.hindex import HIndex
from pyhmap.hmap import HMap
from pyhmap.hset import HSet

_Frame = TypeVar("_Frame")

KEPT_OPEN = 8  # files of this process; those that were used last
NAMES = {"map": "value", "set": "found", "index": "code"}  # of the new column, if out= does not say


# ---- what is open in this process ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Source:
    """A file or a dataset, of one content, and how it is opened."""

    path: str
    id: str
    verify: str
    prefetch: str | None
    cache: str | None

    def opened(self) -> Any:
        """The map, set, index or dataset, which the whole process shares."""
        place = _place_of(self)
        if place.map is None:
            lock = place.lock  # a fork gives the child another
            with lock:
                if place.map is None:
                    place.map = self._open()
        return place.map

    def _open(self) -> Any:
        cache = _cache_of(self.path, self.cache)
        if is_dataset(self.path):
            options: dict[str, Any] = {"verify": self.verify, "prefetch": self.prefetch}
            dataset = datasets.open_dataset(self.path, cache=cache, **options)
            self._check_id(dataset.id)
            return dataset
        file = read.OpenFile(self.path if cache is None else self._copy_in(cache), self.prefetch)
        self._check_id(file.header.id)
        return files._map_in(file, self.verify)

    def _copy_in(self, cache: str) -> str:
        try:
            return fetch.fetched(self.path, self.id, cache)
        except FileFormatError:
            self._check_id(fetch.id_of(self.path))  # says what to do here
            raise

    def _check_id(self, found: str) -> None:
        if found != self.id:
            raise FileFormatError(
                f"{self.path} has the id {found}, and had {self.id} when the Enricher was made: it was replaced by "
                "another. Make a new Enricher"
            )


class _Place:
    """Where the map of one source is while it is open."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.map: Any = None


# The places of this process, the one that was used last at the end. No fork happens while it is changed.
_places: OrderedDict[_Source, _Place] = OrderedDict()
_lock = threading.RLock()


def _place_of(source: _Source) -> _Place:
    with _lock:
        place = _places.setdefault(source, _Place())
        _places.move_to_end(source)
        given_up = _places.popitem(last=False) if len(_places) > KEPT_OPEN else None
    del given_up  # a batch that reads it keeps it until it is done
    return place


def _after_fork() -> None:
    _lock.release()
    for place in _places.values():
        place.lock = threading.Lock()  # which a thread of the parent may hold


_system.at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_after_fork)


def is_dataset(path: str) -> bool:
    """Whether a path or URL is the folder of a dataset. What is at a URL cannot be asked for without opening it."""
    return not urlsplit(path).path.endswith(".pyhmap") if places.is_url(path) else os.path.isdir(path)


def _cache_of(path: str, cache: str | None) -> str | None:
    """The folder into which the file is copied, if it is."""
    if cache is None and places.is_url(path):
        if sys.platform == "win32":  # each user has a folder of temporary files
            return os.path.join(tempfile.gettempdir(), "pyhmap")
        return os.path.join(tempfile.gettempdir(), f"pyhmap-{os.getuid()}")
    return cache


def _described(path: str) -> tuple[str, str, Any, Any]:
    """Of the file or dataset at a path: its id, what it holds, and the types of its keys and values."""
    if is_dataset(path):
        dataset = datasets.open_dataset(path, cache=_cache_of(path, None))
        return dataset.id, "map", dataset.key_dtype, dataset.value_dtype
    header = fetch.header_at(path)
    with read.errors_of(path):
        return header.id, header.kind, type_of_text(header.key), type_of_text(header.value)


# ---- the new columns -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Output:
    """A new column."""

    field: str | None  #: of the values; None: the values themselves
    name: str
    default: bytes | None  #: the bytes of the value of a missing key; None: a missing value


def _outputs(kind: str, codec: Codec, out: Any, default: Any) -> tuple[_Output, ...]:
    """The new columns that ``out`` and ``default`` ask for."""
    if kind == "map" and codec.is_composite:
        names = _names_of_fields([name for name, _ in codec.fields], out)  # type: ignore[attr-defined]
        defaults = _defaults_of_fields(codec, names, default)
        return tuple(_Output(field, name, defaults.get(field)) for field, name in names.items())
    if out is None:
        out = NAMES[kind]
    if not isinstance(out, str):
        what = f"the values are of type {codec.name}" if kind == "map" else f"the file holds {_a(kind)}"
        raise TypeError(f"out={out!r}: give the name of one column, since {what}")
    if kind == "set" and default is not None:
        raise ValueError(f"default={shown(default)}: a set has no values, and a missing key gives False. Leave it out")
    if kind == "index" and default is None:
        default = -1
    return (_Output(None, out, _stored(codec, default, "default")),)


def _named(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "index" else f"a {kind}"


def _names_of_fields(fields: Sequence[str], out: Any) -> dict[str, str]:
    """The name of the column of each field that is asked for."""
    there = f"the values have the fields {_named(fields)}"
    if out is None:
        return {field: field for field in fields}
    if isinstance(out, str) or not isinstance(out, Mapping | Sequence):
        raise TypeError(f"out={out!r}: {there}; give a list of fields, or a mapping {{field: column}}")
    names = dict(out) if isinstance(out, Mapping) else {field: field for field in out}
    for field, name in names.items():
        if field not in fields:
            raise ValueError(f"out has the field {field!r}; {there}")
        if not isinstance(name, str):
            raise TypeError(f"out[{field!r}] is {name!r}: give the name of a column")
    if len(set(names.values())) < max(1, 0 if isinstance(out, Mapping) else len(out), len(names)):
        raise ValueError(f"out={out!r}: give at least one field, and each column a name of its own")
    return names


def _defaults_of_fields(codec: Any, names: Mapping[str, str], default: Any) -> dict[str, bytes | None]:
    """The default of each field, as stored."""
    if default is None:
        return {}
    codecs = dict(codec.fields)
    if not isinstance(default, Mapping):
        _stored(codec, default, "default")
        values = default if isinstance(default, tuple) else [default[field] for field in codecs]
        default = {field: value for field, value in zip(codecs, values, strict=True) if field in names}
    for field in default:
        if field not in names:
            raise ValueError(f"default has the field {field!r}; out has {_named(names)}")
    return {field: _stored(codecs[field], value, f"default of {field!r}") for field, value in default.items()}


def _stored(codec: Codec, default: Any, what: str) -> bytes | None:
    try:
        return None if default is None else codec.encode(default)
    except (TypeError, ValueError, OverflowError) as error:
        raise type(error)(f"{what}: {error}") from None


def _checked_on(codec: Codec, on: Any) -> str | tuple[str, ...]:
    """``on`` if it fits to the type of the keys."""
    if isinstance(on, str):
        return on
    if not isinstance(on, list | tuple) or not on or not all(isinstance(name, str) for name in on):
        raise TypeError(f"on={on!r}: give the name of a column, or a list of names")
    if len(set(on)) < len(on):
        raise ValueError(f"on={on!r}: give each column once")
    if not codec.is_composite:
        raise ValueError(f"on={on!r}: keys are of type {codec.name}, so give one name and no list")
    fields = [name for name, _ in codec.fields]  # type: ignore[attr-defined]
    if len(on) != len(fields):
        raise ValueError(f"on={on!r}: keys have the fields {_named(fields)}; give a column for each")
    return tuple(on)


def _of_field(values: Any, found: Any, output: _Output, codec: Codec) -> Values:
    """The column of one field of the values, or of the values themselves."""
    if output.field is not None:
        codec = dict(codec.fields)[output.field]  # type: ignore[attr-defined]
        values = np.array(values[output.field])  # contiguous, and without the other fields
    if output.default is None:
        return Values(output.name, codec, values, found)
    if found is not None and not found.all():
        values[~found] = codec.many([codec.decode(output.default)])[0]
    return Values(output.name, codec, values, None)


# ---- the class -------------------------------------------------------------------------------------------------------


class Enricher:
    """Adds columns to data frames: the values that a file has for the keys in one of their columns.

    It is called with a frame and returns one of the same kind. It can be pickled, and takes a path along, not the map:
    each process opens the file once, in the first call, and all processes of a machine share its pages. So any engine
    that sends functions to its workers can use it.

    Parameters
    ----------
    path
        A file that ``save`` has written: of a map, a set or an index. Or the folder of a dataset, as
        :func:`pyhmap.build_dataset` writes it. Or a URL of either that fsspec can read, such as
        ``"s3://bucket/prices.pyhmap"``; that of a file must end so.
    on
        The column with the keys. For structured keys also a list of columns, one for each field, in their order.
    out
        The new column: ``"value"`` of a map, ``"found"`` of a set (bool), ``"code"`` of an index (int64), unless you
        give another name. For structured values a list of fields, or a mapping from fields to columns; without it, all
        fields become columns of their names.
    default
        What a missing or null key gives. ``None``: a missing value, in the way of each library; -1 of an index.
        Otherwise a value of the file's type; for structured values also a mapping from fields to values, where a field
        that is not in it has ``None``.
    verify, prefetch
        As for :func:`pyhmap.open`, in each process.
    cache
        A folder of this machine. The file is copied there, once for all processes, before it is opened. What is at a
        URL always is, by default to a folder of the user's own in that of temporary files.

    Raises
    ------
    FileFormatError
        The file is damaged or no file of pyhmap.
    OSError
        It cannot be read.
    TypeError, ValueError, OverflowError
        ``on``, ``out`` or ``default`` does not fit to the types of the file: the message says which and why.

    Notes
    -----
    Two are equal if they have the same file, content and options. An Enricher belongs to one content of the file: if
    the file is replaced by another, processes that open it later raise ``FileFormatError``.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import pyhmap
    >>> from pyhmap import Enricher
    >>> path = os.path.join(tempfile.mkdtemp(), "prices.pyhmap")
    >>> pyhmap.HMap(str, float, {"tea": 2.5, "cake": 4.0}).save(path)
    >>> with_price = Enricher(path, on="item", out="price")
    >>> with_price({"item": ["cake", "ham"], "n": [1, 2]})
    {'item': ['cake', 'ham'], 'n': [1, 2], 'price': array([ 4., nan])}
    >>> with_price.column(["tea", "ham"])
    [2.5, None]
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        on: str | Sequence[str],
        out: str | Sequence[str] | Mapping[str, str] | None = None,
        default: Any = None,
        verify: Literal["header", "structure", "lazy", "full"] = "structure",
        prefetch: Literal["touch", "copy"] | None = None,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        read.check_options(verify, prefetch)
        at = os.fsdecode(path)
        if not places.is_url(at):
            at = os.path.abspath(at)  # workers have other working folders
        id, self._kind, key, value = _described(at)
        self._types = key, value
        self._on = _checked_on(key_codec(key), on)
        codec = value_codec(bool if self._kind == "set" else value)
        self._outputs = _outputs(self._kind, codec, out, default)
        for output in self._outputs:
            if output.name in self._key_columns:
                raise ValueError(f"the new column {output.name!r} has the name of one in on=: give it another in out=")
        folder = None if cache is None else os.path.abspath(os.fsdecode(cache))
        self._source = _Source(at, id, verify, prefetch, folder)

    @property
    def path(self) -> str:
        """The file, the folder or the URL; a path is absolute."""
        return self._source.path

    @property
    def id(self) -> str:
        """What tells the content of the file from any other, as ``python -m pyhmap inspect`` shows it."""
        return self._source.id

    def __call__(self, frame: _Frame) -> _Frame:
        """The frame with the new columns behind its own.

        Parameters
        ----------
        frame
            A pyarrow Table or RecordBatch, a pandas or polars DataFrame, or a dict of arrays (lists too). It does not
            change. It may be empty: the new columns have the same types then.

        Returns
        -------
        The same kind of frame
            It has the rows in order, the index and the metadata. Its columns are not copied.

        Raises
        ------
        ValueError
            The column of the keys is missing, or there are several of its name; a new column is there already.
        TypeError
            ``frame`` is something else; the keys are of a type that the file's keys are not taken from; the library of
            the frame has no columns of the type of the values.
        OverflowError
            A key that the type of the file's keys does not hold exactly.
        FileFormatError
            In the first call of a process: the file was replaced by another, or is damaged.
        OSError
            In the first call of a process: the file cannot be read.
        """
        columns = columns_named(frame, self._key_columns)
        refuse_names(frame, [output.name for output in self._outputs])
        try:
            values = self._looked_up(columns[0] if isinstance(self._on, str) else tuple(columns))
        except (TypeError, ValueError, OverflowError) as error:
            if type(error) not in (TypeError, ValueError, OverflowError):
                raise
            raise type(error)(f"column {_named(self._key_columns)}: {error}") from None
        made: _Frame = with_columns(frame, values)
        return made

    def column(self, *keys: Any) -> Any:
        """The new column alone, for a column of keys.

        Parameters
        ----------
        keys
            A pyarrow Array or ChunkedArray, a pandas or polars Series, a NumPy array, or a list. For structured keys, a
            column of structs, or one column for each field.

        Returns
        -------
        A column of the same kind as the first one
            It has as many items, and the index of a pandas Series. Missing values are those of a frame of that
            library; in a list, they are ``None``.

        Raises
        ------
        ValueError
            This Enricher gives several new columns.
        TypeError
            A wrong number of columns.

        Notes
        -----
        It also raises what a call with a frame raises for keys.

        Examples
        --------
        See above.
        """
        if len(self._outputs) > 1:
            names = _named(output.name for output in self._outputs)
            raise ValueError(f"this Enricher gives the columns {names}: make one with one of the fields in out=")
        if len(keys) not in (1, len(self._key_columns)):
            raise TypeError(f"column() got {len(keys)} columns: give those of {_named(self._key_columns)}")
        for each in keys:
            check_column(each)
        one = isinstance(self._on, str) or len(keys) < len(self._on)
        return column_like(keys[0], self._looked_up(keys[0] if one else keys)[0])

    @property
    def _key_columns(self) -> tuple[str, ...]:
        return (self._on,) if isinstance(self._on, str) else self._on

    def _looked_up(self, keys: Any) -> list[Values]:
        """The new columns for a batch of keys."""
        n = len(keys[0] if isinstance(keys, tuple) else keys)
        m = self._source.opened() if n else self._without_keys()
        codec = key_codec(m.key_dtype)
        if isinstance(keys, tuple):
            fields = codec.fields  # type: ignore[attr-defined]
            keys = tuple(keys_in(column, field) for column, (_, field) in zip(keys, fields, strict=True))
        else:
            keys = keys_in(keys, codec)
        found: Any = None
        if self._kind == "set":
            values = m.contains_many(keys)
        elif self._kind == "index":
            values = m.encode(keys)
            found = values >= 0
        else:
            values, found = m.lookup_many(keys)
        codec = value_codec(m.value_dtype if self._kind == "map" else values.dtype)
        return [_of_field(values, found, output, codec) for output in self._outputs]

    def _without_keys(self) -> Any:
        """What an empty batch asks, so that nobody opens or copies a file for the types of its columns."""
        key, value = self._types
        return HMap(key, value) if self._kind == "map" else HSet(key) if self._kind == "set" else HIndex(key)

    def _identity(self) -> tuple[Any, ...]:
        return self._source, self._on, self._outputs

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, Enricher) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return type(self).__qualname__, repr(self._identity())

    def __repr__(self) -> str:
        on = self._on if isinstance(self._on, str) else list(self._on)
        names = {output.field: output.name for output in self._outputs}
        return f"{type(self).__name__}({self.path!r}, on={on!r}, out={names.get(None, names)!r})"

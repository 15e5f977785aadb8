"""The views ``m.keys()``, ``m.values()`` and ``m.items()``."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Set, ValuesView
from typing import Any, cast

from pyhmap._convert.sentinels import ABSENT
from pyhmap._mapping.equality import compared, find, identity, same_value


class SetMethods:
    """The set algebra of keys and items. The map decides what equals its keys, on either side of an operator.

    (In some methods of ``collections.abc.Set`` the other collection decides. For a Python ``set``, each NaN that a map
    returns would be a key of its own.)
    """

    __slots__ = ()
    _mapping: Any

    # Each view has its own: its elements that equal those of another collection, and which of the other's elements
    # equal one; the key of an element of the view.
    _compared: Any
    _key_of: Any

    def _split(self, other: Iterable[Any]) -> tuple[dict[Any, Any], list[Any]]:
        """The common elements, by the identity() of their keys, and the elements of ``other`` that are not common."""
        elements = list(other)
        common, found = self._compared(elements, other)
        missing = [element for element, is_found in zip(elements, found, strict=True) if not is_found]
        return {identity(self._mapping, self._key_of(element)): element for element in common}, missing

    def _without(self, common: dict[Any, Any]) -> set[Any]:
        own: Iterable[Any] = cast("Any", self)
        return {element for element in own if identity(self._mapping, self._key_of(element)) not in common}

    def isdisjoint(self, other: Iterable[Any]) -> bool:
        """Whether the view has no element in common with another collection."""
        return not self._split(other)[0]

    def __le__(self, other: object) -> bool:
        return len(self._split(other)[0]) == len(self._mapping) if isinstance(other, Set) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return not self._split(other)[1] if isinstance(other, Set) else NotImplemented

    def __and__(self, other: Iterable[Any]) -> set[Any]:
        if not isinstance(other, Iterable):
            return NotImplemented
        return set(self._split(other)[0].values())

    def __or__(self, other: Iterable[Any]) -> set[Any]:
        return self._without({}).union(self._split(other)[1]) if isinstance(other, Iterable) else NotImplemented

    def __sub__(self, other: Iterable[Any]) -> set[Any]:
        return self._without(self._split(other)[0]) if isinstance(other, Iterable) else NotImplemented

    def __xor__(self, other: Iterable[Any]) -> set[Any]:
        if not isinstance(other, Iterable):
            return NotImplemented
        common, missing = self._split(other)
        return self._without(common).union(missing)

    def __rsub__(self, other: Iterable[Any]) -> set[Any]:
        return set(self._split(other)[1]) if isinstance(other, Iterable) else NotImplemented

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__


class HMapKeys(SetMethods, KeysView[Any]):
    """``m.keys()``. An iterator is bound to the map when ``iter()`` is called, not at its first step."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._mapping)

    def __contains__(self, key: object) -> bool:
        return find(self._mapping, key) is not ABSENT

    @property
    def _key_map(self) -> Any:
        return self._mapping

    def _compared(self, elements: list[Any], other: Iterable[Any]) -> tuple[list[Any], list[bool]]:
        return compared(self._mapping, elements, getattr(other, "_key_map", None))

    def _key_of(self, element: Any) -> Any:
        return element


class HMapValues(ValuesView[Any]):
    """``m.values()``. The engine iterates, without a look-up per value."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        return self._mapping._iter_values()  # type: ignore[no-any-return]

    def __contains__(self, value: object) -> bool:
        return any(same_value(self._mapping, own, value) for own in self)


class HMapItems(SetMethods, ItemsView[Any, Any]):
    """``m.items()``. The engine iterates, without a look-up per pair."""

    __slots__ = ()

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._iter_items()  # type: ignore[no-any-return]

    def __contains__(self, item: object) -> bool:
        return self._find(item) is not ABSENT

    def _find(self, item: object) -> Any:
        """The map's own pair that equals this one, or ABSENT."""
        if not isinstance(item, tuple) or len(item) != 2:
            return ABSENT
        own = find(self._mapping, item[0])
        if own is ABSENT:
            return ABSENT
        value = self._mapping.get(own, ABSENT)  # ABSENT if a comparison has removed the key
        return (own, value) if value is not ABSENT and same_value(self._mapping, value, item[1]) else ABSENT

    def _compared(self, elements: list[Any], other: Iterable[Any]) -> tuple[list[Any], list[bool]]:
        own = [self._find(item) for item in elements]
        return [pair for pair in own if pair is not ABSENT], [pair is not ABSENT for pair in own]

    def _key_of(self, element: Any) -> Any:
        return element[0]

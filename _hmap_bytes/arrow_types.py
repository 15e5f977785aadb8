"""What a type checker knows of objects that export Arrow data (Arrow PyCapsule interface)."""

from typing import Any, Protocol


class ArrowArray(Protocol):
    """An object that exports an Arrow array."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[object, object]: ...


class ArrowStream(Protocol):
    """An object that exports a stream of Arrow arrays."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object: ...

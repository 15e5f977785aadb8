"""Where the parts of a file of a map lie (article 2.4), by the file's own header.

Owns the reading of that header: of any file in the safetensors format, which begins with the length of a JSON text
(8 bytes, little-endian) and that text, which has the places of all sections, counted from its end.
"""

import json
from pathlib import Path
from typing import Any


def file_layout(path: Path) -> list[dict[str, Any]]:
    """The sections of a file in their order: name, offset in the file, bytes, share. The first is the header.

    Reads the header alone. Raises ``ValueError`` if the file does not begin with one.
    """
    whole = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > whole - 8:
            raise ValueError(f"{path}: a header of {length:,} bytes in a file of {whole:,}: give a .pyhmap file")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise ValueError(f"{path}: the header is no JSON ({error}): give a .pyhmap file") from error
    places = {"header": (-8 - length, 0)}
    places |= {name: section["data_offsets"] for name, section in header.items() if name != "__metadata__"}
    return [
        {"section": name, "offset": 8 + length + first, "bytes": last - first, "share": (last - first) / whole}
        for name, (first, last) in sorted(places.items(), key=lambda place: place[1])
    ]

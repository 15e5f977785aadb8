"""Where key, value and text memory lie in a file of a map (article 2.4), by the file's own header.

Owns the reading of that header: of any file in the safetensors format, which begins with the length of a JSON text
(8 bytes, little-endian) and that text, which has the places of all sections, counted from its end.
"""

import json
import struct
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from layout.memory import Row, text_map
from render import terminal


def file_layout(path: Path) -> list[Row]:
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
    places = {"header": [-8 - length, 0]}
    places |= {name: section["data_offsets"] for name, section in header.items() if name != "__metadata__"}
    return [
        {"section": name, "offset": 8 + length + first, "bytes": last - first, "share": (last - first) / whole}
        for name, (first, last) in sorted(places.items(), key=lambda place: place[1])
    ]


def saved_map(folder: Path) -> dict[str, Any]:
    """The sections of a file of the map whose memory is shown, and where its first entry lies.

    The file is in the folder while it is looked at.
    """
    m = text_map()
    with tempfile.TemporaryDirectory(dir=folder) as own:
        path = Path(own) / "map.pyhmap"
        m.save(path)
        sections, data = file_layout(path), path.read_bytes()
    starts = {section["section"]: section["offset"] for section in sections}
    steps, found = [], []
    for field, at in (("key", starts["entries"]), ("value", starts["entries"] + 16)):
        size, where = struct.unpack_from("<I4xQ", data, at)  # between them the first four bytes of the text
        text = starts["texts"] + where
        found.append(data[text : text + size].decode())
        steps.append({"step": f"{field} in row 0", "section": "entries", "offset": at, "bytes": 16})
        steps.append({"step": f"its text, {found[-1]!r}", "section": "texts", "offset": text, "bytes": size})
    return {"bytes": len(data), "sections": sections, "steps": steps, "agree": m.get(found[0]) == found[1]}


def show(console: Console, made: dict[str, Any]) -> None:
    """Print the sections of the file and its first entry."""
    table = terminal.plain_table("The file of the same map", "section", "offset", "bytes", "share", words=("section",))
    for row in made["sections"]:
        table.add_row(row["section"], f"{row['offset']:,}", f"{row['bytes']:,}", f"{row['share']:.1%}")
    console.print(table)
    console.print()
    columns = ("step", "section", "offset", "bytes")
    table = terminal.plain_table("The first entry in the file", *columns, words=columns[:2])
    for step in made["steps"]:
        table.add_row(step["step"], step["section"], f"{step['offset']:,}", f"{step['bytes']:,}")
    console.print(table)
    said = "are a pair of the map" if made["agree"] else "are NO PAIR OF THE MAP"
    console.print(
        f"The texts there {said}. The file has {made['bytes']:,} bytes, all of them in these sections. It holds a "
        "frozen map, which has no overflow memory and no links."
    )

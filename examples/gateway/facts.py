"""The facts that policies need: who a client is, what a tenant may, what a route asks for, how many requests pass.

A team edits them as tables in JSON. They are published as maps of pyhmap, which each worker maps: all share one copy.
Owns the columns, the checks, and the look-up of one request.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyhmap

# Of each table its key, and its columns with their types. pyhmap says what does not fit.
TABLES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "clients": ("client", [("issuer", "U64"), ("tenant", "U32"), ("status", "U16"), ("scopes", "U64")]),
    "tenants": ("tenant", [("status", "U16"), ("currency", "U3"), ("largest_amount", "i8")]),
    "routes": ("route", [("scope", "U32")]),
    "limits": ("client_and_route", [("requests", "u4")]),
}
ANY_CLIENT = "*"  # a limit of a route for each client that has none of its own


class FactsError(ValueError):
    """Tables that are not of the right form, or do not fit one another; the message names the place."""


def client_and_route(client: str, route: str) -> str:
    """The key of a limit. A client has no line break: ids are printable."""
    return f"{client}\n{route}"


def build(source: Path, target: Path) -> dict[str, int]:
    """Check the tables in a folder, and save them as maps. Returns their numbers of rows."""
    maps = {name: _table(source / f"{name}.json", *columns) for name, columns in TABLES.items()}
    _check(maps)
    for name, m in maps.items():
        m.save(target / f"{name}.pyhmap")
    return {name: len(m) for name, m in maps.items()}


def _table(path: Path, key: str, columns: list[tuple[str, str]]) -> pyhmap.HMap[str, Any]:
    try:
        rows = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise FactsError(f"{path.name}: cannot be read as JSON: {error}") from None
    if not isinstance(rows, list):
        raise FactsError(f"{path.name}: must be a list of rows")
    names = [name for name, _ in columns]
    given = ["client", "route", *names] if key == "client_and_route" else [key, *names]
    m: pyhmap.HMap[str, Any] = pyhmap.HMap(str, columns)
    for number, row in enumerate(rows):
        where = f"{path.name}, row {number + 1}"
        if not isinstance(row, dict) or sorted(row) != sorted(given):
            raise FactsError(f"{where}: must have {', '.join(given)}, and nothing else")
        try:
            its = client_and_route(row["client"], row["route"]) if key == "client_and_route" else row[key]
            if its in m:
                raise FactsError(f"{where}: {its!r} is there twice")
            m[its] = tuple(row[name] for name in names)
        except (TypeError, ValueError) as error:
            raise error if isinstance(error, FactsError) else FactsError(f"{where}: {error}") from None
        except OverflowError as error:
            raise FactsError(f"{where}: {error}") from None
    return m


def _check(maps: dict[str, pyhmap.HMap[str, Any]]) -> None:
    """Whether each table has what another one speaks of."""
    for client, (_, tenant, *_) in maps["clients"].items():
        if tenant not in maps["tenants"]:
            raise FactsError(f"clients.json: the tenant {tenant!r} of {client!r} is not in tenants.json")
    for route in maps["routes"]:
        if client_and_route(ANY_CLIENT, route) not in maps["limits"]:
            raise FactsError(f"limits.json: no limit of {route!r} for the client {ANY_CLIENT!r}")
    for each in maps["limits"]:
        client, _, route = each.partition("\n")
        if route not in maps["routes"]:
            raise FactsError(f"limits.json: the route {route!r} is not in routes.json")
        if client != ANY_CLIENT and client not in maps["clients"]:
            raise FactsError(f"limits.json: the client {client!r} is not in clients.json")


class Facts:
    """The maps of one generation, mapped."""

    def __init__(self, folder: Path, sha256: dict[str, str]) -> None:
        """``sha256`` has the digest that each file must have."""
        self._maps = {name: pyhmap.open(folder / f"{name}.pyhmap", sha256=sha256[f"{name}.pyhmap"]) for name in TABLES}

    def look_up(self, client: str, route: str) -> dict[str, Any]:
        """What the policy is told of a client and a route; null for what is not known."""
        found = self._row("clients", client)
        if found is not None:
            found["scopes"] = found["scopes"].split()
        tenant = self._row("tenants", found["tenant"]) if found is not None else None
        return {"client": found, "tenant": tenant, "route": self._row("routes", route)}

    def limit(self, client: str, route: str) -> int:
        """How many requests of a client to a route that is known may pass in a window."""
        limits = self._maps["limits"]
        found = limits.get(client_and_route(client, route)) or limits[client_and_route(ANY_CLIENT, route)]
        return found[0]

    def sizes(self) -> dict[str, dict[str, int]]:
        """Rows and bytes of each map."""
        return {name: {"rows": len(m), "bytes": m.nbytes} for name, m in self._maps.items()}

    def _row(self, table: str, key: str) -> dict[str, Any] | None:
        found = self._maps[table].get(key)
        if found is None:
            return None
        return {name: value for (name, _), value in zip(TABLES[table][1], found, strict=True)}

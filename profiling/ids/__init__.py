"""The verb ``ids``: what ids for keys cost with ``HIndex``, beside maps, arrays, and what users of pandas do."""

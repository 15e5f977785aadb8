"""The verb ``peers``: every operation beside ``dict`` and the other maps at hand: Python, C++ and Go."""

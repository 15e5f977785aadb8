"""The verb ``peers``: every operation beside ``dict`` and the other maps that are installed: Python, C++ and Go."""

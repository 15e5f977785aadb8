"""The map in plain Python: the specification of the compiled engine, and the oracle of its tests."""

"""Reading a table in NumPy: its state, statistics, the check of every invariant. Shares no code with the kernels."""

"""Reading a table in NumPy: snapshots, statistics, the check of every invariant. Shares no code with the kernels."""

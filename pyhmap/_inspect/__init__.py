"""Reading a table in NumPy: snapshots, statistics, the check of every invariant. Nothing is shared with the kernels."""

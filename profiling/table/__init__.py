"""The verbs ``table``, the before/after table of the hash cache, and ``profile``, one of its arms under a profiler."""

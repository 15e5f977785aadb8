"""From what callers pass to the bytes that a table stores: types, single items, and batches from any container."""

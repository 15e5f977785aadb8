"""What callers bring, made into the bytes that a table stores: types, single items, and batches of any container."""

"""Datasets and look-ups over processes and nodes: beside merges, with failures, over a network; and a model of it."""

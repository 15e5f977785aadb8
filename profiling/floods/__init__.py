"""The verb ``floods``: keys that patterns, or somebody who knows the hash, put together, beside random keys."""

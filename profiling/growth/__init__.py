"""The verb ``growth``: when and why a table grows, what it looks like, and what growing costs a single insert."""

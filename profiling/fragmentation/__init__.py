"""The verb ``fragmentation``: what holes and overflow buckets cost, and what ``compact()`` gives back."""

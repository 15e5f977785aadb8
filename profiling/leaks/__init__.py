"""The verb ``leaks``: what keeps a map's memory alive, the collector's share, and zero growth of every public call."""

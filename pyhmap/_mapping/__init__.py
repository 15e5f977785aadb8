"""The dict surface: what can be said of any engine in terms of its look-ups and writes."""

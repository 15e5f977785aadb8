"""The methods of a dict, written once for both engines, in terms of their look-ups and writes."""

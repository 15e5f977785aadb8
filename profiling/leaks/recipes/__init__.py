"""One round of each public call, for ``leaks/zero_growth.py``, which finds the calls themselves."""

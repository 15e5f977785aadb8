"""The frames between a worker and the guard.

    frame     length of the rest, 4 bytes; then the rest
    question  records, or nothing: that asks for the guard's figures
    answer    one byte for each record, or the figures as JSON

All numbers are little-endian.
"""

from __future__ import annotations

import struct

import numpy as np

RECORD = np.dtype([("id", "<u8"), ("rate", "<u8"), ("limit", "<u4"), ("expires", "<f8")])
RECORD_FORMAT = struct.Struct("<QQId")
LENGTH = struct.Struct("<I")
MOST_RECORDS = 4096  # in a frame: no worker has more requests at a time

# The answers.
ACCEPTED = 0  # and the id is burnt
REPLAYED = 1
OVER_LIMIT = 2  # the id is not burnt
OUTSIDE = 3  # the token expires before now, or later than the id would be kept; the id is not burnt

assert RECORD.itemsize == RECORD_FORMAT.size

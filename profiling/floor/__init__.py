"""The verb ``floor``: look-ups of a frozen map beside np.take that reads the same memory."""

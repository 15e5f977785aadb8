"""Arrays whose own methods lie."""

import numpy as np


class Liar(np.ndarray):
    """An array whose methods answer with another, shorter array."""

    def reshape(self, *_, **__):
        return np.zeros(1, self.dtype)

    def view(self, *_, **__):
        return np.zeros(1, np.uint8)

    def astype(self, *_, **__):
        return np.zeros(1, np.int64)

    def tolist(self):
        return [0]

    @property
    def flags(self):
        return np.zeros(1).flags

    def __len__(self):
        return 1_000_000


def lying(array):
    return np.ndarray.view(array, Liar)

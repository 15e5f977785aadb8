"""The work of the service: who travels alike, and where such people went. A product of sparse matrices.

Owns the matrix and its files. Everything here is in codes: rows are travellers, columns are cities.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import sparse

Array = np.ndarray
PARTS = ("data", "indices", "indptr")
ALIKE = 10  # people per answer


class Recommender:
    """The visits as a matrix, and turned round; mapped from files, so that all processes share the memory."""

    def __init__(self, folder: Path) -> None:
        self.visits = opened(folder / "visits")
        self.visitors = opened(folder / "visitors")

    def alike(self, travellers: Array) -> Array:
        """For each of the travellers the codes of the ``ALIKE`` others whose visits are most like theirs by cosine.

        -1 where there are no more. The result has a row for each of them.
        """
        scores = self.visits[travellers] @ self.visitors  # a row for each, a column for each traveller of all
        best = np.full((len(travellers), ALIKE), -1)
        for row, (start, stop) in enumerate(pairwise(scores.indptr)):
            others, score = scores.indices[start:stop], scores.data[start:stop]
            score[others == travellers[row]] = 0
            least = np.partition(score, -ALIKE)[-ALIKE] if len(score) > ALIKE else 0
            others, score = others[(score >= least) & (score > 0)], score[(score >= least) & (score > 0)]
            order = np.lexsort((others, -score))[:ALIKE]  # of equal ones the smaller code, so that all runs agree
            best[row, : len(order)] = others[order]
        return best

    def somewhere_new(self, travellers: Array, alike: Array) -> Array:
        """For each of the travellers the code of the city that most of those alike went to, and they did not; or -1."""
        rows, places = np.nonzero(alike >= 0)
        shape = len(travellers), self.visits.shape[0]
        theirs = sparse.csr_array((np.ones(len(rows), np.float32), (rows, alike[rows, places])), shape) @ self.visits
        new = theirs - theirs.multiply(self.visits[travellers] > 0)
        best = new.argmax(axis=1)
        return np.where(new.max(axis=1).toarray().ravel() > 0, best, -1)


def save(folder: Path, travellers: Array, cities: Array, shape: tuple[int, int]) -> None:
    """The matrix of these visits, a line for each; rows have the length 1, so that products are cosines."""
    ones = np.ones(len(travellers), np.float32)
    visits = sparse.coo_array((ones, (travellers, cities)), shape).tocsr()
    counts = np.diff(visits.indptr)
    visits.data = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
    for name, matrix in (("visits", visits), ("visitors", visits.T.tocsr())):
        for part in PARTS:
            np.save(folder / f"{name}-{part}.npy", getattr(matrix, part))
        np.save(folder / f"{name}-shape.npy", matrix.shape)


def opened(base: Path) -> sparse.csr_array:
    """A matrix that was saved: mapped, not read."""
    parts = [np.load(base.with_name(f"{base.name}-{part}.npy"), mmap_mode="r") for part in PARTS]
    shape = np.load(base.with_name(f"{base.name}-shape.npy"))
    return sparse.csr_array(tuple(parts), tuple(shape.tolist()))

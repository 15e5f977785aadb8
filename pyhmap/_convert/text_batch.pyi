from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from pyhmap._convert.codec import Codec

@disjoint_base
class TextBatch:
    valid: npt.NDArray[np.bool_] | None

def string_array(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[Any]: ...
def joined(items: Any, codec: Codec) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]: ...
def text_array(texts: Any, codec: Codec) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]: ...
def text_batch(items: Any, codec: Codec, by_windows: bool = False) -> TextBatch: ...
def _as_list(batch: TextBatch, as_str: bool = False) -> list[Any]: ...

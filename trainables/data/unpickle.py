"""Read untrusted pickles of image batches: nothing that a pickle names is ever imported or called."""

import io
import pickle
from typing import Any

import numpy as np


def unpickle(content: bytes) -> dict[Any, Any]:
    """The dictionary in a pickle of containers, numbers, bytes and byte arrays; strings of Python 2 become bytes.

    Raises:
        pickle.UnpicklingError: the pickle names any other object, which is not called. A hostile pickle can raise nearly any
            other exception too.
    """
    return _with_arrays(_Unpickler(io.BytesIO(content), encoding="bytes").load())


class _Array:
    """Replaces numpy.ndarray while a pickle is read, so that none of numpy's own unpickling runs."""

    state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def value(self) -> np.ndarray:
        _, shape, kind, is_fortran, content = self.state
        if not isinstance(kind, _Kind) or kind.name not in ("u1", b"u1"):
            raise pickle.UnpicklingError("an array of something else than bytes")
        return np.frombuffer(content, np.uint8).reshape(shape, order="F" if is_fortran else "C")


class _Kind:
    """Replaces numpy.dtype; only its name is kept."""

    def __init__(self, name: str | bytes, *_: Any) -> None:
        self.name = name

    def __setstate__(self, state: Any) -> None:
        """Ignore byte order and alignment, which mean nothing for bytes."""


def _new_array(*_: Any) -> _Array:
    return _Array()


def _latin1(text: str, *_: Any) -> bytes:
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    known = {  # noqa: RUF012 (a class attribute on purpose: never changed)
        ("numpy.core.multiarray", "_reconstruct"): _new_array,
        ("numpy._core.multiarray", "_reconstruct"): _new_array,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Kind,
        ("_codecs", "encode"): _latin1,  # how Python 3 writes bytes in the old protocols
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.known:
            raise pickle.UnpicklingError(f"it wants {module}.{name}, which no image batch needs")
        return self.known[module, name]


def _with_arrays(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise pickle.UnpicklingError("it is not a dictionary")
    return {key: item.value() if isinstance(item, _Array) else item for key, item in value.items()}

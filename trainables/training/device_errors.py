"""Kinds of device errors, recognised by their messages, because torch has a class for few of them."""

import torch

NO_MEMORY = (  # messages of libraries that got no GPU memory
    "CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED", "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED", "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "unable to find an engine to execute this computation", "Unable to find a valid cuDNN algorithm",
    "CUDA error: out of memory",
)  # fmt: skip
BROKEN = ("CUDA error", "CUDA driver error", "cuDNN error", "NVIDIA driver")  # torch's words for errors of a driver


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. torch has a class for this on a GPU only; on a CPU the message says it."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def is_starved(error: BaseException) -> bool:
    """Whether a GPU library got no memory. On a shared GPU other processes may hold the memory."""
    return any(words in str(error) for words in NO_MEMORY)


def is_broken_device(error: BaseException) -> bool:
    """Whether every further call on the GPU may fail; the error is then a fault of the machine, not of the configuration."""
    return any(words in str(error) for words in BROKEN)

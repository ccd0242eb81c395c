"""Kinds of device errors, recognised by their messages: torch has a class for few of them."""

import torch

NO_MEMORY = (  # of a GPU, as libraries say it that were given none
    "CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED", "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED", "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "unable to find an engine to execute this computation", "Unable to find a valid cuDNN algorithm",
    "CUDA error: out of memory",
)  # fmt: skip
BROKEN = ("CUDA error", "CUDA driver error", "cuDNN error", "NVIDIA driver")  # how torch begins what a driver reports


def is_out_of_memory(error: BaseException) -> bool:
    """torch has a class for the memory of a GPU only; on the CPU its allocator says so in words."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def is_starved(error: BaseException) -> bool:
    """Whether a library of a GPU says that it had no memory: on a shared one the others had it."""
    return any(words in str(error) for words in NO_MEMORY)


def is_broken_device(error: BaseException) -> bool:
    """After such an error every further call on the GPU may fail: a fault of the machine, not of the configuration."""
    return any(words in str(error) for words in BROKEN)

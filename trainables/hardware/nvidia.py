"""The GPUs according to NVIDIA's driver (its library NVML), without loading torch and without taking GPU memory."""

import ctypes
from typing import Any

Capability = tuple[int, int]  # major and minor: (8, 0) is Ampere


def count() -> int:
    """The number of GPUs of this machine; 0 if there is no driver or the driver does not answer."""
    driver = library()
    number = ctypes.c_uint()
    return number.value if driver and not driver.nvmlDeviceGetCount_v2(ctypes.byref(number)) else 0


def capabilities() -> list[Capability]:
    """The compute capability of each GPU; empty if the driver does not know that of some GPU."""
    driver, found = library(), []
    for index in range(count()):
        handle, major, minor = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
        if driver.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
            return []
        if driver.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor)):
            return []
        found.append((major.value, minor.value))
    return found


def library() -> Any:
    """NVML, initialised; None without a driver. Each of its functions returns 0 on success."""
    try:
        driver = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    return None if driver.nvmlInit_v2() else driver

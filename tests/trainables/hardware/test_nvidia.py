"""The driver of NVIDIA as far as it is asked, and what follows for the arithmetic."""

import ctypes

import pytest

from trainables.hardware import nvidia, precision


class Driver:
    """NVML on a machine with these GPUs; the function named `fails` does."""

    def __init__(self, *capabilities, fails=None):
        self._capabilities, self._fails = capabilities, fails

    def __getattribute__(self, name):
        if name.startswith("nvml") and name == self._fails:
            return lambda *_: 999
        return super().__getattribute__(name)

    def nvmlInit_v2(self):  # noqa: N802
        return 0

    def nvmlDeviceGetCount_v2(self, number):  # noqa: N802
        number._obj.value = len(self._capabilities)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, handle):  # noqa: N802
        handle._obj.value = 1 + index
        return 0

    def nvmlDeviceGetCudaComputeCapability(self, handle, major, minor):  # noqa: N802
        major._obj.value, minor._obj.value = self._capabilities[handle.value - 1]
        return 0


@pytest.fixture
def with_driver(monkeypatch):
    def install(driver):
        def load(name):
            if driver is None:
                raise OSError(name)
            return driver

        monkeypatch.setattr(ctypes, "CDLL", load)

    return install


def test_gpus_are_those_that_the_driver_counts(with_driver):
    with_driver(Driver((7, 5), (9, 0)))
    assert nvidia.count() == 2
    assert nvidia.capabilities() == [(7, 5), (9, 0)]


def test_without_a_driver_there_is_no_gpu(with_driver):
    with_driver(None)
    assert (nvidia.count(), nvidia.capabilities()) == (0, [])


@pytest.mark.parametrize(
    "fails",
    ["nvmlInit_v2", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetCudaComputeCapability"],
)
def test_a_driver_that_does_not_answer_is_no_error(with_driver, fails):
    with_driver(Driver((8, 0), fails=fails))
    assert nvidia.capabilities() == []


@pytest.mark.parametrize(
    ("gpus", "torch_says", "expected"),
    [
        ([(8, 0)], False, "bf16"),
        ([(8, 6), (9, 0)], False, "bf16"),
        ([(7, 5), (9, 0)], False, "fp32"),
        ([], True, "bf16"),
    ],
)
def test_torch_is_asked_only_where_the_driver_is_not_sure(with_driver, monkeypatch, gpus, torch_says, expected):
    with_driver(Driver(*gpus))
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: torch_says)
    assert precision.resolve("auto", on_gpu=True) == expected

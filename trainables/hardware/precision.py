"""Choose bfloat16 or float32 by the hardware, without loading torch if possible."""

from pathlib import Path

from trainables.hardware import nvidia

AMPERE: nvidia.Capability = (8, 0)  # the first capability with bfloat16
CPU_FLAGS = {"amx_bf16", "avx512_bf16"}


def resolve(precision: str, on_gpu: bool) -> str:
    """The precision as asked, "bf16" or "fp32"; for "auto" it is "bf16" if the hardware multiplies bfloat16 matrices."""
    if precision != "auto":
        return precision
    return "bf16" if (gpu_has_bfloat16() if on_gpu else cpu_has_bfloat16()) else "fp32"


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices, by /proc/cpuinfo; False on systems other than Linux."""
    try:
        with Path("/proc/cpuinfo").open() as info:
            flags = next((line for line in info if line.startswith("flags")), "")
    except OSError:
        return False
    return bool(CPU_FLAGS & set(flags.split()))


def gpu_has_bfloat16() -> bool:
    """Whether the GPUs multiply bfloat16 matrices. The driver is asked first, because torch takes GPU memory to answer."""
    if (found := nvidia.capabilities()) and min(found) >= AMPERE:
        return True
    import torch

    return torch.cuda.is_bf16_supported(including_emulation=False)


def settle(device: str) -> None:
    """Set cuDNN to deterministic algorithms without benchmarks, and switch off TF32 in convolutions and matrix products."""
    if device == "cpu":
        return
    import torch

    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

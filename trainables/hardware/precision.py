"""bfloat16 or float32: what the hardware computes fast, found without loading torch where possible."""

from pathlib import Path

from trainables.hardware import nvidia

AMPERE: nvidia.Capability = (8, 0)  # the first that computes in bfloat16
CPU_FLAGS = {"amx_bf16", "avx512_bf16"}


def resolve(precision: str, on_gpu: bool) -> str:
    """ "bf16" or "fp32" as asked; "auto" is bf16 where the hardware computes in bfloat16."""
    if precision != "auto":
        return precision
    return "bf16" if (gpu_has_bfloat16() if on_gpu else cpu_has_bfloat16()) else "fp32"


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices (Linux says so; elsewhere float32 is the safe answer)."""
    try:
        with Path("/proc/cpuinfo").open() as info:
            flags = next((line for line in info if line.startswith("flags")), "")
    except OSError:
        return False
    return bool(CPU_FLAGS & set(flags.split()))


def gpu_has_bfloat16() -> bool:
    """Whether the GPUs multiply bfloat16 matrices. torch takes memory on one to say it, so the driver is asked first."""
    if (found := nvidia.capabilities()) and min(found) >= AMPERE:
        return True
    import torch

    return torch.cuda.is_bf16_supported(including_emulation=False)


def settle(device: str) -> None:
    """Let a GPU choose the same algorithms each time, and compute float32 in float32, in convolutions as in products."""
    if device == "cpu":
        return
    import torch

    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

"""Rows of benchmarks/gpu.py, without a GPU: pytest tests/benchmarks/test_gpu.py"""

import subprocess
import sys
from types import SimpleNamespace

from benchmarks import gpu


def test_a_process_that_dies_costs_its_row_and_no_other(monkeypatch):
    """It says that it is ready, and ends before it has trained."""
    real = subprocess.Popen
    dies = [sys.executable, "-c", "print('ready', flush=True); input()"]
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: real(dies, **options))
    monkeypatch.setattr(gpu, "utilisation", str)
    asked = SimpleNamespace(device="cpu", together=[2], seconds=0.0)
    assert list(gpu.measured("together", asked, "mlp", None)) == [
        ["mlp, together", "failed", "could not convert string to float: ''"]
    ]

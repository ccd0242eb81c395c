"""What a clock and notes say of a trial: pytest tests/trainables/trial/test_timing.py"""

import pytest

from trainables.trial import timing


def test_devices_and_repeated_epochs_are_read_back(tmp_path):
    timing.note(tmp_path, timing.epoch_line(1, 0.5, 100, "cuda:1"))
    timing.note_repeated(tmp_path, {"epoch": 1, "val_accuracy": 0.5})
    timing.note(tmp_path, timing.epoch_line(1, 0.0, 100, "cpu"))
    assert timing.devices(tmp_path) == ["cuda", "cpu"]
    assert timing.repeated(tmp_path) == {1}


@pytest.mark.parametrize("content", [None, b"", b"[1]\n", b"\0\0\n{}\n", b'{"again": 3, "seconds": 1}\n'])
def test_a_file_that_a_power_cut_spoilt_says_nothing(tmp_path, content):
    if content is not None:
        (tmp_path / "timing.jsonl").write_bytes(content)
    assert timing.devices(tmp_path) == []
    assert timing.repeated(tmp_path) == set()

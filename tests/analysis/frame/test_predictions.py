"""What a trial made of each validation image, read again: pytest tests/analysis/frame/test_predictions.py"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.frame import predictions
from analysis.ranking import comparison

CORRECT, PREDICTED = np.array([True, False, True]), np.array([3, 1, 2], np.uint8)


@pytest.fixture
def folder(tmp_path):
    np.savez_compressed(tmp_path / "val.npz", correct=CORRECT, predicted=PREDICTED, epoch=7)
    return tmp_path


def test_what_was_saved_is_read(folder):
    found = predictions.read(folder)
    assert found.correct.tolist() == CORRECT.tolist()
    assert found.predicted.tolist() == PREDICTED.tolist()
    assert found.epoch == 7


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"val\.npz"):
        predictions.read(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.data())
def test_a_damaged_file_is_refused_or_read_and_a_comparison_goes_on(folder, data):
    """Two bytes become others: of the archive's own headers, too, which can say "encrypted" or "patched"."""
    path = folder / "val.npz"
    before = path.read_bytes()
    start = data.draw(st.integers(0, len(before) - 2))
    path.write_bytes(before[:start] + data.draw(st.binary(min_size=2, max_size=2)) + before[start + 2 :])
    try:
        correct = comparison.read_correct(folder, 7, 2, 3)
        assert correct is None or (correct.shape == (3,) and correct.sum() == 2)
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize(("place", "byte"), [(6, 0x01), (6, 0x20), (6, 0x40), (8, 99)])
def test_an_archive_that_claims_what_zip_does_not_do_is_refused(folder, place, byte):
    """Encrypted, patched, strongly encrypted, an unknown compression; in the directory at the end."""
    content = bytearray((folder / "val.npz").read_bytes())
    content[content.index(b"PK\x01\x02") + 2 + place] = byte
    (folder / "val.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"encrypt|patched|compression"):
        predictions.read(folder)

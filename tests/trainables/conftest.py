"""Small folders of real images."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeTree = Callable[..., Path]


@pytest.fixture
def make_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeTree:
    """Writes counts = {split: images per class} PNG images, no two alike, under tmp_path/NAME; returns that folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    drawn = iter(range(1 << 20))

    def make(counts: Mapping[str, int], classes: Sequence[str] = ("cat", "dog"), name: str = "pets") -> Path:
        for part, count in counts.items():
            for each in classes:
                folder = tmp_path / name / part / each
                folder.mkdir(parents=True, exist_ok=True)
                for number in range(count):
                    noise = np.random.default_rng(next(drawn)).integers(0, 256, (32, 32, 3), dtype=np.uint8)
                    Image.fromarray(noise).save(folder / f"{part}{number:03}.png", compress_level=1)
        return tmp_path / name

    return make

"""What holds for every kind of data set in trainables/data/names.py: pytest tests/trainables/data/sources

A new kind passes by being there, with an example of itself in tests/trainables/data/examples.py.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from search.terminal import completion
from tests.trainables.data.examples import DATA, EXAMPLES, Example
from trainables.data import cache, loading, names
from trainables.data.sources.base import Options, find
from trainables.errors import DataError

Write = Callable[..., tuple[str, Path]]


@pytest.fixture(scope="module", params=names.FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def example(form: str) -> Example:
    module = names.SOURCES[form]
    assert module in EXAMPLES, f"add an example of {module} to tests/trainables/data/examples.py"
    return EXAMPLES[module]


@pytest.fixture(scope="module")
def prepared(form: str, example: Example, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of the example, for tests that only read it."""
    place = tmp_path_factory.mktemp("source")
    with pytest.MonkeyPatch.context() as patch:
        return loading.prepare(example.write(form, place, patch, 0), place / DATA)


@pytest.fixture
def write(form: str, example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Puts an example into a place of its own: what --dataset and --data-dir say."""

    def make(place: str = "place", spot: int = 0) -> tuple[str, Path]:
        (tmp_path / place).mkdir()
        return example.write(form, tmp_path / place, monkeypatch, spot), tmp_path / place / DATA

    return make


@pytest.fixture(scope="module", autouse=True)
def no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def parts(folder: Path) -> dict[str, loading.Split]:
    images = loading.load(folder)
    return {"train": images.train, "val": images.val, "test": loading.load_test(folder)}


def array_bytes(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in cache.FILES}


def test_its_name_is_known_completed_and_kept(form: str, write: Write) -> None:
    dataset, data_dir = write()
    assert names.form(dataset) == form
    assert loading.resolve(dataset, data_dir) == (dataset, None)
    offered = form.removesuffix("PATH").removesuffix("NAME")
    assert (offered in completion.datasets()) == (form != names.FUNCTION)
    assert loading.short_name(dataset).startswith(find(dataset, Options(data_dir)).name)


def test_arrays_are_read_only_maps_of_contiguous_rgb_images(prepared: Path) -> None:
    sizes = loading.load(prepared).sizes
    for name, part in parts(prepared).items():
        assert part.images.shape == (sizes[name], 32, 32, 3)
        assert sizes[name] > 0
        assert (part.images.dtype, part.labels.dtype) == (np.uint8, np.int64)
        assert part.labels.shape == (sizes[name],)
        assert isinstance(part.images, np.memmap)
        assert part.images.flags.c_contiguous
        assert not part.images.flags.writeable
        assert not part.labels.flags.writeable


def test_every_class_has_a_name_of_its_own(prepared: Path) -> None:
    classes = loading.load(prepared).classes
    assert len(set(classes)) == len(classes) > 1
    assert all(name and name == name.strip() for name in classes)
    for part in parts(prepared).values():
        assert part.labels.min() >= 0
        assert part.labels.max() < len(classes)


def test_no_image_is_in_two_splits_or_twice_in_one(prepared: Path) -> None:
    images = [image.tobytes() for part in parts(prepared).values() for image in part.images]
    assert len(images) == len(set(images)) == sum(loading.load(prepared).sizes.values())


def test_the_same_images_give_the_same_bytes_and_fingerprint_anywhere(prepared: Path, write: Write) -> None:
    again = loading.prepare(*write())
    assert again.parent != prepared.parent
    assert array_bytes(again) == array_bytes(prepared)
    assert loading.load(again).fingerprint == loading.load(prepared).fingerprint


def test_one_pixel_changes_the_fingerprint(prepared: Path, write: Write) -> None:
    changed = loading.prepare(*write(spot=1))
    assert loading.load(changed).fingerprint != loading.load(prepared).fingerprint


def test_the_second_time_nothing_is_decoded(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    named = write()
    first = loading.prepare(*named)
    before = array_bytes(first)
    monkeypatch.setattr(cache, "build", lambda *_, **__: pytest.fail("decoded again"))
    assert loading.prepare(*named) == first
    assert array_bytes(first) == before


def test_damaged_input_is_one_line_with_the_next_step(example: Example, write: Write) -> None:
    if example.damage is None:
        pytest.skip("reads no files of the user")
    dataset, data_dir = write()
    example.damage(data_dir.parent)
    with pytest.raises(DataError, match=rf"^[^\n]*{data_dir.parent}[^\n]*\. [A-Z][^\n]*\.$"):
        loading.prepare(dataset, data_dir)
    assert {path.name for path in data_dir.with_name("data-cache").glob("*")} <= {".lock"}


def test_finding_it_decodes_nothing_and_makes_no_file(example: Example, write: Write) -> None:
    dataset, data_dir = write()
    before = sorted(data_dir.parent.rglob("*"))
    for path in before:
        if path.is_file() and path.suffix != example.listing:
            path.write_bytes(b"")
    assert find(dataset, Options(data_dir)).key
    assert sorted(data_dir.parent.rglob("*")) == before

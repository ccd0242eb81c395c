"""Files that people have: every kind that is read, and odd ones of each. pytest tests/trainables/data/test_odd_files.py"""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from trainables.data import decode
from trainables.errors import DataError

SMOOTH = Image.linear_gradient("L").resize((96, 96)).convert("RGB")
EXPECTED = np.asarray(SMOOTH.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)


def far(path: Path) -> int:
    """How far the decoded file is from the picture above at most, in 255ths."""
    return int(np.abs(decode.decode(str(path)) - EXPECTED).max())


@pytest.mark.parametrize(
    ("name", "kind", "more"),
    [
        ("a.png", "PNG", {}), ("a.jpg", "JPEG", {"quality": 95}), ("a.webp", "WEBP", {"lossless": True}), ("a.bmp", "BMP", {}),
        ("a.tif", "TIFF", {}), ("a.tiff", "TIFF", {"compression": "tiff_lzw"}), ("a.gif", "GIF", {}), ("a.webp", "WEBP", {}),
        ("a.jpg", "MPO", {"quality": 95, "save_all": True, "append_images": [Image.new("RGB", (96, 96))]}),
        ("a.gif", "GIF", {"save_all": True, "append_images": [Image.new("RGB", (96, 96))]}),
        ("a.tif", "TIFF", {"save_all": True, "append_images": [Image.new("RGB", (96, 96))]}),
        ("a.jpg", "JPEG", {"quality": 95, "progressive": True}),
    ],
)  # fmt: skip
def test_every_kind_is_read_and_of_several_frames_the_first(tmp_path, name, kind, more):
    SMOOTH.save(tmp_path / name, kind, **more)
    assert far(tmp_path / name) <= 6


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "JPEG", "PNG", "BMP"])
def test_a_renamed_file_is_what_it_holds(tmp_path, kind):
    SMOOTH.save(tmp_path / "renamed.png", kind)
    assert far(tmp_path / "renamed.png") <= 6


def test_cmyk(tmp_path):
    SMOOTH.convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    SMOOTH.convert("CMYK").save(tmp_path / "a.tif")
    assert far(tmp_path / "a.jpg") <= 6
    assert far(tmp_path / "a.tif") <= 6


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bits_of_grey(tmp_path, suffix, order):
    grey = np.asarray(SMOOTH.convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey.astype(order)).save(tmp_path / f"a.{suffix}")
    assert far(tmp_path / f"a.{suffix}") <= 2


def test_palette_with_a_transparent_colour_and_one_bit(tmp_path):
    SMOOTH.quantize(200).save(tmp_path / "a.png", transparency=3)
    assert far(tmp_path / "a.png") <= 8
    Image.fromarray(np.asarray(SMOOTH)[..., 0] > 127).save(tmp_path / "b.tif")
    assert set(np.unique(decode.decode(str(tmp_path / "b.tif")))) >= {0, 255}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("transparency", [3, bytes(range(200))])
def test_pillow_has_no_word_to_say_of_a_palette(tmp_path, transparency):
    SMOOTH.quantize(200).save(tmp_path / "a.png", transparency=transparency)
    assert far(tmp_path / "a.png") <= 8


def test_transparent_pixels_keep_their_colours(tmp_path):
    SMOOTH.convert("RGBA").save(tmp_path / "a.png")
    image = SMOOTH.convert("RGBA")
    image.putalpha(0)
    image.save(tmp_path / "b.png")
    assert far(tmp_path / "a.png") == far(tmp_path / "b.png")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: Image.fromarray(np.ones((9, 9), np.float32)).save(path, "TIFF"), "floating-point pixels"),
        (lambda path: Image.fromarray(np.full((9, 9), 1 << 20, np.int32)).save(path, "TIFF"), "32-bit pixels"),
        (lambda path: path.write_bytes(b""), "no PNG, JPEG, WebP, BMP, TIFF or GIF"),
        (lambda path: path.write_bytes(b"<html>404</html>"), "no PNG, JPEG"),
        (lambda path: path.write_bytes(b"%PDF-1.4"), "no PNG, JPEG"),
        (lambda path: path.mkdir(), "Is a directory"),
    ],
)  # fmt: skip
def test_what_is_no_picture_or_has_no_known_range_says_so(tmp_path, make, why):
    make(tmp_path / "a.tif")
    with pytest.raises(DataError, match=rf"^cannot read image: {tmp_path}/a\.tif: {why}"):
        decode.decode(str(tmp_path / "a.tif"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_file_of_any_kind_is_one_line(tmp_path, kind, share):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, kind)
    whole = stream.getvalue()
    (tmp_path / "a").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"^cannot read image: [^\n]+$"):
        decode.decode(str(tmp_path / "a"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_changed_bytes_are_a_picture_or_one_line(tmp_path, kind):
    stream = io.BytesIO()
    SMOOTH.save(stream, kind)
    random = np.random.default_rng(0)
    for _ in range(40):
        content = bytearray(stream.getvalue())
        for place in random.integers(0, len(content), 5):
            content[place] = random.integers(256)
        (tmp_path / "a").write_bytes(content)
        try:
            assert decode.decode(str(tmp_path / "a")).shape == (32, 32, 3)
        except DataError as error:
            assert "\n" not in str(error)


PEAK = "import resource; from trainables.data import decode; import sys; decode.decode(sys.argv[1]);"
PEAK += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)"


def test_a_photo_of_108_megapixels_takes_no_hundred_megabytes(tmp_path):
    """Whole it would take 324 MB. A progressive one does take that, for the format keeps all of it until the last scan."""
    Image.new("RGB", (12000, 9000), "red").save(tmp_path / "photo.jpg", quality=50)
    small, large = (
        int(
            subprocess.run(
                [sys.executable, "-W", "error", "-c", PEAK, path], capture_output=True, text=True, check=True
            ).stdout
        )
        for path in (str(jpeg(tmp_path / "small.jpg")), str(tmp_path / "photo.jpg"))
    )
    assert large - small < 100


def jpeg(path: Path) -> Path:
    SMOOTH.save(path)
    return path


def test_a_jpeg_beyond_its_limit_is_refused_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "JPEG_LIMIT", 96 * 96 - 1)
    with pytest.raises(DataError, match="96 x 96 pixels where 9215 are allowed"):
        decode.decode(str(jpeg(tmp_path / "a.jpg")))


def test_pillows_own_limit_is_left_as_it_was(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    decode.decode(str(jpeg(tmp_path / "a.jpg")))
    assert before == Image.MAX_IMAGE_PIXELS


def test_real_photographs(tmp_path):
    """Those of scikit-learn, 640 x 427."""
    for number, photo in enumerate(load_sample_images().images):
        Image.fromarray(photo).save(tmp_path / f"{number}.webp", quality=95)
        whole = Image.fromarray(photo).resize((32, 32), Image.Resampling.BILINEAR)
        difference = decode.decode(str(tmp_path / f"{number}.webp"), "squash").astype(int) - np.asarray(whole)
        assert np.abs(difference).mean() < 3


@pytest.mark.parametrize(
    "array",
    [
        np.full((9, 9), 200, np.uint8), np.full((9, 9, 1), 200, np.uint8), np.full((9, 9, 3), 200, np.uint8),
        np.full((9, 9, 4), 200, np.uint8), np.full((9, 9), 200 * 256, np.uint16), np.full((9, 9, 3), 200 / 255, np.float32),
    ],
)  # fmt: skip
def test_arrays_of_any_usual_kind_are_pictures(array):
    assert np.unique(decode.fit(array, "x")[0]).tolist() == [200]


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.full((9, 9), 200.0), "float64 pixels, where uint8, uint16, or floats from 0 to 1"),
        (np.full((9, 9), np.nan), "float64 pixels"), (np.full((9, 9), -1), "int64 pixels"),
        (np.zeros((9, 9, 2), np.uint8), "an array of shape"), (np.zeros((0, 9), np.uint8), "an array of shape"),
        (np.zeros(9, np.uint8), "an array of shape"),
        ("text", "an array of shape"), (None, "an array of shape"), (b"no", "no PNG"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused_by_its_name(array, why):
    with pytest.raises(decode.BadImageError, match=f"^cannot read image: x: {why}"):
        decode.fit(array, "x")


# Pictures that are not square

WIDE = np.zeros((20, 60, 3), np.uint8)  # dark left, grey middle, bright right
WIDE[:, 20:40], WIDE[:, 40:] = 100, 200


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("how", "seen"), [("crop", {100}), ("squash", {0, 100, 200}), ("pad", {0, 100, 200})])
def test_of_a_wide_or_tall_picture_the_centre_or_all_of_it_is_taken(tmp_path, how, seen, turned):
    Image.fromarray(WIDE.transpose(1, 0, 2) if turned else WIDE).save(tmp_path / "a.png")
    found = decode.decode(str(tmp_path / "a.png"), how)
    across = found.transpose(1, 0, 2) if turned else found
    assert set(np.unique(across[16, [1, 2, 15, 16, 29, 30], 0])) == seen
    assert (across[0] == 0).all() == (how == "pad")


@pytest.mark.parametrize("how", ["crop", "squash", "pad"])
@pytest.mark.parametrize("side", [32, 33, 100])
def test_a_square_picture_is_the_same_whatever_is_asked_for(how, side):
    array = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    assert np.array_equal(decode.fit(array, "x", how)[0], decode.fit(array, "x", "squash")[0])


def test_a_path_that_no_file_system_takes_is_a_bad_image_as_any_other():
    assert "Check the path." in str(decode.BadImageError(f"{'x' * 300}.png", "no such file"))

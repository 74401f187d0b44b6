"""``convcli apply`` against scipy, numpy and Pillow."""

import json
import struct

import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL import ImageCms, ImageOps
from PIL.ExifTags import Base
from scipy import ndimage
from scipy.signal import convolve2d, correlate2d
from support.command_line import (
    SAMPLES,
    array,
    convcli,
    json_lines,
    npy,
    pixels,
    save_picture,
    shell,
    succeed,
    with_samples,
)

from convcli import filter_image

SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
# Every flip, transpose and shift of it is another kernel.
ASYMMETRIC = np.array([[1, 2, 4], [8, -16, 32], [64, 3, 5.0]])
INLINE = json.dumps(ASYMMETRIC.tolist())
HEIGHT, WIDTH = 6, 7


@pytest.fixture
def samples(tmp_path):
    return with_samples(tmp_path)


def random_pixels(*shape, dtype=np.uint8, seed=1):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def each_channel(V, K, mode="same"):
    return np.stack([correlate2d(channel, K, mode) for channel in V.astype(float)])


def replicated(V, pads):
    """Return V ``(C, H, W)`` with its outermost pixels repeated on each side."""
    return np.pad(V, [(0, 0), (pads, pads), (pads, pads)], "edge")


def clipped(Z):
    return np.clip(Z, 0, 255).astype(np.uint8)


def assert_rounded(levels, Z):
    """Assert that levels are Z rounded; Z is computed in float32, so a value near a half may round either way."""
    assert levels.shape == Z.shape
    assert np.abs(levels - np.clip(Z, 0, 255)).max() <= 0.501


def test_edges_of_a_colour_picture(samples):
    result = shell("convcli apply sample_images/astronaut.png -k sobel-x -o edges.png", samples)
    Z = each_channel(replicated(pixels(SAMPLES / "astronaut.png"), 1), SOBEL_X, "valid")
    assert np.array_equal(pixels(samples / "edges.png"), clipped(np.abs(Z)))
    lost = np.count_nonzero(np.abs(Z) > 255)
    warning = (
        f"{lost:,} of {Z.size:,} magnitudes ({100 * lost / Z.size:.1f} %) lay outside 0..255 and were clipped; "
        f"the maps span {Z.min():g}..{Z.max():g}, which --range minmax would keep"
    )
    assert (result.code, result.out, result.err) == (0, b"", f"convcli: warning: edges.png: {warning}\n")


def test_a_kernel_from_stdin_and_a_picture_to_stdout(samples):
    result = shell(
        "convcli kernels gaussian:2 --json | convcli apply sample_images/coffee.png -k - -o - -f png > blurred.png",
        samples,
    )
    assert (result.code, result.out, result.err) == (0, b"", "")
    V = pixels(SAMPLES / "coffee.png").astype(float)
    Z = np.stack([ndimage.gaussian_filter(channel, 2, mode="nearest") for channel in V])
    assert_rounded(pixels(samples / "blurred.png"), Z)


def test_floats_pass_from_one_command_to_the_next(samples):
    result = shell(
        "cat sample_images/camera.png | convcli apply - -k gaussian:1.5 -o - -f npy"
        " | convcli apply - -k laplacian -e replicate --range offset -o log.png",
        samples,
    )
    white = "convcli: note: -: white is taken to be 255, by the largest magnitude: --white sets it\n"
    assert (result.code, result.out, result.err) == (0, b"", white)
    blurred = ndimage.gaussian_filter(pixels(SAMPLES / "camera.png").astype(float), 1.5, mode="nearest")
    assert_rounded(pixels(samples / "log.png"), ndimage.laplace(blurred, mode="nearest") + 128)


def test_an_inline_kernel_with_every_option(samples):
    result = shell(
        "convcli apply sample_images/coffee.png -k '[[0,1,0],[1,-4,1],[0,1,0]]' -s 2 -p valid -e replicate"
        " --range abs -o small.png",
        samples,
    )
    Z = np.abs(each_channel(pixels(SAMPLES / "coffee.png"), LAPLACIAN, "valid"))[:, ::2, ::2]
    assert np.array_equal(pixels(samples / "small.png"), clipped(Z))
    assert (result.code, result.out) == (0, b"")
    assert result.err.startswith(f"convcli: warning: small.png: {np.count_nonzero(Z > 255)} of {Z.size:,} magnitudes ")


@pytest.mark.parametrize("shape", [(5, 8), (2, 5, 8), (2, 3, 5, 8)], ids=["H,W", "C,H,W", "N,C,H,W"])
def test_arrays_are_filtered_exactly(tmp_path, shape):
    V = np.random.default_rng(2).integers(-(10**9), 10**9, shape).astype(float)
    out = succeed("apply", "-", "-k", INLINE, "-o", "-", "-f", "npy", cwd=tmp_path, stdin=npy(V))
    Z = each_channel(V.reshape(-1, 5, 8), ASYMMETRIC)
    assert array(out).dtype == np.float64
    assert np.array_equal(array(out), Z.reshape(shape))


def test_padding_stride_dilation_and_edge(tmp_path):
    V = random_pixels(HEIGHT, WIDTH)
    options = ["-p", "2,1,3,0", "-s", "2,1", "-d", "1,2", "-e", "reflect"]
    out = succeed("apply", "-", "-k", INLINE, *options, "-o", "-", "-f", "npy", cwd=tmp_path, stdin=npy(V))
    dilated = np.zeros((3, 5))
    dilated[:, ::2] = ASYMMETRIC
    padded = np.pad(V.astype(float), ((2, 1), (3, 0)), mode="reflect")
    assert np.array_equal(array(out), correlate2d(padded, dilated, "valid")[::2])


def test_flip_is_true_convolution(tmp_path):
    V = random_pixels(HEIGHT, WIDTH)
    out = succeed("apply", "-", "-k", INLINE, "--flip", "-o", "-", "-f", "npy", cwd=tmp_path, stdin=npy(V))
    assert np.array_equal(array(out), convolve2d(V.astype(float), ASYMMETRIC, "same"))


MIXING = np.arange(9.0).reshape(3, 3)[::-1] / 40
MIXING_BANK = json.dumps(MIXING[:, :, np.newaxis, np.newaxis].tolist())


def test_three_maps_are_a_colour_picture(tmp_path):
    V = save_picture(tmp_path / "in.png", random_pixels(3, HEIGHT, WIDTH))
    succeed("apply", "in.png", "-k", MIXING_BANK, "-o", "out.png", cwd=tmp_path)
    assert_rounded(pixels(tmp_path / "out.png"), np.einsum("il,lyx->iyx", MIXING, V))


def test_one_map_is_a_gray_picture(tmp_path):
    V = save_picture(tmp_path / "in.png", random_pixels(3, HEIGHT, WIDTH))
    succeed("apply", "in.png", "-k", "[[[[0.5]],[[0.25]],[[0]]]]", "-o", "out.png", cwd=tmp_path)
    assert_rounded(pixels(tmp_path / "out.png"), V[0] / 2 + V[1] / 4)


FOUR_MAPS = "[[[[0.5]]],[[[0.25]]],[[[1]]],[[[0]]]]"


def test_four_maps_are_four_pictures(tmp_path):
    V = save_picture(tmp_path / "in.png", random_pixels(1, HEIGHT, WIDTH))[0]
    succeed("apply", "in.png", "-k", FOUR_MAPS, "-o", "map-{map}.png", cwd=tmp_path)
    for number, weight in enumerate([0.5, 0.25, 1, 0]):
        assert_rounded(pixels(tmp_path / f"map-{number}.png"), weight * V)


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("one.png", "'one.png' names one: add {map} to the name, or write .npy, which holds any number"),
        ("-", "'-' is one stream: use --format npy, which holds any number"),
    ],
)
def test_four_maps_need_a_template(tmp_path, output, advice):
    save_picture(tmp_path / "in.png", random_pixels(1, HEIGHT, WIDTH))
    result = convcli("apply", "in.png", "-k", FOUR_MAPS, "-o", output, cwd=tmp_path)
    assert (result.code, result.out) == (2, b"")
    assert result.err == f"convcli: error: 4 maps need one file each, but {advice}\n"


def test_groups_split_a_bank(tmp_path):
    V = random_pixels(3, HEIGHT, WIDTH)
    bank = json.dumps([[(ASYMMETRIC * scale).tolist()] for scale in (1, 2, 3)])
    out = succeed("apply", "-", "-k", bank, "-g", "3", "-o", "-", "-f", "npy", cwd=tmp_path, stdin=npy(V))
    assert np.array_equal(array(out), each_channel(V, ASYMMETRIC) * [[[1]], [[2]], [[3]]])


@pytest.mark.parametrize(
    ("kernel", "bias", "added"),
    [
        ("[[2]]", "-3.5", -3.5),
        ("[[[[2]]],[[[2]]]]", "1,-2", [[[1]], [[-2]]]),
        ('{"weights": [[2]], "bias": 100}', "1", 1),
    ],
    ids=["number", "list", "instead of the kernel's"],
)
def test_bias(tmp_path, kernel, bias, added):
    V = np.arange(6.0).reshape(2, 3)
    out = succeed("apply", "-", "-k", kernel, "--bias", bias, "-o", "-", "-f", "npy", cwd=tmp_path, stdin=npy(V))
    assert np.array_equal(array(out), 2 * V + np.array(added))


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["-f", "npy"], ["stdin.box-1.npy"]),
        (["-f", "png"], ["stdin.box-1.png"]),
        (["-f", "tiff"], ["stdin.box-1.tiff"]),
        (["-o", "folder/", "-f", "webp"], ["folder/stdin.webp"]),
        (["-o", "folder/{kernel}-{stem}.{ext}"], ["folder/box-1-stdin.npy"]),
    ],
    ids=lambda value: " ".join(value) or "nothing said",
)
def test_names(tmp_path, arguments, names):
    (tmp_path / "folder").mkdir()
    succeed("apply", "-", "-k", "box:1", *arguments, cwd=tmp_path, stdin=npy(random_pixels(HEIGHT, WIDTH)))
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert written == names


def test_a_folder_named_after_each_image(tmp_path):
    (tmp_path / "july").mkdir()
    V = save_picture(tmp_path / "july" / "a.png", random_pixels(1, HEIGHT, WIDTH))
    succeed("apply", "july/a.png", "-k", "[[1]]", "-o", "{dir}/{stem}-same.{ext}", cwd=tmp_path)
    assert np.array_equal(pixels(tmp_path / "july" / "a-same.png"), V[0])


def test_every_image_through_every_kernel(tmp_path):
    images = {stem: save_picture(tmp_path / f"{stem}.png", random_pixels(1, 5, 8, seed=ord(stem))) for stem in "ab"}
    succeed("apply", "a.png", "b.png", "-k", "box", "-k", "binomial:3", "-o", ".", cwd=tmp_path)
    kernels = {"box": np.full((3, 3), 1 / 9), "binomial-3": np.outer([1, 2, 1], [1, 2, 1]) / 16}
    for stem, V in images.items():
        for name, K in kernels.items():
            assert_rounded(pixels(tmp_path / f"{stem}.{name}.png"), each_channel(replicated(V, 1), K, "valid")[0])


def test_kernels_are_combined(tmp_path):
    V = save_picture(tmp_path / "in.png", random_pixels(3, HEIGHT, WIDTH))
    arguments = ["-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude", "-q"]
    succeed("apply", "in.png", *arguments, cwd=tmp_path)
    padded = replicated(V, 1)
    Z = np.hypot(each_channel(padded, SOBEL_X, "valid"), each_channel(padded, SOBEL_X.T, "valid"))
    assert_rounded(pixels(tmp_path / "in.sobel-x+sobel-y.png"), Z)


def test_linear_mixes_light(tmp_path):
    """Half black and half white is the gray that sends out half of the light."""
    columns = np.tile([0, 255], (HEIGHT, 4)).astype(np.uint8)
    save_picture(tmp_path / "in.png", [columns])
    arguments = ["apply", "in.png", "-k", "[[0.5,0.5]]", "-p", "valid", "-o", "-"]
    assert set(pixels(succeed(*arguments, cwd=tmp_path)).flat) == {128}
    assert set(pixels(succeed(*arguments, "--linear", cwd=tmp_path)).flat) == {188}


def test_a_profile_that_is_not_srgb_is_a_warning(tmp_path):
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = profile.index(b"para")
    profile[at + 12 : at + 16] = struct.pack(">i", int(1.4 * 65536))
    save_picture(tmp_path / "in.png", random_pixels(3, HEIGHT, WIDTH), icc_profile=bytes(profile))
    result = convcli("apply", "in.png", "-k", "identity", "--linear", "-o", "out.png", cwd=tmp_path)
    assert (result.code, result.err) == (
        0,
        "convcli: warning: out.png: its colour profile has another curve than sRGB, but --linear assumes sRGB: "
        "convert it to sRGB first\n",
    )


def test_gray_is_pillows_luma(tmp_path):
    save_picture(tmp_path / "in.png", random_pixels(3, HEIGHT, WIDTH))
    out = succeed("apply", "in.png", "-k", "identity", "--gray", "-o", "-", cwd=tmp_path)
    with PIL.Image.open(tmp_path / "in.png") as image:
        assert np.array_equal(pixels(out), np.asarray(image.convert("L")))


def test_metadata_is_kept(tmp_path):
    """The output of a phone's photograph is upright, with its profile, maker and resolution."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = PIL.Image.Exif()
    exif[Base.Orientation], exif[Base.Make] = 6, "Brownie"
    save_picture(tmp_path / "in.jpg", random_pixels(3, HEIGHT, WIDTH), exif=exif, icc_profile=profile, dpi=(254, 254))
    succeed("apply", "in.jpg", "-k", "identity", "-o", "out.png", cwd=tmp_path)
    with PIL.Image.open(tmp_path / "in.jpg") as image, PIL.Image.open(tmp_path / "out.png") as upright:
        assert np.array_equal(np.asarray(upright), np.asarray(ImageOps.exif_transpose(image)))
        assert upright.size == (HEIGHT, WIDTH)
        assert dict(upright.getexif()) == {Base.Make: "Brownie"}
        assert upright.info["icc_profile"] == profile
        assert upright.info["dpi"] == pytest.approx((254, 254))


def test_16_bits_stay_16_bits(tmp_path):
    V = save_picture(tmp_path / "in.png", random_pixels(1, HEIGHT, WIDTH, dtype=np.uint16))[0]
    out = pixels(succeed("apply", "in.png", "-k", "identity", "-o", "-", cwd=tmp_path))
    assert out.dtype == np.uint16
    assert np.array_equal(out, V)


def test_16_bits_become_8_where_the_format_holds_8(tmp_path):
    V = save_picture(tmp_path / "in.png", random_pixels(1, HEIGHT, WIDTH, dtype=np.uint16))[0]
    result = convcli("apply", "in.png", "-k", "identity", "-o", "out.bmp", cwd=tmp_path)
    assert result.err == "convcli: warning: out.bmp: 16 bits reduced to 8: bmp stores no more for 1 map\n"
    assert_rounded(pixels(tmp_path / "out.bmp"), V / 257)


@pytest.mark.parametrize(("stored", "lost"), [("f4", False), ("i2", False), ("f8", True), ("i4", True), ("u4", True)])
def test_a_float_picture_warns_about_numbers_that_it_rounds(tmp_path, stored, lost):
    tifffile.imwrite(tmp_path / "in.tif", np.full((3, 4), 7, stored))
    for output, warns in (("out.tif", lost), ("out.npy", False)):
        result = convcli("apply", "in.tif", "-k", "identity", "--range", "raw", "-o", output, cwd=tmp_path)
        name = np.dtype(stored).name
        warning = f"{name} is rounded to float32, because tiff is written with at most float32: use .npy to keep it"
        assert result.err == f"convcli: warning: {output}: {warning}\n" * warns


@pytest.mark.parametrize("format", ["tiff", "npy", "json"])
def test_float32_that_was_requested_is_no_loss(format):
    V = np.full((1, 3, 4), 7.0)
    assert filter_image(V, "identity", range="raw", format=format, dtype="float32").warnings == ()


def test_a_transparent_picture_stays_transparent(tmp_path):
    V = save_picture(tmp_path / "in.png", random_pixels(4, HEIGHT, WIDTH))
    assert np.array_equal(pixels(succeed("apply", "in.png", "-k", "identity", "-o", "-", cwd=tmp_path)), V)


def test_alpha_is_sampled_where_windows_are_centred(tmp_path):
    """Stride 2 pads six rows by one at the bottom, so windows are centred on 1, 3, 5, and on columns 0, 2, 4, 6."""
    V = save_picture(tmp_path / "in.png", random_pixels(4, HEIGHT, WIDTH))
    out = pixels(succeed("apply", "in.png", "-k", "identity", "-s", "2", "-o", "-", cwd=tmp_path))
    assert np.array_equal(out, V[:, 1::2, ::2])


def test_keep_does_not_filter_alpha(tmp_path):
    V = save_picture(tmp_path / "in.png", random_pixels(4, HEIGHT, WIDTH))
    out = pixels(succeed("apply", "in.png", "-k", "box", "--alpha", "keep", "-o", "-", cwd=tmp_path))
    assert_rounded(out[:3], each_channel(replicated(V[:3], 1), np.full((3, 3), 1 / 9), "valid"))
    assert np.array_equal(out[3], V[3])


def test_premultiply_hides_the_colours_of_transparent_pixels(tmp_path):
    """A red disc on pixels that are transparent, and green."""
    rows, columns = np.mgrid[:40, :50]
    disc = (np.hypot(rows - 20, columns - 25) < 12).astype(np.uint8)
    save_picture(tmp_path / "in.png", 255 * np.stack([disc, 1 - disc, 0 * disc, disc]))
    arguments = ["apply", "in.png", "-k", "gaussian:4", "-e", "zero", "-o", "-", "--alpha"]
    fringed, clean = (pixels(succeed(*arguments, rule, cwd=tmp_path)) for rule in ("filter", "premultiply"))
    assert fringed[1].max() > 200
    assert np.array_equal(clean[:3], np.stack([255 * (clean[3] > 0), 0 * disc, 0 * disc]))
    assert_rounded(clean[3], ndimage.gaussian_filter(255.0 * disc, 4, mode="constant"))


def test_alpha_is_checked_before_anything_is_saved(tmp_path):
    save_picture(tmp_path / "in.png", random_pixels(4, HEIGHT, WIDTH))
    result = convcli("apply", "in.png", "-k", "box", "-k", MIXING_BANK, "--alpha", "premultiply", cwd=tmp_path)
    assert (result.code, result.err) == (
        2,
        "convcli: error: --alpha premultiply needs 2-D kernels, which can filter alpha like a channel: "
        "inline has shape (3, 3, 1, 1); use --alpha keep or drop\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_alpha_can_be_dropped(tmp_path):
    V = save_picture(tmp_path / "in.png", random_pixels(4, HEIGHT, WIDTH))
    out = pixels(succeed("apply", "in.png", "-k", "identity", "--alpha", "drop", "-o", "-", cwd=tmp_path))
    assert np.array_equal(out, V[:3])


def test_alpha_that_a_format_cannot_hold_is_a_warning(tmp_path):
    save_picture(tmp_path / "in.png", random_pixels(4, HEIGHT, WIDTH))
    result = convcli("apply", "in.png", "-k", "identity", "-o", "out.jpg", cwd=tmp_path)
    assert (result.code, result.err) == (0, "convcli: warning: out.jpg: alpha is dropped: jpeg cannot store it\n")


SIGNED = np.array([[[-200, -128.4, -1], [0, 0.5, 100.6], [127, 254.6, 400]]])


@pytest.mark.parametrize(
    ("mode", "levels"),
    [
        ("clip", np.rint(np.clip(SIGNED, 0, 255))),
        ("abs", np.rint(np.clip(np.abs(SIGNED), 0, 255))),
        ("offset", np.rint(np.clip(SIGNED + 128, 0, 255))),
        ("minmax", np.rint((SIGNED + 200) / 600 * 255)),
    ],
)
def test_range(tmp_path, mode, levels):
    arguments = ["apply", "-", "-k", "[[1]]", "--range", mode, "-q", "-o", "-", "-f", "png"]
    out = pixels(succeed(*arguments, cwd=tmp_path, stdin=npy(SIGNED)))
    assert out.dtype == np.uint8
    assert np.array_equal(out, levels[0])


@pytest.mark.parametrize(("format", "mode", "dtype"), [("npy", "clip", np.uint8), ("tiff", "raw", np.float32)])
def test_range_and_format_combine(tmp_path, format, mode, dtype):
    arguments = ["apply", "-", "-k", "[[1]]", "--range", mode, "-q", "-o", f"out.{format}"]
    succeed(*arguments, cwd=tmp_path, stdin=npy(SIGNED))
    data = (tmp_path / f"out.{format}").read_bytes()
    out = array(data)[0] if format == "npy" else pixels(data)
    assert out.dtype == dtype
    assert np.array_equal(out, SIGNED[0].astype(dtype) if mode == "raw" else np.rint(np.clip(SIGNED[0], 0, 255)))


def test_unit_scales_to_0_to_1(tmp_path):
    V = save_picture(tmp_path / "in.png", random_pixels(3, HEIGHT, WIDTH))
    out = succeed("apply", "in.png", "-k", "[[2]]", "--unit", "-o", "-", "-f", "npy", cwd=tmp_path)
    assert np.array_equal(array(out), 2 * (V / np.float32(255)))


def test_unit_values_make_the_same_picture(tmp_path):
    V = save_picture(tmp_path / "in.png", random_pixels(3, HEIGHT, WIDTH))
    assert np.array_equal(pixels(succeed("apply", "in.png", "-k", "identity", "--unit", "-o", "-", cwd=tmp_path)), V)


def test_quiet_hides_warnings_and_notes(tmp_path):
    arguments = ["apply", "-", "-k", "[[1]]", "-o", "-", "-f", "png"]
    loud, quiet = (convcli(*arguments, *more, cwd=tmp_path, stdin=npy(SIGNED)) for more in ([], ["-q"]))
    assert loud.err == (
        "convcli: note: -: white is taken to be 255, by the largest magnitude: --white sets it\n"
        "convcli: warning: -: 4 of 9 values (44.4 %) lay outside 0..255 and were clipped; "
        "the maps span -200..400, which --range minmax would keep\n"
    )
    assert (quiet.err, quiet.out) == ("", loud.out)


def test_verbose_reports_pads_and_conversions(tmp_path):
    with PIL.Image.open(SAMPLES / "coffee.png") as image:
        image.crop((0, 0, 9, 6)).convert("P").save(tmp_path / "in.png")
    result = convcli("apply", "in.png", "-k", "box:4", "-o", "out.png", "-v", cwd=tmp_path)
    assert result.err == (
        "convcli: note: in.png: palette converted to RGB\nconvcli: note: out.png: 3x6x9 uint8, pads (1, 2, 1, 2) "
        "filled with replicate, by im2col\nconvcli: note: out.png: --range auto is clip\n"
    )


def test_json_has_a_line_per_file(tmp_path):
    (tmp_path / "sub").mkdir()
    np.save(tmp_path / "sub" / "in.npy", SIGNED)
    arguments = ["apply", "sub/in.npy", "-k", "[[1]]", "-k", "box", "-p", "2,0,1,0", "-f", "png", "--json", "-q"]
    inline, box = json_lines(succeed(*arguments, cwd=tmp_path))
    assert inline.pop("milliseconds") > 0
    assert inline == {
        "convcli": 1,
        "input": "sub/in.npy",
        "frame": 0,
        "frames": 1,
        "output": "in.inline.png",
        "kernel": "inline",
        "pads": [2, 0, 1, 0],
        "edge": "zero",
        "shape": [1, 5, 4],
        "alpha": False,
        "dtype": "uint8",
        "range": "clip",
        "gain": 1.0,
        "minimum": -200.0,
        "maximum": 400.0,
        "clipped": 4,
        "algorithm": "direct",
        "tiles": {"direct": 1},
        "skipped": False,
        "error": None,
    }
    assert (box["kernel"], box["output"], box["shape"]) == ("box", "in.box.png", [1, 3, 2])


def test_json_counts_the_clipping_of_each_file(tmp_path):
    np.save(tmp_path / "in.npy", np.array([[100, 200, 300]]))
    bank = "[[[[1]]],[[[-1]]]]"
    lines = json_lines(succeed("apply", "in.npy", "-k", bank, "-o", "{map}.png", "--json", "-q", cwd=tmp_path))
    assert [(line["output"], line["minimum"], line["maximum"], line["clipped"]) for line in lines] == [
        ("0.png", 100, 300, 1),
        ("1.png", -300, -100, 3),
    ]


def test_overwrite_replaces(tmp_path):
    V = save_picture(tmp_path / "a.png", random_pixels(1, HEIGHT, WIDTH))[0]
    succeed("apply", "a.png", "-k", "[[0.5]]", "-o", "a.png", "--overwrite", cwd=tmp_path)
    assert_rounded(pixels(tmp_path / "a.png"), V / 2)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]

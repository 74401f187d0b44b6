"""A picture keeps its name and its format, and a JPEG its quantisation and subsampling."""

from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL.JpegImagePlugin import get_sampling
from support.command_line import SAMPLES, convcli

from convcli import GeometryError, conv2d_plan, filter_image
from convcli.apply.appearance import Appearance
from convcli.apply.batch import Batch
from convcli.apply.filtering import apply_filter, plan_filter
from convcli.apply.outputs import encodings_of
from convcli.convolution.prepared import Convolution
from convcli.convolution.request import Request
from convcli.errors import OptionError
from convcli.files.output_names import destination_of
from convcli.files.source import Source
from convcli.files.whole_files import IfExists
from convcli.pictures.formats import Coding, format_of
from convcli.pictures.reading import read_image

BLUR = Request("blur", Convolution.of([[1 / 4, 1 / 4], [1 / 4, 1 / 4]], padding="same"))


def photograph(mode: str = "RGB") -> PIL.Image.Image:
    with PIL.Image.open(SAMPLES / "rocket.jpg") as picture:
        return picture.crop((200, 150, 296, 214)).convert(mode)


def batch(folder: Path, coding: Coding = Coding(), *, requests: int = 1, overwrite: bool = False) -> Batch:  # noqa: B008
    destination = destination_of(f"{folder}/", IfExists.REPLACE if overwrite else IfExists.FAIL)
    kernels = [BLUR._replace(name=f"blur{number}") for number in range(requests)]
    return Batch(kernels, Appearance(), destination, encodings_of(destination, None, coding))


def run(work: Batch, *paths: Path) -> None:
    sources = [Source.of(path) for path in paths]
    work.refuse_clashes(sources)
    for source in sources:
        assert work.process(source).error is None


def test_a_folder_of_different_formats(tmp_path: Path) -> None:
    names = ["a.jpg", "B.JPEG", "anim.gif", "anim.png", "w.webp", "t.tif", "b.bmp"]
    for name in names:
        photograph("P" if name == "anim.gif" else "RGB").save(tmp_path / name)
    run(batch(tmp_path / "out"), *(tmp_path / name for name in names))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    for name in names:
        with PIL.Image.open(tmp_path / name) as before, PIL.Image.open(tmp_path / "out" / name) as after:
            assert (after.format, after.size) == (before.format, before.size)


def test_several_kernels_add_their_names(tmp_path: Path) -> None:
    photograph().save(tmp_path / "a.jpg")
    run(batch(tmp_path / "out", requests=2), tmp_path / "a.jpg")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.blur0.jpg", "a.blur1.jpg"]


def test_a_format_that_is_only_read_becomes_png(tmp_path: Path) -> None:
    photograph().save(tmp_path / "a.pcx")
    run(batch(tmp_path / "out"), tmp_path / "a.pcx")
    with PIL.Image.open(tmp_path / "out" / "a.png") as after:
        assert after.format == "PNG"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_would_replace_its_inputs_is_refused(tmp_path: Path, overwrite: bool) -> None:
    photograph().save(tmp_path / "a.jpg")
    before = (tmp_path / "a.jpg").read_bytes()
    with pytest.raises(OptionError, match=r"a\.jpg is also an input: use `output` to write elsewhere"):
        batch(tmp_path, overwrite=overwrite).refuse_clashes([Source.of(tmp_path / "a.jpg")])
    assert (tmp_path / "a.jpg").read_bytes() == before


@pytest.mark.parametrize(("quality", "subsampling"), [(30, 2), (75, 1), (95, 0)])
def test_a_jpeg_keeps_its_quantisation_and_subsampling(tmp_path: Path, quality: int, subsampling: int) -> None:
    photograph().save(tmp_path / "a.jpg", quality=quality, subsampling=subsampling)
    run(batch(tmp_path / "out"), tmp_path / "a.jpg")
    with PIL.Image.open(tmp_path / "a.jpg") as before, PIL.Image.open(tmp_path / "out" / "a.jpg") as after:
        assert after.quantization == before.quantization
        assert get_sampling(after) == get_sampling(before) == subsampling


@pytest.mark.parametrize(
    ("subsampling", "kept"), [("411", False), ("440", False), ("444", True), ("422", True), ("420", True)]
)
def test_a_subsampling_that_is_not_written_is_a_note(subsampling: str, kept: bool) -> None:
    imagecodecs = pytest.importorskip("imagecodecs", reason="imagecodecs writes every subsampling")
    data = imagecodecs.jpeg8_encode(np.asarray(photograph()), subsampling=subsampling)
    note = "the chroma subsampling of the image is not written: colours are stored at full resolution"
    assert (note in filter_image(data, "box", format="jpeg").notes) != kept
    assert note not in filter_image(data, "box", format="png").notes


def test_gray_has_no_subsampling_to_lose() -> None:
    stream = BytesIO()
    photograph("L").save(stream, "JPEG")
    assert not any("subsampling" in note for note in filter_image(stream.getvalue(), "box", format="jpeg").notes)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_stays_progressive(tmp_path: Path, mode: str, progressive: bool) -> None:
    photograph(mode).save(tmp_path / "a.jpg", progressive=progressive)
    for coding in (Coding(), Coding(quality=60)):
        run(batch(tmp_path / f"out{coding.quality}", coding), tmp_path / "a.jpg")
        with PIL.Image.open(tmp_path / f"out{coding.quality}" / "a.jpg") as after:
            assert bool(after.info.get("progressive")) == progressive


def test_gray_of_a_jpeg_keeps_the_table_of_luma(tmp_path: Path) -> None:
    photograph().save(tmp_path / "a.jpg", quality=50)
    filter_image(tmp_path / "a.jpg", "box", gray=True, format="jpeg").save(tmp_path / "gray.jpg")
    with PIL.Image.open(tmp_path / "a.jpg") as before, PIL.Image.open(tmp_path / "gray.jpg") as after:
        assert (after.mode, after.quantization[0]) == ("L", before.quantization[0])


def test_cmyk_has_no_tables_of_rgb() -> None:
    stream = BytesIO()
    photograph("CMYK").save(stream, "JPEG", quality=30)
    assert read_image(stream.getvalue()).stored.tables is None


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.avif"])
def test_quality_is_that_of_the_encoder(tmp_path: Path, name: str) -> None:
    photograph().save(tmp_path / name, quality=90)
    sizes = {}
    for quality in (10, 80):
        run(batch(tmp_path / str(quality), Coding(quality=quality)), tmp_path / name)
        sizes[quality] = (tmp_path / str(quality) / name).stat().st_size
    assert sizes[10] < 0.9 * sizes[80]


def test_a_quality_replaces_the_quantisation_and_not_the_subsampling(tmp_path: Path) -> None:
    photograph().save(tmp_path / "a.jpg", quality=30, subsampling=1)
    run(batch(tmp_path / "out", Coding(quality=85)), tmp_path / "a.jpg")
    photograph().save(tmp_path / "same.jpg", quality=85)
    with PIL.Image.open(tmp_path / "same.jpg") as same, PIL.Image.open(tmp_path / "out" / "a.jpg") as after:
        assert after.quantization == same.quantization
        assert get_sampling(after) == 1


@pytest.mark.parametrize(
    ("coding", "message"),
    [
        (
            Coding(quality=85),
            "quality: expected 1 to 100, for output as jpeg, webp, avif or heif, given 85 for output as png",
        ),
        (
            Coding(compression="10"),
            "compression: expected 0 to 9 for output as png, or none, deflate, lzw, packbits or zstd for tiff, "
            "given '10' for output as png",
        ),
    ],
)
def test_an_option_that_no_output_knows_is_refused(tmp_path: Path, coding: Coding, message: str) -> None:
    with pytest.raises(OptionError, match=f"^{message}$"):
        batch(tmp_path, coding).refuse_clashes([Source.of("a.png")])


def test_an_option_that_one_output_knows_is_taken(tmp_path: Path) -> None:
    batch(tmp_path, Coding(quality=85)).refuse_clashes([Source.of("a.png"), Source.of("b.jpg")])
    with pytest.raises(OptionError, match=r"^quality: expected 1 to 100, .* given 101 for output as jpeg$"):
        batch(tmp_path, Coding(quality=101)).refuse_clashes([Source.of("b.jpg")])


def test_arrays_with_channels_last_are_refused() -> None:
    message = r"expected an array \(C, H, W\), given \(17, 20, 3\), which looks like \(H, W, C\): move its last axis"
    with pytest.raises(GeometryError, match=message):
        filter_image(np.zeros((17, 20, 3), np.uint8), "box")
    filter_image(np.zeros((16, 20, 3), np.uint8), "box", format="npy")
    bank = np.ones((1, 17, 1, 1))
    assert filter_image(np.ones((17, 20, 3), np.uint8), bank).maps.values.shape == (1, 20, 3)
    assert conv2d_plan("17,20,3", np.ones((3, 3))).prepared.geometry.output_shape == (17, 18, 1)


@pytest.mark.parametrize("command", ["apply", "grad", "explain", "check", "plan", "matrix"])
def test_every_command_refuses_channels_last(tmp_path: Path, command: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((20, 30, 4)))
    result = convcli(command, "a.npy", "-k", "box", *(["--at", "0,0,0"] if command == "explain" else []), cwd=tmp_path)
    assert result.code == 2
    assert result.err.endswith(
        "expected an array (C, H, W), given (20, 30, 4), which looks like (H, W, C): add --layout hwc, or --layout chw "
        "if it is not\n"
    )


@pytest.mark.parametrize(("lossless", "quality", "kept"), [(True, None, True), (True, 90, False), (False, None, False)])
def test_a_lossless_webp_stays_lossless_unless_a_quality_is_given(
    tmp_path: Path, lossless: bool, quality: int | None, kept: bool
) -> None:
    photograph("RGBA").save(tmp_path / "a.webp", lossless=lossless)
    run(batch(tmp_path / "out", Coding(quality=quality)), tmp_path / "a.webp")
    assert read_image(tmp_path / "out" / "a.webp").stored.lossless == kept
    if kept:
        request = BLUR._replace(name="blur0")
        image = read_image(tmp_path / "a.webp")
        alone = apply_filter(plan_filter(request, image.header, Appearance(), format_of("png")), image)
        assert np.array_equal(read_image(tmp_path / "out" / "a.webp").pixels, alone.maps.values)

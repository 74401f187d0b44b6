"""Animations and files of pages are written whole: every frame, its time, and the metadata of pages."""

from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from support.command_line import convcli, json_lines, shell
from support.pictures import exif_of

from convcli.apply.appearance import Appearance
from convcli.apply.batch import Batch
from convcli.apply.combining import Combination
from convcli.apply.dry_run import forecast_outputs
from convcli.apply.filtering import apply_filter, plan_filter
from convcli.apply.outputs import encodings_of
from convcli.cli.text.apply import forecast_line
from convcli.convolution.prepared import Convolution
from convcli.convolution.request import Request
from convcli.errors import FileError, OptionError
from convcli.files.output_names import destination_of
from convcli.files.source import Source
from convcli.files.whole_files import IfExists
from convcli.pictures.formats import Coding, format_of
from convcli.pictures.formats.sequences import FrameTimes
from convcli.pictures.image import Image, Metadata, Stored
from convcli.pictures.reading import iter_frames, read_header
from convcli.pictures.writing import FrameWriter

HEIGHT, WIDTH = 9, 14
BLUR = Request("blur", Convolution.of([[0.25, 0.5, 0.25]], padding="same"))
EDGE = Request("edge", Convolution.of([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], padding="same"))
DURATIONS = (40.0, 130.0, 70.0)


def frames_of(alpha: bool = False, dtype: type = np.uint8) -> list[Image]:
    rng = np.random.default_rng(3)
    full = np.iinfo(dtype).max

    def image(duration: float) -> Image:
        pixels = rng.integers(0, full, (3, HEIGHT, WIDTH), dtype, endpoint=True)
        opacity = rng.integers(0, 1, (HEIGHT, WIDTH), dtype, endpoint=True) * full if alpha else None
        return Image(pixels, opacity, duration=duration)

    return [image(duration) for duration in DURATIONS]


def file_of(images: list[Image], name: str, plays: int | None = 0) -> bytes:
    stream = BytesIO()
    writer = FrameWriter(stream, format_of(name), len(images), plays)
    for image in images:
        writer.add(image.pixels, image.alpha, image.metadata, Coding(stored=Stored(lossless=True)), image.duration)
    return stream.getvalue()


def batch(output: str, *requests: Request | Combination, if_exists: IfExists = IfExists.FAIL) -> Batch:
    destination = destination_of(output, if_exists)
    return Batch(requests or [BLUR], Appearance(), destination, encodings_of(destination), all_frames=True)


def saved(path: Path, data: bytes) -> Source:
    path.write_bytes(data)
    return Source.of(path)


def assert_frames_filtered(path: Path, images: list[Image], request: Request | Combination = BLUR) -> None:
    """Assert that each frame of a file is what the kernel makes of that frame alone."""
    format = format_of(path.suffix)
    written = list(iter_frames(path))
    assert len(written) == len(images)
    for frame, image in zip(written, images, strict=True):
        alone = apply_filter(plan_filter(request, image.header, Appearance(), format), image)
        alpha = alone.alpha
        if alpha is not None and format.name == "gif":
            alpha = np.where(alpha < 128, 0, 255)
        assert frame.alpha is None if alpha is None else np.array_equal(frame.alpha, alpha)
        visible = np.ones((HEIGHT, WIDTH), bool) if image.alpha is None else frame.alpha > 0
        assert np.array_equal(frame.pixels[:, visible], alone.maps.values[:, visible])


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize(
    ("given", "written"),
    [("gif", "gif"), ("png", "png"), ("webp", "webp"), ("png", "tif"), ("webp", "gif"), ("gif", "png")],
)
def test_every_frame_is_filtered_as_it_would_be_alone(tmp_path: Path, given: str, written: str, alpha: bool) -> None:
    images = frames_of(alpha)
    source = saved(tmp_path / f"anim.{given}", file_of(images, given, 3))
    outcome = batch(str(tmp_path / f"out.{written}")).process(source)
    assert outcome.error is None
    assert_frames_filtered(tmp_path / f"out.{written}", images)
    if written != "tif":
        assert read_header(tmp_path / f"out.{written}").plays == 3
        assert [frame.duration for frame in iter_frames(tmp_path / f"out.{written}")] == list(DURATIONS)


def test_an_animation_of_16_bits_keeps_them(tmp_path: Path) -> None:
    images = frames_of(alpha=True, dtype=np.uint16)
    source = saved(tmp_path / "anim.png", file_of(images, "png"))
    assert batch(f"{tmp_path}/out/").process(source).error is None
    assert_frames_filtered(tmp_path / "out" / "anim.png", images)


@pytest.mark.parametrize("given", ["gif", "png", "webp"])
@pytest.mark.parametrize("written", ["gif", "png", "webp"])
@pytest.mark.parametrize("plays", [0, 1, 5])
def test_times_and_repetitions_are_kept(tmp_path: Path, given: str, written: str, plays: int) -> None:
    source = saved(tmp_path / f"anim.{given}", file_of(frames_of(), given, plays))
    assert batch(str(tmp_path / f"out.{written}")).process(source).error is None
    assert read_header(tmp_path / f"out.{written}")[2:5:2] == (3, True)
    assert read_header(tmp_path / f"out.{written}").plays == plays
    assert [frame.duration for frame in iter_frames(tmp_path / f"out.{written}")] == list(DURATIONS)


def changing_frames(alpha: bool) -> list[Image]:
    """Return frames that change a part, nothing, one pixel, and everything."""
    first, _, last = frames_of(alpha)
    part, dot = first.pixels.copy(), first.pixels.copy()
    part[:, 3:6, 5:11] = last.pixels[:, 3:6, 5:11]
    dot[1, -1, -1] ^= 255
    opacity = None if first.alpha is None else np.flipud(first.alpha)
    return [
        first,
        first._replace(pixels=part),
        first._replace(pixels=part),
        first._replace(pixels=dot),
        first._replace(pixels=dot, alpha=opacity),
        last,
    ]


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("name", ["gif", "png", "webp"])
def test_frames_that_change_little_are_exact_and_need_few_bytes(name: str, alpha: bool) -> None:
    images = changing_frames(alpha)
    for frame, image in zip(iter_frames(file_of(images, name)), images, strict=True):
        visible = np.ones((HEIGHT, WIDTH), bool) if image.alpha is None else image.alpha > 0
        assert np.array_equal(frame.pixels[:, visible], image.pixels[:, visible])
        assert image.alpha is None or np.array_equal(frame.alpha, image.alpha)
    if not (name == "gif" and alpha):
        still = images[:1] * 2
        assert len(file_of(still, name)) < len(file_of(images[:1] + images[-1:], name)) * 0.75


def test_fractions_of_seconds_are_exact_in_png_and_their_sum_in_other_formats() -> None:
    third = 1000 / 30
    images = [image._replace(duration=third) for image in frames_of() * 4]
    assert {frame.duration for frame in iter_frames(file_of(images, "png"))} == {third}
    for name, unit in (("gif", 10), ("webp", 1)):
        durations = [frame.duration or 0 for frame in iter_frames(file_of(images, name))]
        assert sum(durations) == 400
        assert {duration // unit for duration in durations} == {int(third / unit), int(third / unit) + 1}


@pytest.mark.parametrize(
    ("durations", "units"),
    [((40, 130), [4, 13]), ((33, 33, 34), [3, 4, 3]), ((4, 4, 4, 0), [1, 1, 1, 0]), ((0, 0), [0, 0])],
)
def test_no_frame_that_is_shown_loses_all_its_time(durations: tuple[float, ...], units: list[int]) -> None:
    times = FrameTimes(10)
    assert [times.next(duration) for duration in durations] == units


@pytest.mark.parametrize(("name", "most"), [("gif", "655.35"), ("webp", "16,777.2")])
def test_a_frame_that_is_shown_for_too_long_is_refused(name: str, most: str) -> None:
    images = [image._replace(duration=60e6) for image in frames_of()]
    with pytest.raises(OptionError, match=f"{name}: expected frames of at most {most} s, given 60,000 s; choose"):
        file_of(images, name)


def test_the_times_that_a_file_cannot_hold_are_a_warning(tmp_path: Path) -> None:
    source = saved(tmp_path / "anim.png", file_of(frames_of(), "png", 2))
    for name, loss in (
        ("out.tif", "the times of the frames are dropped: tiff cannot store them"),
        ("out.avif", "the animation is played for ever, not 2 times: avif is written without a number"),
    ):
        (record,) = batch(str(tmp_path / name)).process(source).outputs
        assert (record.losses, record.frames) == ((loss,), 3)


@pytest.mark.parametrize(("name", "most"), [("gif", 65536), ("webp", 65535)])
def test_an_animation_that_is_played_too_often_is_played_for_ever(tmp_path: Path, name: str, most: int) -> None:
    for plays, stored in ((most, most), (most + 1, 0)):
        source = saved(tmp_path / "anim.png", file_of(frames_of(), "png", plays))
        path = tmp_path / f"{plays}.{name}"
        (record,) = batch(str(path)).process(source).outputs
        assert read_header(Source.of(path)).plays == stored
        loss = f"the animation is played for ever, not {plays:,} times: {name} stores at most {most:,}"
        assert record.losses == ((loss,) if stored == 0 else ())


def test_a_picture_before_an_animated_png_stays_before_it(tmp_path: Path) -> None:
    images = frames_of()
    images[0] = images[0]._replace(duration=None)
    data = file_of(images, "png")
    source = saved(tmp_path / "anim.png", data)
    assert batch(str(tmp_path / "out.png")).process(source).error is None
    with PIL.Image.open(tmp_path / "out.png") as picture:
        assert (picture.n_frames, picture.default_image) == (3, True)  # type: ignore[attr-defined]
    assert_frames_filtered(tmp_path / "out.png", images)


@pytest.mark.parametrize(("name", "fields"), [("gif", ("comment",)), ("png", ("exif", "comment")), ("webp", ("exif",))])
def test_an_animation_has_the_metadata_of_its_first_frame(tmp_path: Path, name: str, fields: tuple[str, ...]) -> None:
    described = Metadata(exif=exif_of().tobytes(), comment=b"A comment. " * 30)
    images = [frames_of()[0]._replace(metadata=described), *frames_of()[1:]]
    source = saved(tmp_path / f"anim.{name}", file_of(images, name))
    assert batch(str(tmp_path / f"out.{name}")).process(source).error is None
    given, written = (next(iter_frames(path)).metadata for path in (source, tmp_path / f"out.{name}"))
    assert [getattr(written, field) for field in fields] == [getattr(given, field) for field in fields] != []
    assert all(getattr(written, field) for field in fields)


def pages() -> list[Image]:
    """Return pages of different sizes, depths and channels, and one with EXIF and a resolution."""
    rng = np.random.default_rng(5)
    described = Metadata(exif=exif_of().tobytes(), dpi=(300.0, 150.0))
    return [
        Image(rng.integers(0, 256, (3, 9, 15), np.uint8), metadata=described),
        Image(rng.integers(0, 65536, (1, 5, 7), np.uint16)),
        Image(rng.random((3, 7, 5)).astype(np.float32)),
        Image(rng.integers(0, 65536, (3, 1, 1), np.uint16), np.full((1, 1), 65535, np.uint16)),
    ]


def test_pages_of_different_sizes_and_depths_are_pages_of_one_tiff(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    identity = Request("identity", Convolution.of([[1.0]]))
    source = saved(tmp_path / "pages.tif", file_of(pages(), "tiff", None))
    outcome = batch(str(tmp_path / "out.tif"), identity).process(source)
    assert (outcome.error, [record.frames for record in outcome.outputs]) == (None, [4])
    for written, page in zip(iter_frames(tmp_path / "out.tif"), pages(), strict=True):
        assert written.pixels.dtype == page.pixels.dtype
        assert np.array_equal(written.pixels, page.pixels)
        assert (written.alpha is None) == (page.alpha is None)
        assert (written.metadata.exif is None, written.metadata.dpi) == (page.metadata.exif is None, page.metadata.dpi)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert [page.shape for page in file.pages] == [(9, 15, 3), (5, 7), (7, 5, 3), (1, 1, 4)]
        assert all(page.offset % 2 == 0 for page in file.pages)


def test_pages_beyond_4_gb_are_a_big_tiff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convcli.pictures.formats.tiff_writing.CLASSIC_LIMIT", 2 * 3 * 9 * 15)
    images = pages()[:1] * 3
    data = file_of(images, "tiff", None)
    assert data[2] == 43
    for written, page in zip(iter_frames(data), images, strict=True):
        assert np.array_equal(written.pixels, page.pixels)
        assert written.metadata.exif
        assert written.metadata.dpi == page.metadata.dpi


def test_pages_are_no_animation(tmp_path: Path) -> None:
    source = saved(tmp_path / "pages.tif", file_of(pages()[:2], "tiff", None))
    destination = destination_of(f"{tmp_path}/out/")
    work = Batch([BLUR], Appearance(), destination, encodings_of(destination, "png"), all_frames=True)
    assert work.process(source).error is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["pages.0.png", "pages.1.png"]


def test_several_kernels_and_combinations_have_a_file_each(tmp_path: Path) -> None:
    images = frames_of()
    source = saved(tmp_path / "anim.png", file_of(images, "png"))
    both = Combination([EDGE, BLUR], "magnitude", "both")
    work = batch(f"{tmp_path}/out/", BLUR, EDGE, both)
    work.refuse_clashes([source])
    outcome = work.process(source)
    assert [(Path(record.output).name, record.frames) for record in outcome.outputs] == [
        ("anim.blur.png", 3),
        ("anim.edge.png", 3),
        ("anim.both.png", 3),
    ]
    for request in (BLUR, EDGE, both):
        assert_frames_filtered(tmp_path / "out" / f"anim.{request.name}.png", images, request)


def test_maps_that_need_files_of_their_own_are_animations_of_their_own(tmp_path: Path) -> None:
    images = frames_of()
    source = saved(tmp_path / "anim.png", file_of(images, "png"))
    weights = np.array([[[[1.0]], [[0]], [[0]]], [[[0]], [[1]], [[0]]]])
    outcome = batch(f"{tmp_path}/out/", Request("bank", Convolution.of(weights))).process(source)
    assert outcome.error is None
    for number in range(2):
        written = list(iter_frames(tmp_path / "out" / f"anim.{number}.png"))
        assert [frame.pixels.tolist() for frame in written] == [
            image.pixels[number : number + 1].tolist() for image in images
        ]


def test_the_record_is_of_all_frames(tmp_path: Path) -> None:
    images = frames_of()
    source = saved(tmp_path / "anim.png", file_of(images, "png"))
    (record,) = batch(str(tmp_path / "out.png"), EDGE._replace(name="edge")).process(source).outputs
    alone = [apply_filter(plan_filter(EDGE, image.header, Appearance(), format_of("png")), image) for image in images]
    statistics = [each for filtered in alone for each in filtered.maps.statistics]
    assert record.clipped == sum(each.clipped for each in statistics) > 0
    assert record.maximum == max(each.high for each in statistics)
    assert len(record.warnings) == 1
    assert record.warnings[0].startswith(f"{record.clipped:,} of {3 * 3 * HEIGHT * WIDTH:,} magnitudes")
    assert record.tiles == {"separable": 3} or sum(record.tiles.values()) == 3


@pytest.mark.parametrize("name", ["gif", "png", "tif", "webp", "avif"])
def test_no_file_remains_if_a_frame_cannot_be_read(tmp_path: Path, name: str) -> None:
    data = file_of(frames_of(), "png")
    damaged = bytearray(data)
    damaged[data.rindex(b"fdAT") + 30] ^= 255
    outcome = batch(str(tmp_path / f"out.{name}")).process(saved(tmp_path / "anim.png", bytes(damaged)))
    assert isinstance(outcome.error, FileError)
    assert (outcome.outputs, [path.name for path in tmp_path.iterdir()]) == ((), ["anim.png"])


def test_a_file_that_would_lack_pages_is_refused(tmp_path: Path) -> None:
    """The second page has a map more, which has no place among the maps of the first."""
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((5, 7), np.uint8), photometric="minisblack")
        file.write(np.zeros((5, 7, 2), np.uint8), photometric="minisblack", extrasamples=["unspecified"])
    outcome = batch(str(tmp_path / "out.{map}.tif")).process(Source.of(tmp_path / "a.tif"))
    lack = f"{tmp_path / 'out.1.tif'} would lack 1 of 2 frames: add {{frame}} and {{map}} to the name"
    assert str(outcome.error).startswith(lack)
    assert not (tmp_path / "out.1.tif").exists()


def growing_gif() -> bytes:
    """Return a GIF whose second frame is larger than its screen, which some programs enlarge then."""
    small, large = (np.random.default_rng(7).integers(0, 256, (3, *shape), np.uint8) for shape in ((4, 5), (6, 7)))
    first, second = (file_of([Image(pixels, duration=40.0)], "gif") for pixels in (small, large))
    # The screen and its blocks take 32 bytes.
    return first[:-1] + second[32:]


@pytest.mark.parametrize("name", ["gif", "png", "webp", "avif"])
def test_frames_of_different_sizes_are_no_animation(tmp_path: Path, name: str) -> None:
    source = saved(tmp_path / "a.gif", growing_gif())
    outcome = batch(str(tmp_path / f"out.{name}")).process(source)
    assert str(outcome.error) == (
        f"the frames differ in size, depth or alpha, so that one {name} cannot hold them: add {{frame}} to the name"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]
    assert batch(str(tmp_path / f"out.{{frame}}.{name}")).process(source).error is None
    assert [read_header(tmp_path / f"out.{number}.{name}").shape[1:] for number in range(2)] == [(4, 5), (6, 7)]


def test_an_avif_is_an_animation_again(tmp_path: Path) -> None:
    smooth = np.moveaxis(np.asarray(PIL.Image.linear_gradient("L").resize((48, 32)).convert("RGB")), -1, 0)
    images = [Image(np.roll(smooth, 9 * number, axis=2), duration=time) for number, time in enumerate(DURATIONS)]
    source = saved(tmp_path / "a.avif", file_of(images, "avif"))
    assert batch(str(tmp_path / "out.avif"), Request("identity", Convolution.of([[1.0]]))).process(source).error is None
    written = list(iter_frames(tmp_path / "out.avif"))
    assert [frame.duration for frame in written] == list(DURATIONS)
    for frame, image in zip(written, images, strict=True):
        assert abs(frame.pixels.astype(int) - image.pixels).max() < 16


@pytest.mark.parametrize(("name", "kept"), [("gif", 0), ("png", 0), ("tif", 0), ("webp", 2)])
def test_frames_are_written_as_they_come(name: str, kept: int) -> None:
    stream, grown = BytesIO(), []
    writer = FrameWriter(stream, format_of(name), 3, None if name == "tif" else 0)
    for image in frames_of():
        before = stream.tell()
        writer.add(image.pixels, None, Metadata(), Coding(), image.duration)
        grown.append(stream.tell() - before)
    assert [size > 100 for size in grown] == [False] * kept + [True] * (3 - kept)


def test_existing_animations_are_skipped_refused_or_replaced_whole(tmp_path: Path) -> None:
    source = saved(tmp_path / "anim.png", file_of(frames_of(), "png"))
    saved(tmp_path / "out.png", b"old")
    assert batch(str(tmp_path / "out.png"), if_exists=IfExists.SKIP).process(source).skipped
    outcome = batch(str(tmp_path / "out.png")).process(source)
    assert "exists: use `overwrite`" in str(outcome.error)
    assert (tmp_path / "out.png").read_bytes() == b"old"
    assert batch(str(tmp_path / "out.png"), if_exists=IfExists.REPLACE).process(source).error is None
    assert read_header(tmp_path / "out.png").frames == 3


def test_a_command_writes_an_animation(tmp_path: Path) -> None:
    saved(tmp_path / "anim.gif", file_of(frames_of(), "gif", 1))
    result = convcli("apply", "anim.gif", "--all-frames", "-k", "identity", "-o", "anim2.gif", "--json", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert [(line["frame"], line["frames"]) for line in json_lines(result.out)] == [(0, 3)]


def test_a_dry_run_counts_all_frames(tmp_path: Path) -> None:
    source = saved(tmp_path / "anim.gif", file_of(frames_of(), "gif"))
    (forecast,) = forecast_outputs(batch(str(tmp_path / "b.gif")), source)
    assert (forecast.frames, forecast.bytes) == (3, 3 * 3 * HEIGHT * WIDTH)
    assert forecast_line(forecast).endswith("/b.gif: 3x9x14 uint8, 3 frames, 1.1 KB\n")


def test_an_animation_goes_through_pipes(tmp_path: Path) -> None:
    data = file_of(frames_of(), "png", 4)
    saved(tmp_path / "anim.png", data)
    result = shell("cat anim.png | convcli apply - --all-frames -k '[[1]]' -f png -o - | cat > out.png", tmp_path)
    assert (result.code, result.err) == (0, "")
    assert [frame.pixels.tolist() for frame in iter_frames(tmp_path / "out.png")] == [
        frame.pixels.tolist() for frame in iter_frames(data)
    ]


def test_stills_are_pictures_with_all_frames_too(tmp_path: Path) -> None:
    saved(tmp_path / "a.gif", file_of(frames_of()[:1], "gif"))
    PIL.Image.new("RGB", (5, 4)).save(tmp_path / "b.png")
    sources = [Source.of(tmp_path / name) for name in ("a.gif", "b.png")]
    work = batch(f"{tmp_path}/out/")
    assert [work.process(source).error for source in sources] == [None, None]
    assert b"acTL" not in (tmp_path / "out" / "b.png").read_bytes()

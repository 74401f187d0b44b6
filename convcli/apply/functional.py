"""``filter_image``: filter a picture, from a file or an array, with plain options."""

import os
from dataclasses import replace
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from convcli.apply.appearance import Appearance, prepare_image
from convcli.apply.filtering import FilteredImage, apply_filter, plan_filter
from convcli.arrays import real_array
from convcli.convolution.prepared import Convolution
from convcli.convolution.request import Request
from convcli.engine import Execution
from convcli.errors import GeometryError
from convcli.files.source import Source, SourceLike
from convcli.geometry.options import Numbers
from convcli.kernels.kernel import Kernel
from convcli.kernels.loading import load_kernel
from convcli.pictures.formats import format_of
from convcli.pictures.image import Image
from convcli.pictures.reading import read_image


def filter_image(
    image: SourceLike | ArrayLike,
    kernel: str | os.PathLike[str] | Kernel | ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Numbers = 1,
    padding: Numbers = "same",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
    gray: bool = False,
    unit: bool = False,
    linear: bool = False,
    alpha: str = "keep",
    range: str | None = None,
    format: str = "png",
    max_pixels: int | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
    memory: int | None = None,
) -> FilteredImage:
    """Filter a picture with a kernel, as ``convcli apply`` does.

    Parameters
    ----------
    image
        A file's name, the bytes of a file, or an array ``(C, H, W)`` or ``(H, W)``.
    kernel
        A preset ``name:params``, a kernel's file or JSON, a ``Kernel``, or an array of weights.
    bias, stride, padding, dilation, groups, edge, flip, algorithm, threads, memory
        As in ``conv2d``, except that ``padding`` is ``same`` by default.
    gray
        Convert colours to gray first.
    unit
        Scale pixel values to 0..1 first.
    linear
        Filter in linear light: undo sRGB's curve first, and apply it to the maps.
    alpha
        The treatment of transparency: ``keep``, ``premultiply``, ``filter`` or ``drop``.
    range
        How maps become pixels: ``clip``, ``abs``, ``offset``, ``minmax``, or ``raw`` for floats; by default ``raw``
        for ``npy`` and ``clip`` for pictures.
    format
        The file format of ``save``, such as ``png``, ``tiff`` or ``npy``. It determines the depth of the pixels, and
        whether they have alpha.
    max_pixels
        The most pixels that a picture's file may have; 0 is no limit, None is Pillow's limit.

    Returns
    -------
    FilteredImage
        ``maps.values`` holds the pixels ``(C_out, OH, OW)``, ``alpha`` the transparency or None, ``warnings`` the
        losses. ``save(path)`` writes the file.

    Raises
    ------
    FileError
        The image cannot be read.
    KernelError
        The kernel cannot be read.
    GeometryError
        Shapes or options do not fit together.
    OptionError
        An option has no such value, or does not fit the kernel or the format.

    Examples
    --------
    >>> filter_image(np.full((1, 4, 4), 100, np.uint8), "box", edge="replicate").maps.values[0, 0]
    array([100, 100, 100, 100], dtype=uint8)
    """
    appearance = Appearance(gray=gray, unit=unit, alpha=alpha, range=range, linear=linear)
    K = load_kernel(kernel) if isinstance(kernel, str | os.PathLike) else kernel
    convolution = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    )
    name = K.name if isinstance(K, Kernel) else "kernel"
    request = Request(name, convolution, Execution(algorithm, threads, memory))
    prepared = prepare_image(_image_of(image, max_pixels), appearance)
    filtered = apply_filter(plan_filter(request, prepared.header, appearance, format_of(format)), prepared)
    warnings, notes = (*prepared.warnings, *filtered.warnings), (*prepared.notes, *filtered.notes)
    return filtered._replace(warnings=warnings, notes=notes)


def _image_of(image: SourceLike | ArrayLike, max_pixels: int | None) -> Image:
    if isinstance(image, Source | str | bytes | os.PathLike):
        return read_image(replace(Source.of(image), max_pixels=max_pixels))
    pixels = real_array("image", image)
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise GeometryError(f"image: expected an array (H, W) or (C, H, W) that is not empty, given {pixels.shape}")
    return Image(pixels if pixels.ndim == 3 else pixels[np.newaxis])

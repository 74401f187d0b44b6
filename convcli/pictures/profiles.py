"""What an ICC colour profile says: whether it is whole, and its tone curve (ICC.1, types ``curv`` and ``para``)."""

import re
import struct

import numpy as np

from convcli.arrays import FloatArray
from convcli.pictures.light import light_of

DROPPED = "the colour profile is dropped, because it is damaged"

# The curves of red and of gray. In a colour profile, red stands for all three.
_CURVE_TAGS = (b"rTRC", b"kTRC")
# Gamma 2.2, which many profiles have instead of sRGB's curve, differs from it by less than 0.01; gamma 1.8 by 0.1.
_NEAR = 0.02
# The name of a colour space, such as "RGB " or "4CLR", and the signature; then comes the number of tags.
_HEADER = re.compile(rb".{16}[0-9A-Za-z]{2}[0-9A-Za-z ]{2}.{16}acsp.{92}", re.DOTALL)
# The name, offset and size of a tag.
_ENTRY = struct.Struct(">4sII")


def is_whole(icc: bytes) -> bool:
    """Return whether a profile has the header of one, and holds all that its table of tags lists."""
    table = _tag_table(icc)
    if not _HEADER.match(icc) or len(table) != _ENTRY.size * int.from_bytes(icc[128:132]):
        return False
    return all(offset + size <= len(icc) for _, offset, size in _ENTRY.iter_unpack(table))


def is_like_srgb(icc: bytes | None) -> bool:
    """Return whether a profile's tone curve is near sRGB's, or missing, or unreadable."""
    codes = np.linspace(0, 1, 65)
    try:
        with np.errstate(all="ignore"):
            light = _curve(icc or b"", codes)
    # A damaged profile can raise any of these errors.
    except (struct.error, ArithmeticError, ValueError, LookupError):
        return True
    return light is None or float(np.abs(light - light_of(codes)).max()) < _NEAR


def _curve(icc: bytes, codes: FloatArray) -> FloatArray | None:
    for tag, offset, size in _ENTRY.iter_unpack(_tag_table(icc)):
        if tag in _CURVE_TAGS:
            curve = icc[offset : offset + size]
            return _READERS[curve[:4]](curve[8:], codes) if curve[:4] in _READERS else None
    return None


def _tag_table(icc: bytes) -> bytes:
    if len(icc) < 132:
        return b""
    (count,) = struct.unpack(">I", icc[128:132])
    return icc[132 : 132 + _ENTRY.size * min(count, 1000)]


def _sampled_curve(data: bytes, codes: FloatArray) -> FloatArray:
    """Return the light of a ``curv``: without entries it is the identity, one entry is a gamma, several are a table."""
    (count,) = struct.unpack_from(">I", data)
    entries = np.frombuffer(data, ">u2", count, 4)
    if count < 2:
        return np.asarray(codes ** (entries[0] / 256 if count else 1.0))
    return np.asarray(np.interp(codes, np.linspace(0, 1, count), entries / 65535))


# The parameters of each type in order: light is (a x + b)^g + e for x >= d, and c x + f below.
_PARAMETERS = {0: "g", 1: "gab", 2: "gabe", 3: "gabcd", 4: "gabcdef"}


def _parametric_curve(data: bytes, codes: FloatArray) -> FloatArray:
    names = _PARAMETERS[struct.unpack_from(">H", data)[0]]
    numbers = np.frombuffer(data, ">i4", len(names), 4) / 65536
    p = {"a": 1.0, "b": 0.0, "c": 0.0, "e": 0.0} | dict(zip(names, numbers.tolist(), strict=True))
    d = p.get("d", -p["b"] / p["a"])
    power = np.maximum(p["a"] * codes + p["b"], 0) ** p["g"] + p["e"]
    return np.asarray(np.where(codes >= d, power, p["c"] * codes + p.get("f", p["e"])))


_READERS = {b"curv": _sampled_curve, b"para": _parametric_curve}

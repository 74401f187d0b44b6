"""Planted mistakes: ``convcli check`` ends in the options that make it hold, or names the fault in the code.

Their tensors come from plain loops, as a programmer writes them, or from the reference.
"""

import json
import re
from collections.abc import Callable
from contextlib import chdir
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from support import reference
from support.geometries import integers
from support.pages import codes, page, table
from typer.testing import CliRunner

from convcli import conv2d_compare
from convcli.check.comparison import Origin, compare
from convcli.cli.app import app
from convcli.convolution.prepared import Convolution

FLAGS = {"Z": "--output-map", "dK": "--kernel-grad", "dV": "--input-grad", "db": "--bias-grad"}
STRIDE, PAD = 2, 1
V, K, B = integers((3, 2, 7, 9), seed=1), integers((3, 2, 3, 2), seed=2), np.array([3.0, -5.0, 7.0])
G = integers((3, 3, 4, 5), seed=3)
RIGHT = {"stride": (2, 2), "pads": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1, "edge": "zero"}
TYPED = "-s 2 -p 1 -G G.npy"


def of(tensor, V=V, K=K, G=G, bias=None, **options):
    """Return a tensor of the reference, for options that differ from RIGHT."""
    options = RIGHT | options
    if tensor == "Z":
        return reference.conv2d(V, K, **options) + (0 if bias is None else bias.reshape(-1, 1, 1))
    return dict(zip(("dK", "dV", "db"), reference.conv2d_grad(V, K, G, **options), strict=True))[tensor]


def loops(tensor, V=V, K=K, G=G, start=lambda j: j * STRIDE, put=lambda old, new: old + new, crop=PAD):
    """Return dK or dV of one pass over all windows. put: what ``+=`` does.  start: where a window starts."""
    padded = np.pad(V, ((0, 0), (0, 0), (PAD, PAD), (PAD, PAD)))
    dK, dV = np.zeros(K.shape), np.zeros(padded.shape)
    for n, i, j, k in np.ndindex(*G.shape):
        rows, columns = slice(start(j), start(j) + K.shape[2]), slice(start(k), start(k) + K.shape[3])
        dK[i] = put(dK[i], G[n, i, j, k] * padded[n, :, rows, columns])
        dV[n, :, rows, columns] = put(dV[n, :, rows, columns], G[n, i, j, k] * K[i])
    return dK if tensor == "dK" else dV[:, :, crop : crop + V.shape[2], crop : crop + V.shape[3]]


def last(old, new):
    return new


def forward_loops(put=lambda old, new: old + new, bias_inside=False, start=lambda j: j * STRIDE):
    """Return Z by loops over windows and input channels."""
    padded, Z = np.pad(V, ((0, 0), (0, 0), (PAD, PAD), (PAD, PAD))), np.zeros(G.shape)
    for n, i, j, k in np.ndindex(*G.shape):
        for channel in range(K.shape[1]):
            window = padded[n, channel, start(j) : start(j) + K.shape[2], start(k) : start(k) + K.shape[3]]
            Z[n, i, j, k] = put(Z[n, i, j, k], (window * K[i, channel]).sum() + (B[i] if bias_inside else 0))
    return Z


class Planted(NamedTuple):
    """A mistake. tensor: the letters of the tensor.  theirs: computes it.  says: a pattern in the verdict.

    cure: a pattern of the options to add; None for a fault.  typed: the options of the command.
    files: arrays that the command reads, besides V, K and G, or in their place.
    """

    tensor: str
    theirs: Callable[[], Any]
    says: str
    cure: str | None = None
    typed: str = TYPED
    files: dict[str, Any] = {}  # noqa: RUF012


def padded_to(G, shape):
    """Return G in the first rows and columns of zeros."""
    found = np.zeros(shape)
    found[..., : G.shape[2], : G.shape[3]] = G
    return found


def transposed(G=G, **options):
    """Return the transposed convolution of G: what a pixel of G adds to V."""
    return of("dV", G=G, **options)


Z = of("Z")
DK, DV, DB = of("dK"), of("dV"), of("db")
FLIPPED = K[:, :, ::-1, ::-1]
RELU_G = G * (Z > 0)
ONES = np.ones(G.shape)
WIDE_G = integers((3, 3, 9, 12), seed=5)
WIDE = {"pads": (2, 2, 2, 2), "stride": (1, 1), "G": WIDE_G}
TYPED_WIDE = "-p 2 -G WIDE.npy"
ONE = {"V": V[0], "G": G[0]}
PICTURE = np.random.default_rng(1).integers(0, 256, (3, 7, 9), np.uint8)
COLOURS = integers((3, 3, 3, 2), seed=6)
GRAY = np.tensordot([0.299, 0.587, 0.114], PICTURE, 1)[None, None]
PLANE = np.array([[1.0, 2.0], [4.0, -1.0]])
Z_PLANE = of("Z", V=V[:1, :1], K=PLANE[None, None])[0, 0]

K5, K43 = integers((5, 2, 3, 2), seed=8), integers((4, 3, 3, 2), seed=9)
DK_OHWI = of("dK", V=PICTURE[None].astype(float), K=K43, G=np.ones((1, 4, 4, 5)))
Z_PLANES = np.stack([of("Z", V=V[:1, i : i + 1], K=PLANE[None, None])[0, 0] for i in range(2)])

OPTIONS = {
    "Z, flipped": Planted("Z", lambda: of("Z", K=FLIPPED), "flipped", "--flip"),
    "dK, flipped": Planted("dK", lambda: DK[..., ::-1, ::-1], "flipped", "--flip"),
    "dV, flipped": Planted("dV", lambda: of("dV", K=FLIPPED), "flipped", "--flip"),
    "dK, G of ones": Planted("dK", lambda: of("dK", G=ONES), "ones for G", "--upstream ones"),
    "dV, G of ones": Planted("dV", lambda: of("dV", G=ONES), "ones for G", "--upstream ones"),
    "dK, ReLU": Planted("dK", lambda: of("dK", G=RELU_G), "mask of a ReLU", "--relu"),
    "dV, ReLU": Planted("dV", lambda: of("dV", G=RELU_G), "mask of a ReLU", "--relu"),
    "db, ReLU": Planted("db", lambda: of("db", G=RELU_G), "mask of a ReLU", "--relu"),
    "Z, bias forgotten": Planted("Z", lambda: of("Z", bias=B), "bias added", "--bias 3,-5,7"),
    "Z, bias not used": Planted("Z", lambda: Z, "lacks the bias", "--bias 0,0,0", f"{TYPED} --bias 3,-5,7"),
    "Z, replicate": Planted("Z", lambda: of("Z", edge="replicate"), "fill replicate", "--edge replicate"),
    "dK, reflect": Planted("dK", lambda: of("dK", edge="reflect"), "fill reflect", "--edge reflect"),
    "dV, wrap": Planted("dV", lambda: of("dV", edge="wrap"), "fill wrap", "--edge wrap"),
    "dV, symmetric": Planted("dV", lambda: of("dV", **WIDE, edge="symmetric"), "fill symmetric", "--edge symmetric",
                             TYPED_WIDE, {"WIDE": WIDE_G}),
    "Z, constant": Planted("Z", lambda: of("Z", edge="constant:2.5"), "fill constant:2.5", "--edge constant:2.5"),
    "Z, another bias": Planted("Z", lambda: of("Z", bias=np.full(3, 3.0)), "another bias", "--bias 3,3,3",
                               f"{TYPED} --bias 3,-5,7"),
    "Z, zeros": Planted("Z", lambda: Z, "fill zero", "--edge zero", f"{TYPED} -e replicate"),
    "Z, no padding": Planted("Z", lambda: of("Z", pads=(0, 0, 0, 0)), "padding 0", "--padding 0"),
    "Z, pads at one end": Planted("Z", lambda: of("Z", pads=(0, 2, 1, 1)), "padding 0,2,1,1", "--padding 0,2,1,1"),
    "dK, pads at one end": Planted("dK", lambda: of("dK", pads=(2, 0, 0, 2)), "padding 2,0,0,1", "--padding 2,0,0,1"),
    "Z, more padding": Planted("Z", lambda: of("Z", pads=(2, 2, 1, 1)), "padding 2,1", "--padding 2,1"),
    "Z, same": Planted("Z", lambda: of("Z", stride=(1, 1), pads=(1, 1, 0, 1)), "padding same", "--padding same",
                       "-p 1"),
    "Z, full": Planted("Z", lambda: of("Z", stride=(1, 1), pads=(2, 2, 1, 1)), "padding 2,1", "--padding 2,1", "-p 1"),
    "Z, stride 1": Planted("Z", lambda: of("Z", stride=(1, 1)), "stride 1", "--stride 1"),
    "Z, stride 3": Planted("Z", lambda: of("Z", stride=(3, 3)), "stride 3", "--stride 3"),
    "Z, strides swapped": Planted("Z", lambda: of("Z", stride=(1, 2)), "stride 1,2", "--stride 1,2", "-s 2,1 -p 1"),
    "Z, dilation": Planted("Z", lambda: of("Z", dilation=(2, 2)), "dilation 2", "--dilation 2"),
    "Z, dilations swapped": Planted("Z", lambda: of("Z", dilation=(1, 3)), "dilation 1,3", "--dilation 1,3",
                                    "-s 2 -p 1 -d 3,1"),
    "Z, dilation for stride": Planted("Z", lambda: of("Z", stride=(1, 1), dilation=(2, 2)), "stride 1 dilation 2",
                                      "--stride 1 --dilation 2"),
    "dK of ones, stride 1": Planted("dK", lambda: of("dK", stride=(1, 1), G=np.ones((3, 3, 7, 10))), "stride 1",
                                    "--stride 1", "-s 2 -p 1"),
    "dV, dilation and pads": Planted("dV", lambda: of("dV", dilation=(2, 2), pads=(2, 2, 1, 1)), "padding.*dilation",
                                     "--padding 2,1 --dilation 2"),
    "Z, flipped and replicate": Planted("Z", lambda: of("Z", K=FLIPPED, edge="replicate"), "flipped.* and .*replicate",
                                        "--flip --edge replicate"),
    "dK of ones, flipped": Planted("dK", lambda: of("dK", G=ONES)[..., ::-1, ::-1], "flipped.* and .*ones",
                                   "--flip --upstream ones"),
    "Z, pads and bias": Planted("Z", lambda: of("Z", pads=(0, 0, 0, 0), bias=B), "padding 0.* and .*bias",
                                "--padding 0 --bias 3,-5,7"),
    "Z, float16": Planted("Z", lambda: of("Z", V=V / 7).astype(np.float16), "float16", "--tolerance .*", "-s 2 -p 1",
                          {"V": V / 7}),
    "dK, bfloat16": Planted("dK", lambda: as_bfloat16(DK / 7), "bfloat16", "--tolerance .*",
                            TYPED, {"G": G / 7}),
    "Z, flipped, float16": Planted("Z", lambda: of("Z", V=V / 7, K=FLIPPED).astype(np.float16), "flipped",
                                   "--flip --tolerance .*", "-s 2 -p 1", {"V": V / 7}),
    "Z, unit": Planted("Z", lambda: of("Z", V=PICTURE[None] / 255, K=COLOURS), r"0\.\.1", "--unit", "-s 2 -p 1",
                       {"V": PICTURE, "K": COLOURS}),
    "dK, unit": Planted("dK", lambda: of("dK", V=PICTURE[None] / 255, K=COLOURS, G=ONES[:1]), r"0\.\.1", "--unit",
                        "-s 2 -p 1", {"V": PICTURE, "K": COLOURS}),
    "Z, gray": Planted("Z", lambda: of("Z", V=GRAY, K=PLANE[None, None])[0], "gray", "--gray", "-s 2 -p 1",
                       {"V": PICTURE, "K": PLANE}),
    "Z, divisor": Planted("Z", lambda: Z_PLANE / 7, "multiplied by", "--divisor 7", "-s 2 -p 1",
                          {"V": V[0, 0], "K": PLANE}),
    "Z, normalize": Planted("Z", lambda: Z_PLANE / 6, "multiplied by", "--normalize", "-s 2 -p 1",
                            {"V": V[0, 0], "K": PLANE}),
    "Z, kernel in HWIO": Planted("Z", lambda: of("Z", K=K5), "stored as HWIO", "--kernel-layout hwio", "-s 2 -p 1",
                                 {"K": K5.transpose(2, 3, 1, 0)}),
    "dK, kernel in OHWI": Planted("dK", lambda: DK_OHWI.transpose(0, 2, 3, 1), "stored as OHWI", "--kernel-layout ohwi",
                                  "-s 2 -p 1", {"V": PICTURE, "K": K43.transpose(0, 2, 3, 1)}),
    "Z, maps in HWC": Planted("Z", lambda: np.moveaxis(Z_PLANES, 0, -1), "stored as HWC", "--layout hwc", "-s 2 -p 1",
                              {"V": np.moveaxis(V[0], 0, -1), "K": PLANE}),
    "Z, transpose": Planted("Z", lambda: of("dV", V=np.zeros((3, 3, 7, 9)), K=COLOURS), "transposed",
                            "--transpose --output-padding 0,1", "-s 2 -p 1", {"V": G, "K": COLOURS}),
    "Z, output padding": Planted("Z", transposed, "output padding 0,1", "--output-padding 0,1",
                                 "-s 2 -p 1 --transpose", {"V": G}),
    "Z, groups of a transpose": Planted("Z", lambda: of("dV", G=G, V=np.zeros((3, 6, 7, 8)), groups=3), "3 groups",
                                        "--groups 3", "-s 2 -p 1 --transpose", {"V": G}),
}  # fmt: skip


def as_bfloat16(numbers):
    """Return float32 numbers with the last 16 bits cut off."""
    return (numbers.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


def changed(tensor, at, number):
    found = tensor.copy()
    found[at] = number
    return found


def tap_loops(K=K, G=G):
    """Return dV by loops over taps that assign: each pixel keeps its last tap."""
    padded = np.zeros((3, 2, 9, 11))
    for m, n in np.ndindex(*K.shape[2:]):
        padded[:, :, m : m + 7 : 2, n : n + 9 : 2] = np.einsum("nojk,oi->nijk", G, K[:, :, m, n])
    return padded[:, :, 1:8, 1:10]


def grouped_wrongly():
    """Return Z of two groups that both read the channels of the first one."""
    return np.concatenate([of("Z", V=V[:, :1], K=K4[:2]), of("Z", V=V[:, :1], K=K4[2:])], axis=1)


K4 = integers((4, 1, 3, 2), seed=7)
K42 = integers((4, 2, 3, 2), seed=9)
K22 = np.concatenate([K42[:2, :1], K42[2:, 1:]])
SQUARE_V, SQUARE_K, SQUARE_G = integers((1, 2, 7, 7), seed=1), integers((2, 2, 3, 3), seed=2), integers((1, 2, 4, 4), 3)
SQUARE = {"V": SQUARE_V, "K": SQUARE_K, "G": SQUARE_G}
DV_SQUARE = of("dV", V=SQUARE_V, K=np.rot90(SQUARE_K, 1, (2, 3)), G=SQUARE_G)
PIXELS = np.random.default_rng(2).integers(0, 256, (1, 7, 9), np.uint8)
BLUR = np.array([[1.0, 2.0], [3.0, 5.0]])
Z_PIXELS = of("Z", V=PIXELS[None] + 0.0, K=BLUR[None, None])[0]
OF_PIXELS = {"V": PIXELS, "K": BLUR}
LAST_IMAGE = changed(np.zeros(G.shape), 2, G[2])
LAST_WINDOW = changed(np.zeros(G.shape), np.s_[:, :, -1, -1], G[:, :, -1, -1])
FULL_DV = of("dV", V=np.zeros((3, 2, 9, 11)), pads=(0, 0, 0, 0))
REMAINDER = {"V": integers((1, 2, 8, 9), seed=1), "G": integers((1, 3, 3, 4), seed=2)}
DV_REMAINDER = of("dV", **REMAINDER, pads=(0, 0, 0, 0), stride=(2, 2))

FAULTS = {
    "dK, last window": Planted("dK", lambda: of("dK", G=LAST_WINDOW), "only the last window: `=` where `\\+=`"),
    "dK, last window of all": Planted("dK", lambda: loops("dK", put=last), "last window of the last image: `=`"),
    "dK, last image": Planted("dK", lambda: of("dK", G=LAST_IMAGE), "only the last image: `=` where `\\+=`"),
    "dK, first image": Planted("dK", lambda: of("dK", V=V[:1], G=G[:1]), "only image 0 of 3: sum over the batch"),
    "db, last image": Planted("db", lambda: G[2].sum((1, 2)), "only the last image"),
    "dK, last row": Planted("dK", lambda: of("dK", G=changed(np.zeros(G.shape), np.s_[:, :, -1], G[:, :, -1])),
                            "last row of windows: `=`"),
    "dK, no stride": Planted("dK", lambda: loops("dK", start=lambda j: j), "lie 1 pixel apart: multiply by the stride"),
    "dV, no stride": Planted("dV", lambda: loops("dV", start=lambda j: j), "lie 1 pixel apart: multiply by the stride"),
    "Z, no stride": Planted("Z", lambda: forward_loops(start=lambda j: j), "multiply by the stride .j.sy"),
    "Z, no stride along columns": Planted("Z", lambda: of("Z", stride=(2, 1))[..., :5],
                                          r"apart along columns: multiply by the stride \(k\*sx, not k\)"),
    "dK, averaged over the batch": Planted("dK", lambda: DK / 3, "averaged over the 3 images of the batch"),
    "dK, averaged over outputs": Planted("dK", lambda: DK / 20, "averaged over the 4 x 5 outputs of a channel"),
    "dV, averaged over all": Planted("dV", lambda: DV / 180, "averaged over all 180 outputs"),
    "db, averaged": Planted("db", lambda: G.mean(axis=(0, 2, 3)), "averaged over the 60 outputs|mean of G over"),
    "db, summed over channels": Planted("db", lambda: G.sum((1, 2, 3)), r"sum of G over \(C, H, W\): sum over"),
    "db, not summed": Planted("db", lambda: G[0, 0], "is G itself, not summed", None, "-s 2 -p 1 -G G.npy",
                              {"V": V[0, 0], "K": PLANE, "G": G[0, 0]}),
    "dV of (H, W), windows replace": Planted("dV", lambda: loops("dV", V[:1, :1], K[:1, :1], G[:1, :1], put=last),
                                             "last window of each pixel: `=`", None, TYPED,
                                             {"V": V[0, 0], "K": K[0, 0], "G": G[0, 0]}),
    "db, not over the batch": Planted("db", lambda: G.sum((2, 3)), r"sum of G over \(H, W\): sum over \(N, H, W\)"),
    "dK, summed over inputs": Planted("dK", lambda: DK.sum(1, keepdims=True) + 0 * DK, "summed over input channels"),
    "dK, not over the batch": Planted("dK", lambda: np.stack([of("dK", V=V[n:n + 1], G=G[n:n + 1]) for n in range(3)]),
                                      "not summed over the batch"),
    "dV, windows replace": Planted("dV", lambda: loops("dV", put=last), "last window of the last output channel: `=`"),
    "dV, windows replace, channels add": Planted("dV", lambda: sum(loops("dV", K=K[i:i + 1], G=G[:, i:i + 1], put=last)
                                                 for i in range(3)), "last window of each pixel: `=`"),
    "dV, taps replace": Planted("dV", tap_loops, "last tap of each pixel: `=`"),
    "dV, last output channel": Planted("dV", lambda: of("dV", K=K[2:], G=G[:, 2:]), "last output channel: `=`"),
    "dV, cropped at the end": Planted("dV", lambda: loops("dV", crop=0), "cropped at the end only"),
    "dV, cropped at the start": Planted("dV", lambda: loops("dV", crop=2), "cropped at the start only"),
    "dV, pads left": Planted("dV", lambda: FULL_DV, "still has its pads"),
    "dV, one pad left": Planted("dV", lambda: FULL_DV[:, :, :-1, :-1], "at the end only: crop those at the start"),
    "dK, weight decay": Planted("dK", lambda: DK + 0.25 * K, "0.25 . K added: weight decay"),
    "dV, remainder missing": Planted("dV", lambda: DV_REMAINDER[:, :, :7, :8], "lacks the last 1 row and 1 column",
                                     None, "-s 2 -p 0 -G G.npy", REMAINDER),
    "dV, mask of the wrong ReLU": Planted("dV", lambda: DV * (V > 0), "ReLU on V"),
    "dV, no ReLU": Planted("dV", lambda: DV, "lacks the mask of the ReLU", None, f"{TYPED} --relu"),
    "Z, a ReLU": Planted("Z", lambda: np.maximum(Z, 0), "ReLU applied"),
    "Z, last channel": Planted("Z", lambda: forward_loops(put=last), "last input channel: `=`"),
    "Z, last tap": Planted("Z", lambda: of("Z", K=changed(0 * K, np.s_[..., 2, 1], K[..., 2, 1])), "last tap.*: `=`"),
    "Z, bias per channel": Planted("Z", lambda: forward_loops(bias_inside=True), "bias added once per input channel, 2",
                                   None, f"{TYPED} --bias 3,-5,7"),
    "Z, flipped rows": Planted("Z", lambda: of("Z", K=K[:, :, ::-1]), "flipped along rows only"),
    "dV, flipped columns": Planted("dV", lambda: of("dV", K=K[..., ::-1]), "flipped along columns only"),
    "Z, flipped channels": Planted("Z", lambda: of("Z", K=K[:, ::-1, ::-1, ::-1]), "flipped along its input channels"),
    "Z, BGR": Planted("Z", lambda: of("Z", K=K[:, ::-1]), "input channels in reverse order"),
    "dV, turned once": Planted("dV", lambda: DV_SQUARE, "turned by 90 degrees", None, TYPED, SQUARE),
    "dV, channels of K swapped": Planted("dV", lambda: of("dV", V=SQUARE_V, K=SQUARE_K.swapaxes(0, 1), G=SQUARE_G),
                                         "in and out channels swapped", None, TYPED, SQUARE),
    "dK, transposed": Planted("dK", lambda: DK.swapaxes(2, 3), "rows and columns swapped"),
    "dK, HWIO": Planted("dK", lambda: DK.transpose(2, 3, 1, 0), "channels last, .kh, kw, C_in, C_out."),
    "dV, NHWC": Planted("dV", lambda: np.moveaxis(DV, 1, -1), "channels last"),
    "Z, channels reversed": Planted("Z", lambda: Z[:, ::-1], "output channels in reverse|its channels in reverse"),
    "dV, negated": Planted("dV", lambda: -DV, "negated"),
    "dK, a multiple": Planted("dK", lambda: 0.3 * DK, "multiplied by 0.3"),
    "dK, flipped, averaged, HWIO": Planted("dK", lambda: DK[..., ::-1, ::-1].transpose(2, 3, 1, 0) / 3,
                                           "flipped.*, and .*channels last.*, and .*batch"),
    "Z, two groups": Planted("Z", lambda: of("Z", K=K22, groups=2), "mixes only the channels of 2 groups", None,
                             "-s 2 -p 1", {"K": K42}),
    "Z, first group": Planted("Z", grouped_wrongly, "first group's input channels", None, "-s 2 -p 1 -g 2", {"K": K4}),
    "Z, interleaved groups": Planted("Z", lambda: of("Z", K=K4, groups=2)[:, [0, 2, 1, 3]], "interleaved", None,
                                     "-s 2 -p 1 -g 2", {"K": K4}),
    "Z, uint8": Planted("Z", lambda: Z_PIXELS % 256, "wrapped around modulo 256", None, "-s 2 -p 1", OF_PIXELS),
    "Z, clipped": Planted("Z", lambda: np.rint(Z_PIXELS / 8).clip(0, 255), r"clipped to 0\.\.255", None, "-s 2 -p 1",
                          {"V": PIXELS, "K": BLUR / 8}),
    "Z, rounded": Planted("Z", lambda: np.rint(Z_PIXELS / 7), "rounded", None, "-s 2 -p 1",
                          {"V": PIXELS, "K": BLUR / 7}),
    "Z, shifted": Planted("Z", lambda: np.roll(of("Z", **WIDE)[..., :-2, :-2], 1, -2), "shifted by one row down", None,
                          "-p 2,0,2,0", {}),
    "dK, zeros": Planted("dK", lambda: 0 * DK, "all zeros"),
    "dK, one entry": Planted("dK", lambda: changed(DK, (0, 1, 2, 1), 7.5), r"35 of 36 entries agree; dK\[0,1,2,1\]"),
    "Z, NaN": Planted("Z", lambda: changed(Z, np.s_[1, 2, :2, 3], np.nan), r"NaN at 2 of 180 entries, first at Z\[1,2"),
    "dV, one image": Planted("dV", lambda: changed(DV, 1, 5 * DV[1] + 1), "of 3 images only 1 differs"),
    "Z, the border": Planted("Z", lambda: bordered(of("Z", stride=(1, 1))), "only the border differs", None, "-p 1"),
    "dK, a box": Planted("dK", lambda: changed(DK, np.s_[2, :, 1:, 0], 99), r"32 of 36 .*dK\[2,0..1,1..2,0\]"),
}  # fmt: skip


PLANTED = OPTIONS | FAULTS
# Rows whose verdict another row has too: they run with -m slow.
REPEATED = {
    *("dK, flipped", "dV, flipped", "dV, G of ones", "dV, ReLU", "db, ReLU", "dK, reflect", "dV, symmetric"),
    *("Z, zeros", "Z, no padding", "Z, more padding", "Z, same", "Z, full", "Z, stride 3", "Z, strides swapped"),
    *("dK of ones, stride 1", "dV, dilation and pads", "dK of ones, flipped", "Z, pads and bias", "dK, bfloat16"),
    *("Z, flipped, float16", "dK, unit", "Z, normalize", "db, last image", "dV, no stride", "Z, no stride"),
    *("db, not over the batch", "dV, flipped columns", "Z, BGR", "dV, NHWC", "dV, one image"),
    *("Z, the border", "dV, cropped at the start", "dV, one pad left"),
    *("dK, flipped, averaged, HWIO", "Z, dilations swapped"),
}
assert PLANTED.keys() > REPEATED


def bordered(Z):
    """Return Z with other numbers along its border."""
    found = integers(Z.shape, seed=9)
    found[..., 1:-1, 1:-1] = Z[..., 1:-1, 1:-1]
    return found


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Run the commands in an empty folder."""
    with chdir(tmp_path_factory.mktemp("planted")):
        yield


def check(*words, code):
    """Run the command in this process, and return what it prints."""
    result = CliRunner().invoke(app, ["check", *words])
    assert result.exit_code == code, result.output
    return result.stdout


def saved(planted):
    """Save the arrays of a command, and return its words."""
    for name, array in ({"V": V, "K": K, "G": G} | planted.files | {"theirs": planted.theirs()}).items():
        np.save(f"{name}.npy", array)
    return ["V.npy", "-k", "K.npy", *planted.typed.split(), FLAGS[planted.tensor], "theirs.npy"]


@cache
def verdict(name):
    """Return what JSON says of a planted mistake."""
    (found,) = json.loads(check(*saved(PLANTED[name]), "--json", code=1))["comparisons"]
    return found


def rows(planted):
    """Return the names of planted mistakes, for parametrize."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in REPEATED else name for name in planted]


@pytest.mark.parametrize("name", rows(OPTIONS))
def test_other_options_are_named_and_cure(name):
    planted, found = OPTIONS[name], verdict(name)
    assert re.search(planted.says, found["confusion"] or "nothing"), found
    assert (found["kind"], bool(re.fullmatch(planted.cure, found["cure"]))) == ("options", True), found
    assert "equals convcli's" in check(*saved(planted), *found["cure"].split(), code=0)


@pytest.mark.parametrize("name", rows(FAULTS))
def test_faults_in_the_code_are_named(name):
    found = verdict(name)
    assert re.search(FAULTS[name].says, found["confusion"] or "nothing"), found
    assert (found["kind"], found["cure"]) == ("fault", None), found


def test_places_are_in_the_order_of_the_layout():
    theirs = np.moveaxis(changed(Z, (1, 2, 3, 4), 99), 1, -1)
    words = saved(Planted("Z", lambda: theirs, "", typed="-s 2 -p 1 --layout nhwc", files={"V": np.moveaxis(V, 1, -1)}))
    shown = check(*words, code=1)
    assert "most at Z[1,3,4,2]: 99 in yours" in shown
    assert "179 of 180 entries agree; Z[1,3,4,2] does not: 99 in yours" in shown


def test_options_of_a_model_are_no_cures():
    case = compare(
        Convolution.of(K, stride=2, padding=1).at(V.shape, np.float64),
        V, G, "output", of("Z", stride=(1, 1)), 1e-5, origin=Origin(fixed=("stride",)),
    )  # fmt: skip
    assert (case.confusion, case.kind, case.cure) == ("was made with stride 1", "options", None)


def test_a_note_says_what_g_is_by_default():
    words = saved(Planted("dK", lambda: DK, "", typed="-s 2 -p 1"))
    result = CliRunner().invoke(app, ["check", *words])
    assert result.stderr == "convcli: note: G is 1 everywhere, because no --upstream is given\n"
    assert result.stdout.endswith("no common mistake explains the difference\n")


def test_equal_explanations_are_all_named():
    """A kernel that is symmetric about its middle row: flipped columns and a flipped kernel are the same."""
    symmetric = K + K[:, :, ::-1]
    words = saved(Planted("Z", lambda: of("Z", K=symmetric[..., ::-1]), "", files={"K": symmetric}))
    explanation = "is that of the flipped kernel: add --flip; or it is that of a kernel flipped along columns only\n"
    assert check(*words, code=1).endswith(f"your Z {explanation}")


def test_large_tensors_are_not_searched_for_long(monkeypatch):
    monkeypatch.setattr("convcli.check.case.MOST_SECONDS", 0.0)
    shown = check(*saved(Planted("dK", lambda: noise(1)[1], "")), code=1).splitlines()[-1]
    expected = "no common mistake explains the difference; [0-9]+ were not tried, because they take long: compare .*"
    assert re.fullmatch(expected, shown)


def as_pattern(code):
    """Return the regular expression of a text in which ``...`` is any text."""
    return re.escape(code).replace(re.escape("..."), ".*")


def test_the_page_lists_what_is_found():
    """Each row of its tables is the verdict of a planted mistake, and each verdict of one confusion is a row."""
    text = page("docs/checking.md")
    listed = {as_pattern(codes(row[0])[0]) for part in text.split("\n## ") for row in table(part)}
    said = [verdict(name)["confusion"] for name in PLANTED if name not in REPEATED]
    unlisted = [each for each in said if ", and " not in each and not any(re.fullmatch(row, each) for row in listed)]
    unproved = [row for row in listed if not any(re.fullmatch(row, each) for each in said)]
    assert (unlisted, unproved) == ([], [])


def noise(seed):
    """Return a wrong tensor, and the name of the one that it is compared with."""
    draw = np.random.default_rng(seed)
    tensor = ("Z", "dK", "dV", "db")[seed % 4]
    shape = of(tensor).shape
    whole = draw.integers(-99, 100, shape).astype(float)
    return tensor, whole if seed % 8 < 4 else draw.standard_normal(shape) * 10 ** draw.uniform(-3, 3)


@pytest.mark.parametrize("seeds", [(0, 7), pytest.param(range(100), marks=pytest.mark.slow)], ids=len)
def test_noise_is_no_confusion(seeds):
    for seed in seeds:
        tensor, theirs = noise(seed)
        (found,) = conv2d_compare(V, K, {tensor: theirs}, G, stride=2, padding=1)
        assert (found.holds, found.confusion) == (False, None), seed

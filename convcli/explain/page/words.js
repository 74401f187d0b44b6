"use strict";

/* Numbers, places and sums in words, as `convcli explain` writes them. */

const MINUS = "−";
const PRIME = "′";

/** Return a number with at most so many significant digits. */
function numeral(value, digits = 10) {
  if (!Number.isFinite(value)) return String(value);
  const rounded = Number(value.toPrecision(digits));
  return String(Object.is(rounded, -0) ? 0 : rounded).replaceAll("-", MINUS);
}

/** Return a negative factor in brackets, so that no two signs meet. */
const factorNumeral = (value) => (value < 0 ? `(${numeral(value, 6)})` : numeral(value, 6));

const isPadded = ({ rows, columns }) => rows.before + rows.padded - rows.size + columns.padded - columns.size > 0;

const pixelSymbol = (model) => (isPadded(model.geometry) ? `V${PRIME}` : "V");

const symbolOf = (model, name) => (name === "V'" ? pixelSymbol(model) : name);

/** Return the name of a cell, such as Z[0,1,2], without the indices of axes of length 1, as the formulas have it. */
function placeName(model, cell) {
  return `${symbolOf(model, cell.of)}${bracketed(indicesOf(model, cell))}`;
}

const bracketed = (indices) => (indices.length ? `[${indices.join(",")}]` : "");

function indicesOf(model, { of, plane, row, column }) {
  const { tensors, geometry, isPlane } = model;
  if (of === "b" || of === "db") return tensors.db.rows > 1 ? [row] : [];
  if (of !== "K" && of !== "dK") return [...(tensors[of].planes > 1 ? [plane] : []), row, column];
  if (isPlane) return [row, column];
  const inputs = geometry.links[0].length;
  const [i, l] = [Math.floor(plane / inputs), plane % inputs];
  return [...(geometry.links.length > 1 ? [i] : []), ...(tensors.V.planes > 1 ? [l] : []), row, column];
}

/** Return the formula behind a tensor's numbers, with only the letters that this convolution needs. */
function formulaOf(model, name) {
  const letters = lettersOf(model);
  const over = (all) => `over ${all.filter((letter) => letters.kept(letter)).join(", ")}`;
  const [Z, K, V] = [letters.output, letters.weight, letters.pixel];
  const bias = model.tensors.b ? `b${letters.bias} + ` : "";
  const [row, column] = letters.places;
  return {
    Z: `Z${Z} = ${bias}Σ V${PRIME}${V} · K${K}   ${over(model.isPlane ? ["m", "n"] : ["l", "m", "n"])}`,
    dK: `dK${K} = Σ G${Z} · V${PRIME}${V}   ${over(model.isPlane ? ["l", "j", "k"] : ["j", "k"])}`,
    dV: `dV${letters.input} = Σ G${Z} · K${K}   over all windows that read the pixel: ${row} = a, ${column} = c`,
    db: `db${letters.bias} = Σ G${Z}   ${over([...(model.sharesBias ? [model.isPlane ? "l" : "i"] : []), "j", "k"])}`,
  }[name].replaceAll(`V${PRIME}`, pixelSymbol(model));
}

function lettersOf({ tensors, geometry, isPlane, sharesBias }) {
  const { rows, columns, flip, links } = geometry;
  const single = new Set([...(tensors.V.planes > 1 ? [] : ["l"]), ...(links.length > 1 ? [] : ["i"])]);
  const kept = (letter) => !single.has(letter);
  const name = (...all) => bracketed(all.filter(kept));
  const [m, n] = flip ? [`(${rows.taps - 1}${MINUS}m)`, `(${columns.taps - 1}${MINUS}n)`] : ["m", "n"];
  const places = [
    `${times("j", rows.stride)} + ${times(m, rows.dilation)}`,
    `${times("k", columns.stride)} + ${times(n, columns.dilation)}`,
  ];
  return {
    kept,
    places,
    output: isPlane ? name("l", "j", "k") : name("i", "j", "k"),
    weight: isPlane ? name("m", "n") : name("i", "l", "m", "n"),
    pixel: name("l", ...places),
    input: name("l", "a", "c"),
    bias: sharesBias ? "" : name("i"),
  };
}

const times = (letter, factor) => (factor === 1 ? letter : `${letter}·${factor}`);

/** Return what a padded cell holds, in words; nothing for a pixel of V itself. */
function originOf(model, cell) {
  if (cell.of !== "V'" || !isInPads(model.geometry, cell)) return "";
  const source = sourceCell(model.geometry, cell);
  return source ? `padding, a copy of ${placeName(model, source)}` : "padding, constant";
}

/** Return the shape of a tensor, without axes of channels where there is one. */
function shapeText({ tensors, geometry, isPlane }, name) {
  const { planes, rows, columns } = tensors[name];
  if (name === "b" || name === "db") return String(rows);
  const isBank = !isPlane && (name === "K" || name === "dK");
  const leading = isBank ? [geometry.links.length, geometry.links[0].length] : planes > 1 ? [planes] : [];
  return [...leading, rows, columns].join(" × ");
}

const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** Return a sentence about the whole convolution. */
function summaryOf(model, edge) {
  const { rows, columns, flip } = model.geometry;
  const { V, K, Z } = model.tensors;
  const step = rows.stride === columns.stride ? String(rows.stride) : `${rows.stride} down and ${columns.stride} across`;
  const pads = isPadded(model.geometry) ? `padded by ${edge} to ${rows.padded} × ${columns.padded}` : "without padding";
  return (
    `A window of ${K.rows} × ${K.columns} ${flip ? "flipped " : ""}weights walks over V, ${V.rows} × ${V.columns} ${pads}, ` +
    `in steps of ${step}; each stop gives one number of Z, ${Z.rows} × ${Z.columns}. The gradients run the other way: each ` +
    "stands below the tensor whose shape it has."
  );
}

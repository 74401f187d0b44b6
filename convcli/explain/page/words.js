"use strict";

/* Numbers, places and sums in words, as `convcli explain` writes them. */

const MOST_DECIMALS = 4;
const MINUS = "−";
const PRIME = "′";

/** Return a number with at most so many significant digits; whole numbers keep all of theirs. */
function numeral(value, digits = 10) {
    const rounded = Number.isInteger(value) ? value : Number(value.toPrecision(digits));
    return String(Object.is(rounded, -0) ? 0 : rounded).replaceAll("-", MINUS);
}

/** Return a number for a narrow place: three digits, and powers of ten where they are shorter. */
function shortNumeral(value) {
    const plain = numeral(value, 3);
    const power = value
        .toExponential(2)
        .replace(/\.?0*e\+?/, "e")
        .replaceAll("-", MINUS);
    return power.length < plain.length ? power : plain;
}

/** Return a number for a cell of a heatmap, with as many decimals as the largest number has with so many digits. */
function cellNumeral(value, limit, digits) {
    const decimals = digits - 1 - Math.floor(Math.log10(limit));
    if (Number.isInteger(value) || decimals < 0 || decimals > MOST_DECIMALS) return shortNumeral(value);
    const fixed = value.toFixed(decimals);
    const isRoundedTo0 = Number(fixed) === 0;
    return Number(fixed) === value ? numeral(value) : fixed.replace("-", isRoundedTo0 ? "" : MINUS);
}

/** Return a negative factor in brackets, so that no two signs meet. */
const factorNumeral = (value) => (value < 0 ? `(${numeral(value, 4)})` : numeral(value, 4));

const isPadded = ({ rows, columns }) => rows.before + rows.padded - rows.size + columns.padded - columns.size > 0;

const pixelSymbol = (model) => (isPadded(model.geometry) ? `V${PRIME}` : "V");

const symbolOf = (model, name) => (name === "V'" ? pixelSymbol(model) : name);

/** Return the name of a cell, such as Z[0,1,2], without the indices of axes of length 1, as the formulas have it. */
function placeName(model, cell) {
    return `${symbolOf(model, cell.of)}${bracketed(indicesOf(model, cell))}`;
}

const bracketed = (indices, comma = ",") => (indices.length ? `[${indices.join(comma)}]` : "");

function indicesOf(model, { of, plane, row, column }) {
    const { tensors, geometry, isPlane } = model;
    if (of === "b" || of === "db") return tensors.db.rows > 1 ? [row] : [];
    if (of !== "K" && of !== "dK") return [...(tensors[of].planes > 1 ? [plane] : []), row, column];
    if (isPlane) return [row, column];
    const inputs = geometry.links[0].length;
    const [i, l] = [Math.floor(plane / inputs), plane % inputs];
    return [...(geometry.links.length > 1 ? [i] : []), ...(tensors.V.planes > 1 ? [l] : []), row, column];
}

/**
 * Return the formula behind a tensor's numbers, with only the letters that this convolution needs: the text before the
 * sum, the letters that it runs over, and the text after it.
 */
function formulaOf(model, name) {
    const letters = lettersOf(model);
    const over = (...all) => all.filter(letters.kept).join(", ");
    const [Z, K, V] = [letters.output, letters.weight, `${pixelSymbol(model)}${letters.pixel}`];
    const channel = model.isPlane ? "l" : "i";
    return {
        Z: [
            `Z${Z} = ${model.tensors.b ? `b${letters.bias} + ` : ""}`,
            over(...(model.isPlane ? [] : ["l"]), "m", "n"),
            `${V} · K${K}`,
        ],
        dK: [`dK${K} = `, over(...(model.isPlane ? ["l"] : []), "j", "k"), `G${Z} · ${V}`],
        dV: [`dV${letters.input} = `, pixelOf(model, letters), `G${Z} · K${K}`],
        db: [`db${letters.bias} = `, over(...(model.sharesBias ? [channel] : []), "j", "k"), `G${Z}`],
    }[name];
}

/** Return which products a number of dV sums: those of the pixel, and of its copies in the padding. */
function pixelOf(model, { pixel, input, places: [row, column] }) {
    return isPadded(model.geometry) ? `${pixelSymbol(model)}${pixel} is or copies V${input}` : `${row} = a, ${column} = c`;
}

function lettersOf({ tensors, geometry, isPlane, sharesBias }) {
    const { rows, columns, flip, links } = geometry;
    const single = new Set([...(tensors.V.planes > 1 ? [] : ["l"]), ...(links.length > 1 ? [] : ["i"])]);
    const kept = (letter) => !single.has(letter);
    const name = (...all) => bracketed(all.filter(kept), ", ").replaceAll(" ", "\u00a0");
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
    // No-break spaces keep a size on one line.
    const size = (of) => `${of.rows}\u00a0×\u00a0${of.columns}`;
    const step =
        rows.stride === columns.stride ? String(rows.stride) : `${rows.stride} down and ${columns.stride} across`;
    const pads = isPadded(model.geometry)
        ? `padded by ${edge} to ${size({ rows: rows.padded, columns: columns.padded })}`
        : "without padding";
    return (
        `A window of ${size(K)} ${flip ? "flipped " : ""}weights walks over V, ${size(V)} ${pads}, in steps of ` +
        `${step}; each stop gives one number of Z, ${size(Z)}. The gradients run the other way: each stands below ` +
        "the tensor whose shape it has."
    );
}

"use strict";

/*
 * Heatmaps on canvas, in the colours of convcli's own: one canvas holds the numbers, and one above it what is lit, so
 * that pointing at a cell never draws 4,096 of them again.
 */

const STEPS = 255;
const LEAST_CELL_WITH_GAP = 10;
const LEAST_FONT = 8;
const LARGEST_FONT = 15;
const LEAST_CELL_WITH_ARROWS = 14;
const HATCH = 6;

let STOPS = [];

/** Return [r, g, b]: blue at -limit, white at 0, red at limit, on the program's scale of 511 levels. */
function signedColour(value, limit) {
    const share = limit ? Math.min(Math.max(value / limit, -1), 1) : Math.sign(value);
    const at = ((Math.round(share * STEPS) + STEPS) / (2 * STEPS)) * (STOPS.length - 1);
    const below = Math.min(Math.floor(at), STOPS.length - 2);
    return STOPS[below].map((low, channel) => Math.round(low + (STOPS[below + 1][channel] - low) * (at - below)));
}

const limitOf = (of) => of.values.reduce((limit, value) => Math.max(limit, Math.abs(value)), 0);

/** Return black or white, whichever has more contrast with a colour: at least 4.5, by the rules of WCAG. */
const inkOn = (colour) => (luminance(colour) > 0.179 ? "#000" : "#fff");

function luminance(colour) {
    const [r, g, b] = colour
        .map((part) => part / 255)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Return a context that draws in CSS pixels, sharp on every screen. */
function sizedContext(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return context;
}

/**
 * Draw one plane of a tensor.
 *
 * view: {of, plane, cell, limit, numbered, geometry, filled}. geometry: for V', to draw its pads. filled: how many
 * cells are known so far; the others are blank.
 */
function drawPlane(canvas, view) {
    const { of, cell } = view;
    const context = sizedContext(canvas, of.columns * cell, of.rows * cell);
    const gap = cell >= LEAST_CELL_WITH_GAP ? 1 : 0;
    context.fillStyle = colourOf("--line");
    context.fillRect(0, 0, of.columns * cell, of.rows * cell);
    eachCell(view, (value, row, column) => {
        context.fillStyle = `rgb(${signedColour(value, view.limit).join(" ")})`;
        context.fillRect(column * cell, row * cell, cell - gap, cell - gap);
    });
    drawBlank(context, view);
    if (view.geometry) drawPads(context, view);
    if (view.numbered) drawNumbers(context, view);
}

function eachCell({ of, plane, filled = Infinity }, use) {
    const first = indexOf(of, plane, 0, 0);
    const count = Math.min(of.rows * of.columns, filled);
    for (let at = 0; at < count; at++) use(of.values[first + at], Math.floor(at / of.columns), at % of.columns);
}

function drawBlank(context, { of, cell, filled = Infinity }) {
    context.fillStyle = colourOf("--blank");
    for (let at = filled; at < of.rows * of.columns; at++)
        context.fillRect((at % of.columns) * cell, Math.floor(at / of.columns) * cell, cell - 1, cell - 1);
}

/** Hatch the padding one way and what no window reads the other way, and frame V. */
function drawPads(context, { of, cell, geometry }) {
    const { rows, columns } = geometry;
    const inner = [columns.before * cell, rows.before * cell, columns.size * cell, rows.size * cell];
    context.save();
    context.beginPath();
    context.rect(0, 0, of.columns * cell, of.rows * cell);
    context.rect(...inner);
    context.clip("evenodd");
    hatch(context, of.columns * cell, of.rows * cell, 1);
    context.restore();
    drawUntouched(context, cell, geometry, inner);
    if (!isPadded(geometry)) return;
    context.lineWidth = 2;
    context.strokeStyle = colourOf("--text");
    context.strokeRect(inner[0] - 0.5, inner[1] - 0.5, inner[2], inner[3]);
}

function drawUntouched(context, cell, geometry, [left, top, width, height]) {
    const [rows, columns] = [untouched(geometry.rows), untouched(geometry.columns)];
    if (!rows.length && !columns.length) return;
    context.save();
    context.beginPath();
    for (const row of rows) context.rect(left, top + row * cell, width, cell);
    for (const column of columns) context.rect(left + column * cell, top, cell, height);
    context.clip();
    context.fillStyle = colourOf("--veil");
    context.fillRect(left, top, width, height);
    hatch(context, left + width, top + height, -1);
    context.restore();
}

const untouched = (axis) => Array.from({ length: axis.size }, (_, at) => at).filter((at) => isUntouched(axis, at));

function hatch(context, width, height, direction) {
    context.beginPath();
    for (let at = -height; at < width + height; at += HATCH) {
        context.moveTo(at, direction > 0 ? height : 0);
        context.lineTo(at + height, direction > 0 ? 0 : height);
    }
    context.lineWidth = 1;
    context.strokeStyle = colourOf("--hatch");
    context.stroke();
}

function drawNumbers(context, view) {
    const { cell, limit, numbered } = view;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `${numbered.font}px ${colourOf("--numbers")}`;
    eachCell(view, (value, row, column) => {
        const isPad = view.geometry && isInPads(view.geometry, { row, column });
        const colour = signedColour(value, limit);
        const [text, x, y] = [
            cellNumeral(value, limit, numbered.digits),
            (column + 0.5) * cell - 0.5,
            (row + 0.5) * cell,
        ];
        // Hatched cells get a plate, so that no line runs through a digit.
        if (isPad) plate(context, text, colour, x, y, numbered.font);
        context.fillStyle = inkOn(colour);
        context.fillText(text, x, y + 0.5);
    });
}

function plate(context, text, colour, x, y, font) {
    const width = context.measureText(text).width + 4;
    context.fillStyle = `rgb(${colour.join(" ")})`;
    context.fillRect(x - width / 2, y - font * 0.6, width, font * 1.2);
}

/** Return the font and the digits with which all numbers of a tensor fit into cells; null if none is legible. */
function numberingOf(of, cell, limit) {
    if (cell < 2 * LEAST_FONT) return null;
    for (const digits of [3, 2]) {
        const longest = of.values.reduce((most, value) => Math.max(most, cellNumeral(value, limit, digits).length), 1);
        // A digit is about 0.6 of the font's size wide.
        const font = Math.floor(Math.min(LARGEST_FONT, cell * 0.42, (cell - 5) / (0.6 * longest)));
        if (font >= LEAST_FONT) return { font, digits };
    }
    return null;
}

/**
 * Light cells of a plane: veil all others, and outline the lit area and the pointed cell.
 *
 * light: {lit: Set of flat indices within the plane, pointed: {row, column} or null, arrows: [[from, to], ...]}.
 */
function drawLight(canvas, { of, cell }, light) {
    const context = sizedContext(canvas, of.columns * cell, of.rows * cell);
    if (light.lit.size) {
        veilOthers(context, of, cell, light.lit);
        outline(context, of, cell, light.lit);
    }
    // In smaller cells, many arrows would hide the pixels.
    if (cell >= LEAST_CELL_WITH_ARROWS || light.arrows.length === 1)
        light.arrows.forEach((ends) => arrow(context, ...ends, cell));
    if (light.pointed) ring(context, light.pointed, cell);
}

function veilOthers(context, of, cell, lit) {
    context.fillStyle = colourOf("--veil");
    for (let at = 0; at < of.rows * of.columns; at++)
        if (!lit.has(at)) context.fillRect((at % of.columns) * cell, Math.floor(at / of.columns) * cell, cell, cell);
}

/** Draw the border of the union of the lit cells: a dark line under a bright one shows on every colour. */
function outline(context, of, cell, lit) {
    const path = new Path2D();
    const inset = 1;
    for (const at of lit) {
        const [row, column] = [Math.floor(at / of.columns), at % of.columns];
        const [left, top] = [column * cell, row * cell];
        const [right, bottom] = [left + cell - 1, top + cell - 1];
        const edge = (isOpen, x1, y1, x2, y2) => isOpen && (path.moveTo(x1, y1), path.lineTo(x2, y2));
        edge(row === 0 || !lit.has(at - of.columns), left, top + inset, right, top + inset);
        edge(row === of.rows - 1 || !lit.has(at + of.columns), left, bottom - inset, right, bottom - inset);
        edge(column === 0 || !lit.has(at - 1), left + inset, top, left + inset, bottom);
        edge(column === of.columns - 1 || !lit.has(at + 1), right - inset, top, right - inset, bottom);
    }
    strokeTwice(context, path, widthFor(cell));
}

function ring(context, { row, column }, cell) {
    const path = new Path2D();
    path.rect(column * cell + 0.5, row * cell + 0.5, cell - 2, cell - 2);
    strokeTwice(context, path, widthFor(cell * 1.6));
}

const widthFor = (cell) => Math.min(Math.max(cell / 12, 1.5), 4);

function strokeTwice(context, path, width) {
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = width + 1.5;
    context.strokeStyle = "#111";
    context.stroke(path);
    context.lineWidth = width;
    context.strokeStyle = colourOf("--accent");
    context.stroke(path);
}

/** Draw an arrow from a padded cell to the pixel that it copies; it leaves the digits of both free. */
function arrow(context, from, to, cell) {
    const [x1, y1, x2, y2] = [from.column, from.row, to.column, to.row].map((at) => (at + 0.5) * cell - 0.5);
    const distance = Math.hypot(x2 - x1, y2 - y1);
    if (!distance) return;
    const [right, down] = [(x2 - x1) / distance, (y2 - y1) / distance];
    const clear = Math.min(cell * 0.3, distance * 0.3);
    const [tipX, tipY] = [x2 - right * clear, y2 - down * clear];
    const head = Math.min(Math.max(cell * 0.16, 3), 7);
    const path = new Path2D();
    path.moveTo(x1 + right * clear, y1 + down * clear);
    path.lineTo(tipX, tipY);
    for (const side of [-0.6, 0.6]) {
        path.moveTo(tipX, tipY);
        path.lineTo(tipX - head * (right - down * side), tipY - head * (down + right * side));
    }
    strokeTwice(context, path, Math.min(1.5, cell / 28));
}

// Styles are read once per theme: computing them anew for each cell would take longer than drawing it.
const styles = new Map();

function colourOf(name) {
    if (!styles.has(name)) styles.set(name, resolvedStyle(name));
    return styles.get(name);
}

/** Return a custom property of the page, with light-dark() resolved for colours. */
function resolvedStyle(name) {
    const probe = document.getElementById("probe");
    const text = getComputedStyle(probe).getPropertyValue(name).trim();
    if (!text.startsWith("light-dark")) return text;
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
}

const forgetStyles = () => styles.clear();

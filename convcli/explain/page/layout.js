"use strict";

/*
 * The layout: the widths of windows at which it changes, and the sizes of cells. The style sheet has the same widths.
 */

const NARROW = matchMedia("(max-width: 719px)");
const MIDDLE = matchMedia("(max-width: 1279px)");
const SUM_WIDTH = 340;
const LARGEST_CELL = 44;
// Below, numbers are not legible, and the tensors need not have cells of one size.
const LEAST_COMMON_CELL = 24;
const COMFORTABLE_CELL = 36;
const LEAST_PAIRED_CELL = 20;
const PAIR_GAP = 16;
const LEAST_CELL = 2;
const LARGEST_WEIGHT = 34;
// The least width of a tensor's heading, and what stands between the tensors of a row.
const LABEL = 92;
const OPERATORS = 2 * 36 + 40;
const TALLEST_BIAS = 300;

const byId = (id) => document.getElementById(id);

/** Put the sum beside the tensors, or where they need the whole width, into a sheet below. */
function arrange(tensors) {
    const stage = document.querySelector(".stage");
    const beside = commonCell(tensors, stage.clientWidth - SUM_WIDTH);
    byId("tensors").classList.toggle("paired", isPaired(tensors, stage.clientWidth));
    stage.classList.toggle("sheet", NARROW.matches || (MIDDLE.matches && beside < LEAST_COMMON_CELL));
}

/** Return the size of a cell of each tensor, so that the tensors of a row fit beside one another. */
function cellSizes(model, width) {
    return NARROW.matches ? stackedSizes(model, width) : besideSizes(model, width);
}

/** Return whether V and Z fit beside one another in a narrow window, so that both are seen at once. */
const isPaired = (tensors, width) => NARROW.matches && pairedCell(tensors, width) >= LEAST_PAIRED_CELL;

const pairedCell = ({ "V'": V, Z }, width) => cellIn(width - PAIR_GAP, V.columns + Z.columns);

function stackedSizes({ tensors }, width) {
    const { "V'": V, K, Z, db } = tensors;
    const weight = cellIn(width - LABEL, K.columns);
    const stacked = cellIn(width, Math.max(V.columns, Z.columns));
    const cell = isPaired(tensors, width) ? pairedCell(tensors, width) : stacked;
    return sizesOf(cell, weight, Math.min(weight, cellIn(TALLEST_BIAS, db.rows)));
}

function besideSizes({ tensors }, width) {
    const { "V'": V, K, Z, db } = tensors;
    const common = commonCell(tensors, width);
    const isCommon = common >= LEAST_COMMON_CELL;
    const weight = isCommon ? common : Math.min(LARGEST_WEIGHT, cellIn(width / 4, K.columns));
    const cell = isCommon ? common : largest(LEAST_COMMON_CELL, (size) => rowWidth(tensors, size, weight) <= width);
    const bias = cellIn(Math.max(V.rows * cell, TALLEST_BIAS), db.rows);
    return sizesOf(cell, weight, Math.min(isCommon ? common : LARGEST_WEIGHT, bias));
}

/** Return the size of cells with which V, K, b and Z fit beside one another, all in cells of one size. */
function commonCell(tensors, width) {
    return largest(Math.min(LARGEST_CELL, comfortable(tensors)), (size) => rowWidth(tensors, size, size) <= width);
}

function rowWidth({ "V'": V, K, Z }, cell, weight) {
    const widths = [V.columns * cell, K.columns * weight, LARGEST_WEIGHT, Z.columns * cell];
    return widths.reduce((sum, each) => sum + Math.max(each, LABEL), OPERATORS);
}

function largest(most, fits) {
    let size = most;
    while (size > LEAST_CELL && !fits(size)) size--;
    return size;
}

/** Return the largest cell with which both rows of tensors fit into the window, but one that is read well. */
function comfortable({ "V'": padded, V, Z }) {
    const top = byId("tensors").getBoundingClientRect().top + scrollY;
    const beside = V.planes > 1 || Z.planes > 1 ? 340 : 230;
    return Math.max(COMFORTABLE_CELL, Math.floor((innerHeight - top - beside) / (padded.rows + V.rows)));
}

const cellIn = (space, count) => Math.min(LARGEST_CELL, Math.max(LEAST_CELL, Math.floor(space / count)));

const sizesOf = (cell, weight, bias) => ({
    V: cell,
    dV: cell,
    Z: cell,
    G: cell,
    K: weight,
    dK: weight,
    b: bias,
    db: bias,
});

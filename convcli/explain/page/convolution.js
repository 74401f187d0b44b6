"use strict";

/*
 * The arithmetic of the page: Z and the gradients in float64, straight from the definition, and the terms of every sum.
 * Nothing here knows the document, so that tests call it as it is.
 *
 *   Z[i,j,k]    = b[i] + sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]
 *   dK[i,l,m,n] = sum over j,k of G[i,j,k] * V'[l, j*sy + m*dy, k*sx + n*dx]
 *   dV'[l,a,c]  = sum over i and the (j,m), (k,n) that read (a,c) of G[i,j,k] * K[i,l,m,n]
 *
 * Every tensor is a stack of planes: V' has a plane per channel, K one per pair (i,l). A cell is a number of a tensor.
 */

const OUTSIDE = -1;

const PADDING_RULES = {
    valid: () => [0, 0],
    same: (axis) => {
        const outputs = Math.ceil(axis.size / axis.stride);
        const total = Math.max(0, (outputs - 1) * axis.stride + axis.reach - axis.size);
        return [Math.floor(total / 2), Math.ceil(total / 2)];
    },
    "same-lower": (axis) => PADDING_RULES.same(axis).reverse(),
    full: (axis) => [axis.reach - 1, axis.reach - 1],
};

const modulo = (number, divisor) => ((number % divisor) + divisor) % divisor;

// The pixel that each position of an axis copies.
const COPYING_RULES = {
    replicate: (position, size) => Math.min(Math.max(position, 0), size - 1),
    reflect: (position, size) => {
        const period = Math.max(2 * size - 2, 1);
        const phase = modulo(position, period);
        return Math.min(phase, period - phase);
    },
    symmetric: (position, size) => {
        const phase = modulo(position, 2 * size);
        return Math.min(phase, 2 * size - 1 - phase);
    },
    wrap: (position, size) => modulo(position, size),
};

function tensor(planes, rows, columns, values = new Float64Array(planes * rows * columns)) {
    return { planes, rows, columns, values };
}

function ones(planes, rows, columns) {
    const result = tensor(planes, rows, columns);
    result.values.fill(1);
    return result;
}

const indexOf = (of, plane, row, column) => (plane * of.rows + row) * of.columns + column;
const valueAt = (model, cell) => {
    const of = model.tensors[cell.of];
    return of.values[indexOf(of, cell.plane, cell.row, cell.column)];
};

/** Return everything that the page shows: the geometry and all tensors. Throws an Error if the parts do not fit. */
function convolution(V, K, b, G, options) {
    const rows = axisOf(0, V.rows, K.rows, options);
    const columns = axisOf(1, V.columns, K.columns, options);
    refuseKernelBeyondInput(rows, columns);
    const links = linksOf(V, K, options.groups);
    const geometry = { rows, columns, links, flip: options.flip, edge: options.edge };
    const outputs = links.length;
    const fits = G && G.planes === outputs && G.rows === rows.output && G.columns === columns.output;
    const tensors = { V, K, G: fits ? G : ones(outputs, rows.output, columns.output) };
    if (b) tensors.b = b;
    const biases = b ? b.rows : K.isPlane ? 1 : outputs;
    const model = { geometry, tensors, isPlane: K.isPlane, sharesBias: biases === 1, resetsG: !fits };
    tensors["V'"] = padded(V, geometry);
    tensors.Z = forward(model);
    Object.assign(tensors, gradients(model));
    return model;
}

function axisOf(which, size, taps, options) {
    const stride = options.stride[which];
    const dilation = options.dilation[which];
    const axis = { size, taps, stride, dilation, reach: dilation * (taps - 1) + 1 };
    const { padding } = options;
    [axis.before, axis.after] =
        typeof padding === "string" ? PADDING_RULES[padding](axis) : padding.slice(2 * which, 2 * which + 2);
    axis.padded = size + axis.before + axis.after;
    axis.output = Math.floor((axis.padded - axis.reach) / stride) + 1;
    axis.sources = Array.from({ length: axis.padded }, (_, at) => sourceOf(at - axis.before, size, options.edge));
    axis.tap = (index) => (options.flip ? taps - 1 - index : index) * dilation;
    axis.reads = readsOf(axis);
    return axis;
}

function sourceOf(position, size, edge) {
    if (position >= 0 && position < size) return position;
    return edge.rule === "constant" ? OUTSIDE : COPYING_RULES[edge.rule](position, size);
}

/** Return for each padded place of an axis the pairs {output, tap} that read it. */
function readsOf(axis) {
    const reads = Array.from({ length: axis.padded }, () => []);
    for (let output = 0; output < axis.output; output++)
        for (let index = 0; index < axis.taps; index++)
            reads[output * axis.stride + axis.tap(index)].push({ output, tap: index });
    return reads;
}

function refuseKernelBeyondInput(rows, columns) {
    if (rows.reach <= rows.padded && columns.reach <= columns.padded) return;
    throw new Error(
        `The kernel reaches ${rows.reach} × ${columns.reach} pixels, dilation included, but the padded input is ` +
            `only ${rows.padded} × ${columns.padded}: use more padding or less dilation.`,
    );
}

/** Return for each output channel its pairs of an input channel and the plane of K that weighs it. */
function linksOf(V, K, groups) {
    if (K.isPlane) return Array.from({ length: V.planes }, (_, l) => [{ channel: l, plane: 0 }]);
    const inputs = V.planes / groups;
    const outputs = K.planes / inputs;
    return Array.from({ length: outputs }, (_, i) => {
        const first = Math.floor(i / (outputs / groups)) * inputs;
        return Array.from({ length: inputs }, (_, l) => ({ channel: first + l, plane: i * inputs + l }));
    });
}

function padded(V, { rows, columns, edge }) {
    const result = tensor(V.planes, rows.padded, columns.padded);
    let at = 0;
    for (let l = 0; l < V.planes; l++)
        for (const row of rows.sources)
            for (const column of columns.sources)
                result.values[at++] = row < 0 || column < 0 ? edge.value : V.values[indexOf(V, l, row, column)];
    return result;
}

function forward(model) {
    const { K, b, "V'": pixels } = model.tensors;
    const { rows, columns, links } = model.geometry;
    const Z = tensor(links.length, rows.output, columns.output);
    if (b)
        links.forEach((_, i) =>
            Z.values.fill(b.values[biasOf(model, i)], indexOf(Z, i, 0, 0), indexOf(Z, i + 1, 0, 0)),
        );
    eachProduct(model, (weight, output, pixel) => {
        Z.values[output] += pixels.values[pixel] * K.values[weight];
    });
    return Z;
}

const biasOf = (model, i) => (model.sharesBias ? 0 : i);

function gradients(model) {
    const { V, K, G, "V'": pixels } = model.tensors;
    const dK = tensor(K.planes, K.rows, K.columns);
    const ofPadded = tensor(pixels.planes, pixels.rows, pixels.columns);
    eachProduct(model, (weight, output, pixel) => {
        dK.values[weight] += G.values[output] * pixels.values[pixel];
        ofPadded.values[pixel] += G.values[output] * K.values[weight];
    });
    const db = tensor(1, model.sharesBias ? 1 : G.planes, 1);
    const size = G.rows * G.columns;
    G.values.forEach((number, at) => (db.values[biasOf(model, Math.floor(at / size))] += number));
    return { dK, db, dV: adjointOfPadding(ofPadded, V, model.geometry) };
}

/** Call use(weight, output, pixel) with the places of the factors of every product in all of Z. */
function eachProduct({ geometry, tensors }, use) {
    const { rows, columns, links } = geometry;
    const { K, "V'": pixels } = tensors;
    links.forEach((pairs, i) => {
        for (const { channel, plane } of pairs)
            for (let m = 0; m < K.rows; m++)
                for (let n = 0; n < K.columns; n++) {
                    const weight = indexOf(K, plane, m, n);
                    let output = i * rows.output * columns.output;
                    for (let j = 0; j < rows.output; j++) {
                        let pixel = indexOf(pixels, channel, j * rows.stride + rows.tap(m), columns.tap(n));
                        for (let k = 0; k < columns.output; k++, pixel += columns.stride) use(weight, output++, pixel);
                    }
                }
    });
}

/** Add the gradient of each padded pixel to the pixel that it copies. */
function adjointOfPadding(ofPadded, V, { rows, columns }) {
    const dV = tensor(V.planes, V.rows, V.columns);
    let at = 0;
    for (let l = 0; l < V.planes; l++)
        for (const row of rows.sources)
            for (const column of columns.sources) {
                if (row >= 0 && column >= 0) dV.values[indexOf(dV, l, row, column)] += ofPadded.values[at];
                at++;
            }
    return dV;
}

/** Return the padded places of an axis that hold a pixel: its own, and its copies. */
const copiesOf = (axis, pixel) => axis.sources.flatMap((source, at) => (source === pixel ? [at] : []));

/** Return whether no window reads a row or column of V, nor a copy of it. */
const isUntouched = (axis, pixel) => copiesOf(axis, pixel).every((at) => axis.reads[at].length === 0);

/** Return the pixel of V that a padded cell holds, or null for a constant. */
function sourceCell({ rows, columns }, { plane, row, column }) {
    const [r, c] = [rows.sources[row], columns.sources[column]];
    return r < 0 || c < 0 ? null : { of: "V", plane, row: r, column: c };
}

const isInPads = ({ rows, columns }, { row, column }) =>
    row < rows.before ||
    row >= rows.before + rows.size ||
    column < columns.before ||
    column >= columns.before + columns.size;

/**
 * Return what a cell is made of, or what it feeds: {terms, bias, feeds}.
 *
 * A term is {cells, values, product}: the factors of a product, and for a cell that feeds others, first the cell that
 * it feeds.
 */
function explain(model, cell) {
    const { terms, ...more } = TERMS[cell.of](model, cell);
    for (const term of terms) {
        const factors = term.target ? [cell, ...term.cells] : term.cells;
        term.values = factors.map((factor) => valueAt(model, factor));
        term.product = term.values.reduce((product, value) => product * value, 1);
    }
    return { terms, bias: null, feeds: false, ...more };
}

const TERMS = {
    Z: (model, { plane, row, column }) => ({
        terms: windowOf(model, plane, row, column).map(({ pixel, weight }) => ({ cells: [pixel, weight] })),
        bias: model.tensors.b ? { of: "b", plane: 0, row: biasOf(model, plane), column: 0 } : null,
    }),
    dK: (model, cell) => ({
        terms: usesOf(model, cell).map(({ output, pixel }) => ({ cells: [{ ...output, of: "G" }, pixel] })),
    }),
    dV: (model, { plane, row, column }) => ({
        terms: readersOf(model, copies(model, plane, row, column)).map(({ output, weight }) => ({
            cells: [{ ...output, of: "G" }, weight],
        })),
        copies: copies(model, plane, row, column),
    }),
    db: (model, { row }) => ({
        terms: outputsOfBias(model, row).map((output) => ({ cells: [{ ...output, of: "G" }] })),
    }),
    "V'": (model, cell) => {
        const places = isInPads(model.geometry, cell) ? [cell] : copies(model, cell.plane, ...realPlace(model, cell));
        return {
            feeds: true,
            terms: readersOf(model, places).map(({ output, weight }) => ({ target: output, cells: [weight] })),
            copies: places,
        };
    },
    K: (model, cell) => ({
        feeds: true,
        terms: usesOf(model, cell).map(({ output, pixel }) => ({ target: output, cells: [pixel] })),
    }),
    b: (model, { row }) => ({
        feeds: true,
        terms: outputsOfBias(model, row).map((output) => ({ target: output, cells: [] })),
    }),
    G: (model, { plane, row, column }) => ({
        feeds: true,
        terms: windowOf(model, plane, row, column).flatMap(({ pixel, weight }) => [
            { target: { ...weight, of: "dK" }, cells: [pixel] },
            ...gradientOfPixel(model, pixel, weight),
        ]),
        alsoFeeds: { of: "db", plane: 0, row: biasOf(model, plane), column: 0 },
    }),
};

/** Return the pixel and the weight of each product in one number of Z. */
function windowOf({ geometry, tensors }, i, row, column) {
    const { rows, columns, links } = geometry;
    const found = [];
    for (const { channel, plane } of links[i])
        for (let m = 0; m < tensors.K.rows; m++)
            for (let n = 0; n < tensors.K.columns; n++) {
                const [a, c] = [row * rows.stride + rows.tap(m), column * columns.stride + columns.tap(n)];
                found.push({
                    pixel: { of: "V'", plane: channel, row: a, column: c },
                    weight: { of: "K", plane, row: m, column: n },
                });
            }
    return found;
}

/** Return the outputs that use a weight, and the pixel that each multiplies it with. */
function usesOf({ geometry }, weight) {
    const { rows, columns, links } = geometry;
    const found = [];
    links.forEach((pairs, i) => {
        for (const { channel } of pairs.filter(({ plane }) => plane === weight.plane))
            for (let j = 0; j < rows.output; j++)
                for (let k = 0; k < columns.output; k++) {
                    const [a, c] = [
                        j * rows.stride + rows.tap(weight.row),
                        k * columns.stride + columns.tap(weight.column),
                    ];
                    found.push({
                        output: { of: "Z", plane: i, row: j, column: k },
                        pixel: { of: "V'", plane: channel, row: a, column: c },
                    });
                }
    });
    return found;
}

/** Return the outputs that read any of these padded cells of one channel, and the weight that each uses. */
function readersOf({ geometry }, places) {
    const { rows, columns, links } = geometry;
    const found = [];
    links.forEach((pairs, i) => {
        for (const { channel, plane } of pairs)
            for (const place of places.filter((each) => each.plane === channel))
                for (const { output: j, tap: m } of rows.reads[place.row])
                    for (const { output: k, tap: n } of columns.reads[place.column])
                        found.push({
                            output: { of: "Z", plane: i, row: j, column: k },
                            weight: { of: "K", plane, row: m, column: n },
                        });
    });
    return found;
}

const realPlace = ({ geometry }, { row, column }) => [row - geometry.rows.before, column - geometry.columns.before];

/** Return the padded cells that hold a pixel of V. */
function copies({ geometry }, plane, row, column) {
    return copiesOf(geometry.rows, row).flatMap((a) =>
        copiesOf(geometry.columns, column).map((c) => ({ of: "V'", plane, row: a, column: c })),
    );
}

function outputsOfBias({ geometry, sharesBias }, at) {
    const found = [];
    geometry.links.forEach((_, i) => {
        if (!sharesBias && i !== at) return;
        for (let j = 0; j < geometry.rows.output; j++)
            for (let k = 0; k < geometry.columns.output; k++) found.push({ of: "Z", plane: i, row: j, column: k });
    });
    return found;
}

// A constant of the padding has no gradient.
function gradientOfPixel({ geometry }, pixel, weight) {
    const source = sourceCell(geometry, pixel);
    return source ? [{ target: { ...source, of: "dV" }, cells: [weight] }] : [];
}

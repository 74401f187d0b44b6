"use strict";

/*
 * What the reader has chosen. The part of it that differs from the document is kept in the address, in the spelling of
 * the program's options, so that a link leads to the same view.
 */

// The tensors whose numbers the reader can change.
const EDITABLE = ["V", "K", "b", "G"];

/** Return the state in which the page opens without an address of its own. */
function initialState({ options, pointed }) {
    return {
        stride: options.stride.join(","),
        padding: options.padding,
        dilation: options.dilation.join(","),
        edge: options.edge,
        flip: String(options.flip),
        V: "",
        K: "",
        b: "",
        G: "",
        at: pointed ? `${pointed.of}:${pointed.at.join(",")}` : "",
        channels: "0,0",
        walk: "",
        theme: "",
    };
}

/** Return the state that an address holds; parts of it that mean nothing are left as they are in ``initial``. */
function stateFrom(address, initial) {
    return { ...initial, ...Object.fromEntries(partsOf(address).filter(isMeaningful)) };
}

/** Return the names of the parts of an address that mean nothing. */
function ignoredIn(address) {
    return partsOf(address)
        .filter((part) => !isMeaningful(part))
        .map(([name]) => name);
}

const partsOf = (address) => [...new URLSearchParams(address.replace(/^#/, ""))];

const isMeaningful = ([name, text]) => Object.hasOwn(FORMS, name) && FORMS[name].test(text);

const PAIR = /^[1-9]\d?,[1-9]\d?$/;
const NUMBER = String.raw`-?\d+(?:\.\d+)?(?:e[+-]?\d+)?`;
const EDITS = new RegExp(`^(?:\\d+=${NUMBER}(?:;|$))*$`);
const FORMS = {
    stride: PAIR,
    padding: /^(?:valid|same|same-lower|full|\d{1,2}(?:,\d{1,2}){3})$/,
    dilation: PAIR,
    edge: new RegExp(`^(?:zero|constant:${NUMBER}|replicate|reflect|symmetric|wrap)$`),
    flip: /^(?:true|false)$/,
    V: EDITS,
    K: EDITS,
    b: EDITS,
    G: EDITS,
    at: /^(?:(?:Z|dK|dV|db|V'|K|b|G):\d+,\d+,\d+)?$/,
    channels: /^\d+,\d+$/,
    walk: /^\d*$/,
    theme: /^(?:|dark|light)$/,
};

function addressOf(state, initial) {
    const changed = Object.keys(initial).filter((name) => state[name] !== initial[name]);
    return changed
        .map((name) => `${name}=${encodeURIComponent(state[name]).replaceAll("%2C", ",").replaceAll("%3A", ":")}`)
        .join("&");
}

const pairOf = (text) => text.split(",").map(Number);

/** Return the options of a state as the arithmetic takes them. */
function optionsOf(state, groups) {
    return {
        stride: pairOf(state.stride),
        padding: state.padding in PADDING_RULES ? state.padding : pairOf(state.padding),
        dilation: pairOf(state.dilation),
        edge: edgeOf(state.edge),
        flip: state.flip === "true",
        groups,
    };
}

function edgeOf(text) {
    const [rule, value = "0"] = text.split(":");
    return { rule: rule === "zero" ? "constant" : rule, value: Number(value) };
}

/** Return a tensor with the edits that a state holds, as ``index=value`` joined by semicolons. */
function edited(of, edits) {
    if (!of || !edits) return of;
    const values = of.values.slice();
    for (const [at, value] of editsOf(edits)) if (at < values.length) values[at] = value;
    return { ...of, values };
}

const editsOf = (edits) =>
    new Map(
        edits
            .split(";")
            .filter(Boolean)
            .map((edit) => edit.split("=").map(Number)),
    );

/** Return the edits with one more; an edit that restores the given number is dropped. */
function withEdit(edits, at, value, original) {
    const all = editsOf(edits).set(at, value);
    if (value === original) all.delete(at);
    return [...all].map(([index, number]) => `${index}=${number}`).join(";");
}

const cellOf = (text) => {
    if (!text) return null;
    const [of, indices] = text.split(":");
    const [plane, row, column] = pairOf(indices);
    return { of, plane, row, column };
};

const textOf = (cell) => (cell ? `${cell.of}:${cell.plane},${cell.row},${cell.column}` : "");

/** Return a tensor from its JSON: nested lists become planes, whatever its leading axes are. */
function tensorFrom({ shape, values }, name) {
    const flat = Float64Array.from([values].flat(Infinity));
    if (name === "b") return tensor(1, flat.length, 1, flat);
    const [rows, columns] = shape.slice(-2);
    const of = tensor(flat.length / (rows * columns), rows, columns, flat);
    of.isPlane = shape.length === 2;
    return of;
}

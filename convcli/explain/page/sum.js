"use strict";

/* The sum behind a number, written out: the products, then the total. */

const MOST_TERMS = 12;
const MOST_SPOKEN = 6;
const MOST_COLUMNS = 4;

/** Return an element with these attributes and children. */
function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
}

/**
 * Show the sum of a cell. point(term) is told which term the reader points at, or null; edit(value) is told the number
 * that the reader gives to the cell, and is null for a cell that is computed.
 */
function showSum(panel, model, cell, explanation, { point, edit }) {
    const { shown, rest } = largestTerms(explanation.terms);
    const list = element("ol", { class: "terms" }, ...shown.map((term) => termItem(model, cell, term, shown, point)));
    const columns = columnsOf(model, cell, explanation.terms.length);
    if (columns && !rest.length) list.style.setProperty("--columns", columns);
    panel.replaceChildren(
        headline(model, cell, explanation, edit),
        element(
            "p",
            { class: "formula" },
            ...(explanation.feeds ? [feedsText(model, explanation)] : formula(formulaOf(model, cell.of))),
        ),
        list,
        ...restLine(rest),
        ...totalLine(model, cell, explanation),
    );
}

function headline(model, cell, explanation, edit) {
    const name = placeName(model, named(model, cell));
    const value = valueAt(model, cell);
    const title = element("h2", {}, element("var", {}, name), " = ", edit ? editor(name, value, edit) : numeral(value));
    const origin = originOf(model, cell);
    const parts = [title];
    if (explanation.copies?.length > 1)
        parts.push(element("p", { class: "origin" }, `${explanation.copies.length - 1} × copied by the padding`));
    if (origin) parts.push(element("p", { class: "origin" }, origin));
    return element("div", { class: "headline" }, ...parts);
}

const formula = ([before, over, after]) => [
    before,
    element("span", { class: "sigma" }, "Σ"),
    element("sub", {}, over),
    ` ${after}`,
];

/** Return a field for the value. It is of text, because browsers turn 1/3 in a field of numbers into 13. */
function editor(name, value, edit) {
    const input = element("input", { inputmode: "decimal", id: "editor", "aria-label": `${name}, edit`, value });
    let before = null;
    input.addEventListener("focus", ({ relatedTarget }) => (before = relatedTarget));
    input.addEventListener("input", () => input.setCustomValidity(""));
    input.addEventListener("change", () => {
        const given = input.value.trim() === "" ? NaN : Number(input.value);
        if (Number.isFinite(given)) edit(given);
        else input.setCustomValidity("Expected a number, such as -1.5.");
        input.reportValidity();
    });
    input.addEventListener("keydown", ({ key }) => {
        if (key !== "Escape") return;
        input.value = value;
        before?.focus();
    });
    return input;
}

/** Return a padded cell that lies in V as the pixel of V that it is. */
const named = (model, cell) =>
    cell.of === "V'" && !isInPads(model.geometry, cell) ? sourceCell(model.geometry, cell) : cell;

function feedsText(model, { terms, alsoFeeds }) {
    const fed = (name) => new Set(terms.filter(({ target }) => target.of === name).map(({ target }) => textOf(target)));
    const targets = (name) => `${plural(fed(name).size, "number")} of ${name}`;
    if (alsoFeeds) return `flows back into ${targets("dK")}, ${targets("dV")} and ${placeName(model, alsoFeeds)}`;
    return terms.length ? `feeds ${targets("Z")}` : "feeds nothing: no window reads it";
}

/** Return all terms of a short sum; of a long one the largest, and the rest. */
function largestTerms(terms) {
    if (terms.length <= MOST_TERMS) return { shown: terms, rest: [] };
    const ordered = [...terms].sort((one, other) => Math.abs(other.product) - Math.abs(one.product));
    return { shown: ordered.slice(0, MOST_TERMS), rest: ordered.slice(MOST_TERMS) };
}

/** Return how many terms stand in a row, so that they lie as the window's numbers do; 0 where they are too many. */
function columnsOf(model, cell, count) {
    const width =
        { Z: model.tensors.K.columns, dK: model.tensors.Z.columns, db: model.tensors.Z.columns }[cell.of] ?? 0;
    return width <= MOST_COLUMNS && count > width ? width : 0;
}

function termItem(model, cell, term, shown, point) {
    const limit = shown.reduce((most, { product }) => Math.max(most, Math.abs(product)), 0);
    const names = term.cells.map((factor) => placeName(model, factor)).join(" · ");
    const target = term.target ? `${placeName(model, term.target)} ${names ? `by ${names}` : ""}` : names;
    const product = term.values.length > 1 ? `${term.values.map(factorNumeral).join(" × ")} ` : "";
    const item = element(
        "li",
        {
            style: `--swatch: rgb(${signedColour(term.product, limit).join(" ")})`,
            ...(term.product ? {} : { class: "zero" }),
        },
        element(
            "span",
            { class: "product" },
            product,
            element("b", {}, `${product && "= "}${numeral(term.product, 5)}`),
        ),
        element("span", { class: "factors" }, target),
    );
    item.addEventListener("pointerenter", () => point(term));
    item.addEventListener("pointerleave", () => point(null));
    return item;
}

function restLine(rest) {
    if (!rest.length) return [];
    const total = rest.reduce((sum, { product }) => sum + product, 0);
    return [element("p", { class: "rest" }, `and ${plural(rest.length, "more term")}, together ${numeral(total, 6)}`)];
}

function totalLine(model, cell, { terms, bias, feeds }) {
    if (feeds) return [];
    const total = valueAt(model, cell);
    if (!terms.length) return [element("p", { class: "total" }, "no window reads this pixel: ", element("b", {}, "0"))];
    const parts = [`${plural(terms.length, terms[0].cells.length > 1 ? "product" : "number")} `];
    if (bias) parts.push(`and ${placeName(model, bias)} = ${numeral(valueAt(model, bias))} `);
    const verb = terms.length + (bias ? 1 : 0) === 1 ? "is" : "sum to";
    return [element("p", { class: "total" }, ...parts, `${verb} `, element("b", {}, numeral(total)))];
}

/** Return the sum as a sentence for a screen reader. */
function spokenSum(model, cell, explanation) {
    const { terms, feeds, bias } = explanation;
    const name = placeName(model, named(model, cell)).replaceAll(/[[,]/g, " ").replace("]", "");
    const start = `${name} is ${numeral(valueAt(model, cell))}`;
    if (feeds) return `${start}. ${[originOf(model, cell), feedsText(model, explanation)].filter(Boolean).join(", ")}.`;
    const { shown } = largestTerms(terms);
    const spoken = shown
        .slice(0, MOST_SPOKEN)
        .map(({ values }) => values.map((value) => numeral(value, 6)).join(" times "));
    const more = terms.length - spoken.length;
    if (more > 0) spoken.push(`${more} more`);
    if (bias) spoken.push(`the bias ${numeral(valueAt(model, bias), 6)}`);
    return terms.length ? `${start}: ${spoken.join(", plus ")}.` : `${start}: no window reads this pixel.`;
}

const HINTS = [
    ["Z, dK, dV, db", "what the number is made of lights up, and its sum is written out here"],
    ["V, K, b, G", "what the number feeds lights up; click it to change it"],
    ["Play", "the window walks over V, and Z fills up"],
    ["Options", "stride, padding, edge fill, dilation and flip: all is computed anew"],
];

/** Show what the reader can do, while no number is pointed at. */
function showHints(panel) {
    panel.replaceChildren(
        element("h2", { class: "hint" }, "Point at any number"),
        element(
            "dl",
            {},
            ...HINTS.map(([what, does]) => element("div", {}, element("dt", {}, what), element("dd", {}, does))),
        ),
    );
}

"use strict";

/* One tensor on the page: its heatmap, the number under the pointer, and its other channels as small multiples. */

const PANELS = [
    { name: "V", shows: "V'", role: "input" },
    { name: "K", shows: "K", role: "kernel" },
    { name: "b", shows: "b", role: "bias" },
    { name: "Z", shows: "Z", role: "output" },
    { name: "G", shows: "G", role: "dJ/dZ, upstream" },
    { name: "dK", shows: "dK", role: "dJ/dK" },
    { name: "db", shows: "db", role: "dJ/db" },
    { name: "dV", shows: "dV", role: "dJ/dV" },
];

const MOVES = {
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    Home: [0, -Infinity],
    End: [0, Infinity],
};

class Panel {
    /** page: {hover, choose, chooseChannel, startEditing}, what happens when the reader does something. */
    constructor({ name, shows, role }, page) {
        this.name = name;
        this.shows = shows;
        this.page = page;
        this.root = document.getElementById("panel").content.firstElementChild.cloneNode(true);
        this.root.classList.add(name);
        this.root.id = `panel-${name}`;
        this.map = this.root.querySelector(".map");
        [this.numbers, this.lights] = this.root.querySelectorAll("canvas");
        this.readout = this.root.querySelector(".readout");
        this.channels = this.root.querySelector(".channels");
        this.channels.setAttribute("aria-label", `Channels of ${name}`);
        this.root.querySelector("var").textContent = name;
        this.root.querySelector(".role").textContent = role;
        this.listen();
    }

    listen() {
        const { map } = this;
        map.addEventListener(
            "pointermove",
            (event) => event.pointerType === "mouse" && this.page.hover(this.cellUnder(event)),
        );
        map.addEventListener("pointerleave", () => this.page.hover(null));
        map.addEventListener("click", (event) => this.page.choose(this.cellUnder(event)));
        map.addEventListener("focus", () => map.matches(":focus-visible") && this.page.choose(this.lastCell(), true));
        map.addEventListener("keydown", (event) => this.move(event));
    }

    /** Show a plane of the model's tensor in cells of this many pixels. */
    show(model, plane, cell, filled) {
        const of = model.tensors[this.shows];
        this.root.hidden = !of;
        if (!of) return;
        const limit = limitOf(of);
        this.view = {
            of,
            plane,
            cell,
            limit,
            filled,
            numbered: numberingOf(of, cell, limit),
            geometry: this.name === "V" ? model.geometry : null,
        };
        this.model = model;
        drawPlane(this.numbers, this.view);
        this.root.querySelector("small").textContent = `${shapeText(model, this.name)}  ±${shortNumeral(limit)}`;
        const channel = of.planes > 1 ? `, plane ${plane}` : "";
        this.map.setAttribute("aria-label", `${this.name}${channel}, ${of.rows} rows and ${of.columns} columns`);
    }

    /** Show small multiples of these planes: [{plane, label}]. */
    showChannels(planes) {
        const buttons = planes.length > 1 ? planes.map((each) => this.channelButton(each)) : [];
        const hadFocus = this.channels.contains(document.activeElement);
        this.channels.replaceChildren(...buttons);
        if (hadFocus) buttons.find((button) => button.ariaPressed === "true")?.focus();
    }

    channelButton({ plane, label }) {
        const canvas = element("canvas", { "aria-hidden": "true" });
        drawThumbnail(canvas, this.view, plane);
        const box = element("i", { hidden: "" });
        const button = element(
            "button",
            {
                type: "button",
                "aria-pressed": plane === this.view.plane,
                "aria-label": `${this.name}, ${label}`,
                "data-plane": plane,
            },
            element("span", {}, canvas, box),
            label.split(" ").at(-1),
        );
        button.addEventListener("click", () => this.page.chooseChannel(this.name, plane));
        return button;
    }

    /** Light what belongs to the pointed cell. lit: for each plane the set of its lit cells. */
    light(lit, pointed) {
        if (this.root.hidden) return;
        const inPlane = lit.get(this.view.plane) ?? new Set();
        const isHere = pointed?.of === this.shows;
        const here = isHere && pointed.plane === this.view.plane ? pointed : null;
        const arrows = this.name === "V" ? this.arrowsFrom(inPlane, here) : [];
        drawLight(this.lights, this.view, { lit: inPlane, pointed: here, arrows });
        for (const button of this.channels.children)
            boxThumbnail(button.querySelector("i"), this.view.of, lit.get(Number(button.dataset.plane)));
        if (isHere) this.last = { row: pointed.row, column: pointed.column };
        this.readout.textContent = here ? this.readoutOf(here) : "";
    }

    readoutOf(cell) {
        const parts = [`${placeName(this.model, named(this.model, cell))} = ${numeral(valueAt(this.model, cell), 6)}`];
        return [...parts, originOf(this.model, cell)].filter(Boolean).join(", ");
    }

    arrowsFrom(lit, pointed) {
        const { of, geometry } = this.view;
        const cells = [...lit].map((at) => ({
            plane: this.view.plane,
            row: Math.floor(at / of.columns),
            column: at % of.columns,
        }));
        if (pointed && !lit.size) cells.push(pointed);
        return cells
            .filter((cell) => isInPads(geometry, cell))
            .flatMap((cell) => {
                const source = sourceCell(geometry, cell);
                const { rows, columns } = geometry;
                return source
                    ? [[cell, { row: source.row + rows.before, column: source.column + columns.before }]]
                    : [];
            });
    }

    cellUnder(event) {
        const { of, plane, cell } = this.view;
        const frame = this.numbers.getBoundingClientRect();
        const row = Math.floor((event.clientY - frame.top) / cell);
        const column = Math.floor((event.clientX - frame.left) / cell);
        const isInside = row >= 0 && row < of.rows && column >= 0 && column < of.columns;
        return isInside ? { of: this.shows, plane, row, column } : null;
    }

    lastCell() {
        const { of, plane, geometry } = this.view;
        const first = geometry ? { row: geometry.rows.before, column: geometry.columns.before } : { row: 0, column: 0 };
        const { row, column } = this.last ?? first;
        return { of: this.shows, plane, row: Math.min(row, of.rows - 1), column: Math.min(column, of.columns - 1) };
    }

    move(event) {
        const { of } = this.view;
        const cell = this.lastCell();
        if (event.key in MOVES) {
            const [down, right] = MOVES[event.key];
            const clamp = (at, extent) => Math.min(Math.max(at, 0), extent - 1);
            this.page.choose(
                { ...cell, row: clamp(cell.row + down, of.rows), column: clamp(cell.column + right, of.columns) },
                true,
            );
        } else if (event.key === "PageUp" || event.key === "PageDown") {
            this.pressNeighbour(event.key === "PageUp" ? -1 : 1);
        } else if (event.key === "Escape") {
            this.page.choose(null);
        } else if (event.key === "Enter") {
            this.page.startEditing();
        } else {
            return;
        }
        event.preventDefault();
    }

    pressNeighbour(step) {
        const buttons = [...this.channels.children];
        const at = buttons.findIndex((button) => button.ariaPressed === "true");
        buttons[at + step]?.click();
    }
}

/** Draw one canvas pixel per number; the page scales them up without blurring. */
function drawThumbnail(canvas, { of, limit }, plane) {
    canvas.width = of.columns;
    canvas.height = of.rows;
    const context = canvas.getContext("2d");
    const image = context.createImageData(of.columns, of.rows);
    eachCell({ of, plane }, (value, row, column) => {
        image.data.set([...signedColour(value, limit), 255], 4 * (row * of.columns + column));
    });
    context.putImageData(image, 0, 0);
}

/** Put a box around the lit cells of a small multiple. */
function boxThumbnail(box, of, lit) {
    box.hidden = !lit?.size;
    if (box.hidden) return;
    const rows = [...lit].map((at) => Math.floor(at / of.columns));
    const columns = [...lit].map((at) => at % of.columns);
    const [top, left] = [minimum(rows), minimum(columns)];
    const share = (part, extent) => `${(100 * part) / extent}%`;
    box.style.top = share(top, of.rows);
    box.style.left = share(left, of.columns);
    box.style.height = share(maximum(rows) - top + 1, of.rows);
    box.style.width = share(maximum(columns) - left + 1, of.columns);
}

// Math.min(...numbers) fails for very long lists.
const minimum = (numbers) => numbers.reduce((one, other) => Math.min(one, other));
const maximum = (numbers) => numbers.reduce((one, other) => Math.max(one, other));

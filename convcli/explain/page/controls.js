"use strict";

/* The options of the convolution as form controls, the player of the window's walk, and the tables. */

class Controls {
    constructor(page) {
        this.page = page;
        this.form = byId("controls");
        this.form.addEventListener("submit", (event) => event.preventDefault());
        this.form.addEventListener("input", (event) => this.read(event.target));
        this.form.addEventListener("reset", (event) => {
            event.preventDefault();
            page.change({ ...page.initial, theme: page.state.theme });
        });
    }

    /** Take over the control that the reader changed; an option with an empty field waits for its number. */
    read({ name }) {
        const fields = this.fieldsOf(name.split("-")[0]);
        if (fields.some(({ value, validity }) => value === "" && !validity.badInput)) return;
        const invalid = fields.find(({ validity }) => !validity.valid);
        if (invalid) {
            byId("problem").textContent = expectationOf(invalid);
            return;
        }
        const field = (each) => this.form.elements[each];
        const pair = (each) => `${field(`${each}-0`).value},${field(`${each}-1`).value}`;
        if (name.startsWith("pad-")) this.page.change({ padding: this.pads() });
        else if (name === "padding")
            this.page.change({ padding: field(name).value === "numbers" ? this.pads() : field(name).value });
        else if (name === "edge" || name === "fill") this.page.change({ edge: this.edge() });
        else if (name === "flip") this.page.change({ flip: String(field(name).checked) });
        else this.page.change({ [name.split("-")[0]]: pair(name.split("-")[0]) });
    }

    /** Return the fields of an option, such as stride-0 and stride-1. */
    fieldsOf(option) {
        return [...this.form.elements].filter(({ name }) => name.split("-")[0] === option);
    }

    pads() {
        return [0, 1, 2, 3].map((side) => this.form.elements[`pad-${side}`].value || 0).join(",");
    }

    edge() {
        const { edge, fill } = this.form.elements;
        const value = Number(fill.value || 0);
        if (edge.value !== "constant") return edge.value;
        return value ? `constant:${value}` : "zero";
    }

    show() {
        const { state, model } = this.page;
        const set = (name, value) => (this.form.elements[name].value = value);
        for (const name of ["stride", "dilation"])
            pairOf(state[name]).forEach((value, axis) => set(`${name}-${axis}`, value));
        set("padding", state.padding in PADDING_RULES ? state.padding : "numbers");
        const pads = state.padding in PADDING_RULES && model ? padsOf(model.geometry) : pairOf(state.padding);
        pads.forEach((value, side) => set(`pad-${side}`, Number.isFinite(value) ? value : 0));
        const { rule, value } = edgeOf(state.edge);
        set("edge", rule);
        set("fill", value);
        this.form.elements.fill.hidden = rule !== "constant";
        this.form.elements.flip.checked = state.flip === "true";
    }
}

/** Return what a field of numbers accepts. */
function expectationOf({ ariaLabel, min, max }) {
    return `${ariaLabel}: expected ${max ? `a whole number from ${min} to ${max}` : "a number"}.`;
}

const padsOf = ({ rows, columns }) => [rows.before, rows.after, columns.before, columns.after];

class Player {
    constructor(page) {
        this.page = page;
        this.timer = null;
        byId("back").addEventListener("click", () => this.stepBy(-1));
        byId("step").addEventListener("click", () => this.stepBy(1));
        byId("play").addEventListener("click", () => (this.isPlaying ? this.pause() : this.play()));
        byId("position").addEventListener("input", ({ target }) => this.goTo(Number(target.value)));
        byId("speed").addEventListener("input", () => this.isPlaying && this.play());
    }

    get isPlaying() {
        return this.timer !== null;
    }

    get last() {
        const { Z } = this.page.model.tensors;
        return Z.rows * Z.columns;
    }

    get position() {
        const { walk } = this.page.state;
        return walk === "" ? this.last : Math.min(Number(walk), this.last);
    }

    play() {
        clearInterval(this.timer);
        if (this.position >= this.last) this.page.walkTo(0);
        this.timer = setInterval(() => this.advance(), 1000 / 2 ** Number(byId("speed").value));
        this.show();
    }

    pause() {
        clearInterval(this.timer);
        this.timer = null;
        this.show();
    }

    advance() {
        this.page.walkTo(Math.min(this.position + 1, this.last));
        if (this.position >= this.last) this.pause();
    }

    stepBy(step) {
        const from = this.page.state.walk === "" && step > 0 ? 0 : this.position;
        this.goTo(Math.min(Math.max(from + step, 0), this.last));
    }

    goTo(position) {
        this.pause();
        this.page.walkTo(position);
    }

    /** A change of the options may leave fewer windows. */
    limit() {
        if (this.page.state.walk !== "") this.page.state.walk = String(this.position);
    }

    show() {
        byId("play").textContent = this.isPlaying ? "Pause" : "Play";
        const range = byId("position");
        range.max = this.last;
        range.value = this.position;
        const isWhole = this.page.state.walk === "";
        const text = isWhole
            ? plural(this.last, "window")
            : `window ${this.position.toLocaleString("en")} of ${this.last.toLocaleString("en")}`;
        range.setAttribute("aria-valuetext", text);
        byId("count").textContent = text;
    }
}

/** The numbers of every tensor as tables, which are made when the reader opens them. */
class Tables {
    constructor(page) {
        this.page = page;
        this.root = byId("tables");
        this.root.addEventListener("toggle", () => this.refresh());
    }

    refresh() {
        const into = this.root.querySelector("div");
        into.replaceChildren(
            ...(this.root.open
                ? this.page.panels.filter(({ root }) => !root.hidden).map((panel) => this.folded(panel))
                : []),
        );
    }

    folded({ name }) {
        const folded = element("details", {}, element("summary", {}, name));
        folded.addEventListener("toggle", () => {
            if (folded.open && folded.children.length === 1)
                folded.append(element("div", { class: "scroll", tabindex: "0" }, this.table(name)));
        });
        return folded;
    }

    table(name) {
        const { model } = this.page;
        const of = model.tensors[name];
        const plane = this.page.planeOf(name === "V" ? "V'" : name);
        const columns = Array.from({ length: of.columns }, (_, column) =>
            element("th", { scope: "col" }, String(column)),
        );
        const rows = Array.from({ length: of.rows }, (_, row) => {
            const first = indexOf(of, plane, row, 0);
            const cells = Array.from(of.values.subarray(first, first + of.columns), (value) =>
                element("td", {}, numeral(value, 6)),
            );
            return element("tr", {}, element("th", { scope: "row" }, String(row)), ...cells);
        });
        const caption = of.planes > 1 ? `${name}, channel ${plane}` : name;
        return element(
            "table",
            {},
            element("caption", {}, caption),
            element("tr", {}, element("td"), ...columns),
            ...rows,
        );
    }
}

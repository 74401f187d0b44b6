"use strict";

/* The page: it reads its document, keeps the reader's state, and shows both. */

const SPOKEN_AFTER = 350;
const WRITTEN_AFTER = 150;
const THEMES = ["", "light", "dark"];
const SIGNS = { "": "◐", light: "○", dark: "●" };
class Page {
    constructor(data) {
        this.data = data;
        STOPS = data.palette;
        this.given = Object.fromEntries(
            Object.entries(data.tensors).map(([name, json]) => [name, tensorFrom(json, name)]),
        );
        this.initial = initialState(data);
        this.readAddress();
        this.hovered = null;
        this.term = null;
        this.panels = PANELS.map((each) => new Panel(each, this));
        byId("tensors").append(...this.panels.map(({ root }) => root));
        this.controls = new Controls(this);
        this.player = new Player(this);
        this.tables = new Tables(this);
        this.writeHead();
        this.recompute();
        this.reveal(cellOf(this.state.at));
        byId("options").open = !document.querySelector(".stage.sheet");
        this.listen();
    }

    /** Show the channel of a cell, unless the address says which one is shown. */
    reveal(cell) {
        if (!cell || this.state.channels !== this.initial.channels) return;
        const panel = this.panels.find(({ shows }) => shows === cell.of);
        if (panel && this.cell && this.planeOf(cell.of) !== cell.plane) this.chooseChannel(panel.name, cell.plane);
    }

    listen() {
        new ResizeObserver(() => this.draw()).observe(byId("tensors"));
        window.addEventListener("hashchange", () => this.followAddress());
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
        byId("theme").addEventListener("click", () => {
            const next = THEMES[(THEMES.indexOf(this.state.theme) + 1) % THEMES.length];
            this.change({ theme: next });
        });
    }

    followAddress() {
        if (location.hash.replace(/^#/, "") === addressOf(this.state, this.initial)) return;
        this.readAddress();
        this.recompute();
        this.reveal(cellOf(this.state.at));
    }

    readAddress() {
        this.state = stateFrom(location.hash, this.initial);
        this.ignored = ignoredIn(location.hash);
    }

    /** Change parts of the state, and show the result. */
    change(parts) {
        Object.assign(this.state, parts);
        const changed = Object.keys(parts);
        const isAbout = (names) => changed.some((name) => names.includes(name));
        if (isAbout(NUMBERS_DEPEND_ON)) this.recompute();
        else if (isAbout(DRAWING_DEPENDS_ON)) this.draw();
        else this.drawWalk();
        this.writeAddress();
    }

    /** Keep the state in the address, but not at every step: browsers refuse to change it very often. */
    writeAddress() {
        clearTimeout(this.writing);
        this.writing = setTimeout(() => {
            const address = addressOf(this.state, this.initial);
            history.replaceState(null, "", address ? `#${address}` : location.pathname + location.search);
        }, WRITTEN_AFTER);
    }

    recompute() {
        const { V, K, b, G } = this.given;
        try {
            const options = optionsOf(this.state, this.data.options.groups);
            const parts = Object.entries({ V, K, b, G }).map(([name, of]) => edited(of, this.state[name]));
            this.model = convolution(...parts, options);
            byId("problem").textContent = "";
        } catch (error) {
            byId("problem").textContent = error.message;
            this.controls.show();
            if (this.model) return;
            // An address may hold options that do not fit: the document's own always do.
            this.state = { ...this.initial };
            this.recompute();
            byId("problem").textContent = error.message;
            return;
        }
        byId("summary").textContent = summaryOf(this.model, this.state.edge);
        this.writeNotes();
        this.controls.show();
        this.player.limit();
        this.draw();
    }

    writeHead() {
        byId("kernel-name").textContent = this.data.kernel;
        byId("image-name").textContent = this.data.image;
    }

    writeNotes() {
        const notes = [...this.data.notes];
        if (this.model.resetsG) {
            notes.push(`G does not have the shape of this Z, ${shapeText(this.model, "Z")}: ones take its place.`);
        }
        if (this.ignored.length) {
            notes.push(`The address held what this page cannot read, and it was left out: ${this.ignored.join(", ")}.`);
        }
        byId("notes").replaceChildren(...notes.map((note) => element("li", {}, note)));
    }

    /** The channel of V and the channel of Z that are shown. */
    get channels() {
        const { tensors, geometry, isPlane } = this.model;
        const [l, i] = pairOf(this.state.channels);
        const input = Math.min(l, tensors.V.planes - 1);
        if (isPlane) return { input, output: input };
        const output = Math.min(i, tensors.Z.planes - 1);
        const inputs = geometry.links[output].map(({ channel }) => channel);
        return { input: inputs.includes(input) ? input : inputs[0], output };
    }

    planeOf(shows) {
        const { input, output } = this.channels;
        if (shows === "V'" || shows === "dV") return input;
        if (shows === "Z" || shows === "G") return output;
        if (shows === "b" || shows === "db") return 0;
        return this.model.geometry.links[output].find(({ channel }) => channel === input).plane;
    }

    /** Return the planes of a tensor's small multiples. */
    planesOf(shows) {
        const { geometry, tensors, isPlane } = this.model;
        if (shows === "K" || shows === "dK") {
            if (isPlane) return [];
            return geometry.links[this.channels.output].map(({ channel, plane }) => ({
                plane,
                label: `channel ${channel}`,
            }));
        }
        const count = shows === "b" || shows === "db" ? 1 : tensors[shows].planes;
        return Array.from({ length: count }, (_, plane) => ({ plane, label: `channel ${plane}` }));
    }

    chooseChannel(name, plane) {
        const { input, output } = this.channels;
        if (name === "K" || name === "dK") {
            const { links } = this.model.geometry;
            const i = links.findIndex((pairs) => pairs.some((link) => link.plane === plane));
            this.change({ channels: `${links[i].find((link) => link.plane === plane).channel},${i}` });
        } else if (name === "V" || name === "dV") {
            this.change({ channels: `${plane},${this.outputWith(plane, output)}` });
        } else {
            this.change({ channels: `${this.model.isPlane ? plane : input},${plane}` });
        }
    }

    /** Return an output channel that reads this input channel: the given one, or the first of its group. */
    outputWith(input, output) {
        const reads = ({ channel }) => channel === input;
        const { links } = this.model.geometry;
        return links[output].some(reads) ? output : links.findIndex((pairs) => pairs.some(reads));
    }

    hover(cell) {
        if (textOf(cell) === textOf(this.hovered)) return;
        this.hovered = cell;
        this.light();
    }

    /** Keep a cell pointed at. moves: whether it replaces the one before even if it is the same. */
    choose(cell, moves = false) {
        const isSame = textOf(cell) === this.state.at;
        if (isSame && moves) return;
        this.hovered = null;
        this.player.pause();
        this.change({ at: isSame && cell && !NARROW.matches ? "" : textOf(cell) });
    }

    pointAtTerm(term) {
        this.term = term;
        this.lightCells();
    }

    /** Return the function that changes a cell's number, or null for a number that is computed. */
    editOf(cell) {
        const { of, ...place } = named(this.model, cell);
        if (!EDITABLE.includes(of) || (of === "G" && this.model.resetsG)) return null;
        const original = this.given[of];
        const at = indexOf(original, place.plane, place.row, place.column);
        return (value) => this.change({ [of]: withEdit(this.state[of], at, value, original.values[at]) });
    }

    startEditing() {
        byId("editor")?.select();
        byId("editor")?.focus();
    }

    /** Show the window at this place of its walk: 0 is before the first one. null: the whole Z is known. */
    walkTo(position) {
        this.hovered = null;
        if (position === null) {
            this.change({ walk: "", at: "" });
            return;
        }
        const { Z } = this.model.tensors;
        const at = position - 1;
        const cell = { of: "Z", plane: this.planeOf("Z"), row: Math.floor(at / Z.columns), column: at % Z.columns };
        this.change({ walk: String(position), at: position ? textOf(cell) : "" });
    }

    get cell() {
        const cell = this.hovered ?? cellOf(this.state.at);
        const of = cell && this.model.tensors[cell.of];
        const exists = of && cell.plane < of.planes && cell.row < of.rows && cell.column < of.columns;
        return exists ? cell : null;
    }

    draw() {
        this.showTheme();
        this.showLegend();
        forgetStyles();
        drawScale(byId("scale"));
        arrange(this.model.tensors);
        const cells = cellSizes(this.model, byId("tensors").clientWidth);
        for (const panel of this.panels) {
            panel.show(this.model, this.planeOf(panel.shows), cells[panel.name], this.filledOf(panel));
            if (!panel.root.hidden) panel.showChannels(this.planesOf(panel.shows));
        }
        this.tables.refresh();
        byId("panel-dV").style.setProperty(
            "--shift",
            `${NARROW.matches ? 0 : this.model.geometry.columns.before * cells.V}px`,
        );
        this.player.show();
        this.light();
    }

    showTheme() {
        const { theme } = this.state;
        document.documentElement.dataset.theme = theme;
        byId("theme").textContent = SIGNS[theme];
        byId("theme").setAttribute("aria-label", `Theme: ${theme || "automatic"}`);
    }

    /** Explain only the hatching that there is. */
    showLegend() {
        const { rows, columns } = this.model.geometry;
        byId("padding-legend").hidden = !isPadded(this.model.geometry);
        byId("untouched-legend").hidden = !untouched(rows).length && !untouched(columns).length;
    }

    /** How many cells of a tensor are known so far in the walk; undefined for all. */
    filledOf({ name }) {
        return name === "Z" && this.state.walk !== "" ? Number(this.state.walk) : undefined;
    }

    /** Draw only what a step of the walk changes. */
    drawWalk() {
        const Z = this.panels.find(({ name }) => name === "Z");
        const filled = this.filledOf(Z);
        if (filled !== Z.view.filled) Z.show(this.model, Z.view.plane, Z.view.cell, filled);
        this.player.show();
        this.light();
    }

    light() {
        const { cell } = this;
        this.term = null;
        this.explanation = cell && explain(this.model, cell);
        this.writeSum();
        this.lightCells();
        this.speak();
    }

    writeSum() {
        const { cell } = this;
        const isEditing = document.activeElement?.id === "editor";
        const listeners = { point: (term) => this.pointAtTerm(term), edit: cell && this.editOf(cell) };
        if (cell) showSum(byId("sum"), this.model, cell, this.explanation, listeners);
        else showHints(byId("sum"));
        // The field that the reader has just changed was replaced.
        if (isEditing) this.startEditing();
    }

    lightCells() {
        const lit = litCells(this.model, this.cell, this.term, this.explanation);
        for (const panel of this.panels) panel.light(lit.get(panel.shows) ?? new Map(), this.cell);
    }

    /** Tell a screen reader the sum, once the pointer rests. */
    speak() {
        clearTimeout(this.speaking);
        if (this.player.isPlaying || !this.cell) return;
        const say = () => (byId("announcement").textContent = spokenSum(this.model, this.cell, this.explanation));
        this.speaking = setTimeout(() => this.cell && say(), SPOKEN_AFTER);
    }
}

const DRAWING_DEPENDS_ON = ["channels", "theme"];
const NUMBERS_DEPEND_ON = ["stride", "padding", "dilation", "edge", "flip", ...EDITABLE];

/** Return the lit cells: for each tensor a map from planes to sets of flat indices. */
function litCells(model, cell, term, explanation) {
    const lit = new Map();
    if (!cell) return lit;
    const add = ({ of, plane, row, column }) => {
        if (!lit.has(of)) lit.set(of, new Map());
        const planes = lit.get(of);
        if (!planes.has(plane)) planes.set(plane, new Set());
        planes.get(plane).add(row * model.tensors[of].columns + column);
    };
    for (const { cells, target } of term ? [term] : explanation.terms)
        [...cells, ...(target ? [target] : [])].forEach(add);
    const { bias, alsoFeeds, copies: places = [] } = explanation;
    [...(bias ? [bias] : []), ...(alsoFeeds ? [alsoFeeds] : []), ...places].forEach(add);
    return lit;
}

function drawScale(canvas) {
    const context = sizedContext(canvas, 120, 12);
    for (let x = 0; x < 120; x++) {
        context.fillStyle = `rgb(${signedColour((x - 60) / 60, 1).join(" ")})`;
        context.fillRect(x, 0, 1, 12);
    }
}

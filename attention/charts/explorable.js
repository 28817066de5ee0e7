// A block to explore: what is linked lights up together, from the whole to one multiplication and back.
// mount(place, data, all) draws `data`, made by explorable.py, into the element `.explorable` in `place`;
// `all`, where there is one, asks the page for the numbers that were left out. Nothing is fetched.

const views = new WeakMap();
const numbers = text => {
  const raw = atob(text), bytes = new Uint8Array(raw.length); // a loop: a function for each of millions takes seconds
  for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
  return new Float32Array(bytes.buffer);
};
const written = (value, digits = 3) =>
  (value && Math.abs(value) < 0.0005 ? value.toPrecision(2) : value.toFixed(digits)).replaceAll("-", "−");
const signed = value => (value < 0 ? `(${written(value)})` : written(value));
const away = (by, back, on) => (by ? `${Math.abs(by)} ${by < 0 ? back : on}` : `0 ${on}`);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const greatest = values => values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
const ends = values => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);

const extent = values => ends(values).map(end => written(end)).join(" to ");

// What was sent of many maps or kernels, by their number; undefined where it was left out.
class Some {
  constructor({which, values}, size) {
    this.rows = new Map(which.map((number, at) => [number, at]));
    this.values = numbers(values);
    this.size = size;
  }
  of(number) {
    const at = this.rows.get(number);
    return at === undefined ? undefined : this.values.subarray(at * this.size, (at + 1) * this.size);
  }
}

class View {
  constructor(box, data, all) {
    this.box = box;
    this.canvas = box.querySelector("canvas");
    this.pinned = {level: 0};
    this.load(data, all);
    this.listen();
  }

  load(data, all) {
    this.data = data;
    this.all = all;
    this.kind = new KINDS[data.kind](data, this);
    this.peeked = null;
    this.canvas.setAttribute("aria-label", `${data.name}: Enter goes into it, Escape comes back, arrows move.`);
    this.ask = this.box.querySelector("[data-do=all]");
    this.box.querySelector("[data-do=in]").onclick = () => this.pin(this.kind.into(this.pinned));
    this.box.querySelector("[data-do=out]").onclick = () => this.pin({...this.pinned, level: Math.max(this.pinned.level - 1, 0)});
    this.ask.onclick = () => this.showAll();
    this.refresh();
  }

  showAll() {
    this.kind.whole = !this.kind.whole;
    this.kind.turn?.(this.pinned);
    if (this.kind.whole && !this.kind.complete && this.all) this.all();
    this.refresh();
  }

  get state() { return this.kind.full(this.peeked ?? this.pinned); }

  pin(state) {
    this.pinned = this.kind.full(state);
    this.peeked = null;
    this.refresh();
  }

  refresh() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw();
    });
  }

  draw() {
    const style = getComputedStyle(this.box), em = parseFloat(style.fontSize), ratio = devicePixelRatio || 1;
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    if (!width) return;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.textBaseline = "middle";
    this.pen = pen;
    this.em = em;
    this.ink = style.color;
    this.dark = this.ink.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) > 382; // light on dark
    this.accent = style.getPropertyValue("--ex-accent");
    this.write(1);
    this.targets = [];
    this.kind.draw(this, width, height, this.state);
    const [first, ...rest] = this.kind.say(this.state);
    this.text(".finding", [first]);
    this.text(".arithmetic", rest);
    this.box.dataset.level = this.state.level;
    this.box.querySelector("[data-do=out]").disabled = !this.pinned.level;
    this.box.querySelector("[data-do=in]").disabled = this.pinned.level >= this.kind.levels;
    this.ask.hidden = !this.kind.offer;
    this.ask.textContent = this.kind.offer;
  }

  text(part, lines) {
    const place = this.box.querySelector(part);
    if (place.textContent === lines.join("")) return;
    place.replaceChildren(...lines.map(line => {
      const paragraph = document.createElement("p");
      paragraph.textContent = line;
      return paragraph;
    }));
  }

  listen() {
    const at = event => {
      const {left, top} = this.canvas.getBoundingClientRect(), x = event.clientX - left, y = event.clientY - top;
      const found = (this.targets ?? []).findLast(([x0, y0, w, h]) => x >= x0 && x < x0 + w && y >= y0 && y < y0 + h);
      return found && found[4]((x - found[0]) / found[2], (y - found[1]) / found[3]);
    };
    this.canvas.onpointermove = event => {
      const found = event.pointerType === "mouse" ? at(event) : null;
      if (found && found.level === undefined) return;
      this.peeked = found ?? null;
      this.refresh();
    };
    this.canvas.onpointerleave = () => { this.peeked = null; this.refresh(); };
    this.canvas.onclick = event => { const found = at(event); if (found) this.pin(found); };
    this.box.onkeydown = event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const moves = {ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0], PageUp: [0, -10], PageDown: [0, 10]};
      const button = event.target.tagName === "BUTTON";
      if (moves[event.key]) this.pin(this.kind.move(this.kind.into(this.pinned, 1), ...moves[event.key]));
      else if (event.key === "Enter" && !button) this.pin(this.kind.into(this.pinned));
      else if (event.key === "Escape") this.pin({...this.pinned, level: Math.max(this.pinned.level - 1, 0)});
      else return;
      event.preventDefault();
      event.stopPropagation(); // the page's own keys are for the page
    };
    new ResizeObserver(() => this.refresh()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.refresh());
  }

  // What the kinds draw with.
  colour(scale, share) {
    const stops = this.data.colours[scale];
    return `rgb(${stops[Math.round(clamp(share, 0, 1) * (stops.length - 1))]})`;
  }
  write(size, align = "left") {
    this.pen.font = `${Math.round(size * this.em)}px ${getComputedStyle(this.box).fontFamily}`;
    this.pen.fillStyle = this.ink;
    this.pen.textAlign = align;
  }
  label(text, x, y, align = "left", size = 0.85) {
    this.write(size, align);
    this.pen.fillText(text, x, y);
  }
  // The first of some texts that fits, or else the last, the shortest.
  fitting(room, ...texts) {
    this.write(0.85);
    return texts.find(text => this.pen.measureText(text).width <= room) ?? texts.at(-1);
  }
  // Names in one line, or one below the other where there is no room for that.
  listed(names, x, y, room) {
    const whole = names.join(", "), lines = this.fitting(room, whole, "") ? [whole] : names;
    lines.forEach((line, at) => this.label(line, x, y + (at - (lines.length - 1) / 2) * 0.9 * this.em));
  }
  // A map of values in cells; its place answers with `hit(row, column)`.
  map(values, [rows, columns], x, y, width, height, scale, [low, high], hit) {
    const {pen} = this, sheet = new OffscreenCanvas(columns, rows), ink = sheet.getContext("2d");
    const image = ink.createImageData(columns, rows), stops = this.data.colours[scale].map(stop => stop.split(",").map(Number));
    values.forEach((value, at) => {
      const share = clamp((value - low) / (high - low || 1), 0, 1);
      image.data.set(stops[Math.round(share * (stops.length - 1))], at * 4);
      image.data[at * 4 + 3] = 255;
    });
    ink.putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(sheet, x, y, width, height);
    this.edge(x, y, width, height);
    if (hit)
      this.target(x, y, width, height, (across, down) =>
        hit(clamp(Math.floor(down * rows), 0, rows - 1), clamp(Math.floor(across * columns), 0, columns - 1)));
  }
  // White on a white page and black on a dark one have an end that can be seen.
  edge(x, y, width, height) {
    this.pen.strokeStyle = "#8c8c8c";
    this.pen.lineWidth = 1;
    this.pen.strokeRect(x, y, width, height);
  }
  target(x, y, width, height, hit) { this.targets.push([x, y, width, height, hit]); }
  frame(x, y, width, height, weight = 2) {
    this.pen.strokeStyle = this.accent;
    this.pen.lineWidth = weight;
    this.pen.strokeRect(x, y, width, height);
  }
  // A line whose colour is the sign of a product, and whose weight is its size.
  link(x0, y0, x1, y1, value, most, faint = 1) {
    const {pen} = this, share = Math.abs(value) / most;
    pen.globalAlpha = Math.sqrt(faint) * (0.2 + 0.8 * share);
    pen.strokeStyle = this.colour("change", 0.5 + Math.sign(value) * (this.dark ? 0.2 : 0.32)); // paler on dark
    pen.lineWidth = 0.8 + 4 * share;
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.bezierCurveTo((x0 + x1) / 2, y0, (x0 + x1) / 2, y1, x1, y1);
    pen.stroke();
    pen.globalAlpha = 1;
  }
  missing(x, y, width, height) {
    this.pen.setLineDash([2, 2]);
    this.pen.strokeStyle = this.ink;
    this.pen.lineWidth = 1;
    this.pen.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
    this.pen.setLineDash([]);
  }
}

function mount(place, data, all) {
  const box = place.querySelector(".explorable"), known = views.get(box);
  if (!known) {
    const view = new View(box, data, all);
    views.set(box, view);
  } else if (JSON.stringify(known.data) !== JSON.stringify(data)) {
    const same = known.data.name === data.name && known.data.gate === data.gate;
    if (!same) known.pinned = {level: 0};
    if (!same) known.kind = null;
    known.load(data, all);
  } else known.refresh(); // the appearance has changed
}

// A map over the picture it was computed from, and its legend, in the colours that the page's own choices say: the
// browser draws them anew when a choice moves, before the server has heard of it.

const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const chosen = ({opacity, colours, scale}) => {
  const at = (key, part) => document.querySelector(`.st-key-${key} ${part}`);
  const on = '[role="radio"][aria-checked="true"]';
  return {
    opacity: Number(at("opacity", "input")?.value ?? opacity),
    colours: at("colours", on)?.textContent ?? colours,
    scale: at("scale", on)?.textContent ?? scale,
  };
};

class Tinted {
  constructor(canvas) {
    this.canvas = canvas;
    this.picture = new Image();
    this.picture.onload = () => this.draw();
    this.watch = new MutationObserver(() => this.draw());
    this.watch.observe(document.body, {subtree: true, attributeFilter: ["aria-valuetext", "aria-checked"]});
    this.resized = new ResizeObserver(() => this.data.legend && this.draw());
    this.resized.observe(canvas);
  }

  load(data) {
    this.data = data;
    this.values = new Float32Array(bytes(data.values).buffer);
    this.palettes = Object.fromEntries(Object.entries(data.palettes).map(([name, text]) => [name, bytes(text)]));
    this.canvas.setAttribute("aria-label", data.alt);
    this.smooth = null;
    if (data.legend) return this.draw();
    const [width, height] = data.size;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, {width, height});
    if (this.picture.src === data.picture) this.draw();
    else this.picture.src = data.picture;
  }

  draw() {
    const look = chosen(this.data.look), ends = this.data.scales[look.scale], palette = this.palettes[look.colours];
    if (!ends || !palette) return; // a choice that is on its way
    if (this.data.legend) this.drawLegend(ends, palette);
    else if (this.picture.complete) this.drawMap(look.opacity, ends, palette);
  }

  drawMap(opacity, [low, high], palette) {
    const [left, top, right, bottom] = this.data.crop, width = right - left, height = bottom - top;
    this.smooth ??= enlarged(this.values, this.data.shape, width, height);
    const sheet = new OffscreenCanvas(width, height), ink = sheet.getContext("2d"), image = ink.createImageData(width, height);
    const cells = new Uint32Array(image.data.buffer), colours = new Uint32Array(256);
    for (let step = 0; step < 256; step++)
      colours[step] = (255 << 24) | (palette[3 * step + 2] << 16) | (palette[3 * step + 1] << 8) | palette[3 * step];
    const share = 255 / (high - low);
    for (let at = 0; at < cells.length; at++)
      cells[at] = colours[Math.min(Math.max(Math.round((this.smooth[at] - low) * share), 0), 255)];
    ink.putImageData(image, 0, 0);
    const pen = this.canvas.getContext("2d");
    pen.globalAlpha = 1;
    pen.drawImage(this.picture, 0, 0, ...this.data.size);
    pen.globalAlpha = opacity;
    pen.drawImage(sheet, left, top);
  }

  drawLegend([low, high], palette) { // the share of the places that have each colour, over the colours themselves
    const {canvas, values} = this, ratio = devicePixelRatio || 1, style = getComputedStyle(canvas), em = parseFloat(style.fontSize);
    const width = canvas.clientWidth, height = canvas.clientHeight, bins = 25, counts = new Array(bins).fill(0);
    if (!width) return;
    Object.assign(canvas, {width: width * ratio, height: height * ratio});
    for (const value of values)
      counts[Math.min(Math.max(Math.floor(((value - low) / (high - low)) * bins), 0), bins - 1)]++;
    const pen = canvas.getContext("2d"), left = 3 * em, across = (width - left - 1.2 * em) / bins, most = Math.max(...counts);
    const foot = height - 3.2 * em, tall = foot - 1.8 * em;
    pen.scale(ratio, ratio);
    counts.forEach((count, bin) => {
      const step = 3 * Math.round((255 * (bin + 0.5)) / bins);
      pen.fillStyle = `rgb(${palette[step]},${palette[step + 1]},${palette[step + 2]})`;
      const bar = (tall * count) / most;
      pen.fillRect(left + bin * across, foot - bar, across + 0.5, bar);
      pen.fillRect(left + bin * across, foot + 0.4 * em, across + 0.5, 1.1 * em);
    });
    pen.font = `${0.85 * em}px ${style.fontFamily}`;
    pen.fillStyle = style.color;
    pen.textAlign = "center";
    for (const tick of [0, 0.5, 1])
      pen.fillText((low + tick * (high - low)).toFixed(2).replace("-", "−"), left + tick * bins * across, height - 0.4 * em);
    pen.textAlign = "right";
    pen.fillText(`${Math.round((100 * most) / values.length)}`, left - 0.5 * em, foot - tall + 0.5 * em);
    pen.fillText("0", left - 0.5 * em, foot);
    pen.textAlign = "left";
    pen.fillText("% of the places", 0, 0.9 * em);
  }
}

// Values (rows, columns) at every pixel, between the centres of their cells in proportion, beyond them as at the edge.
function enlarged(values, [rows, columns], width, height) {
  const ends = (count, length) => Array.from({length}, (_, at) => {
    const place = Math.min(Math.max(((at + 0.5) * count) / length - 0.5, 0), count - 1), first = Math.floor(place);
    return [first, Math.min(first + 1, count - 1), place - first];
  });
  const across = ends(columns, width), result = new Float32Array(width * height);
  ends(rows, height).forEach(([upper, lower, down], y) => {
    const line = Float32Array.from({length: columns}, (_, x) =>
      values[upper * columns + x] * (1 - down) + values[lower * columns + x] * down);
    for (let x = 0; x < width; x++) result[y * width + x] = line[across[x][0]] * (1 - across[x][2]) + line[across[x][1]] * across[x][2];
  });
  return result;
}

const known = new WeakMap();

export default ({parentElement, data}) => {
  const canvas = parentElement.querySelector("canvas");
  if (!known.has(canvas)) known.set(canvas, new Tinted(canvas));
  canvas.className = data.legend ? "legend" : "map";
  const tinted = known.get(canvas);
  tinted.load(data);
  return () => {
    tinted.watch.disconnect();
    tinted.resized.disconnect();
    known.delete(canvas);
  };
};

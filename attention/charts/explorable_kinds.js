// The three blocks that can be explored: a channel gate, a spatial gate, the kernels of a convolution. Each draws a
// state (how deep, and where), says it in words, and knows where the arrow keys lead. Put after explorable.js.

class Channel {
  constructor(data, view) {
    this.view = view;
    this.data = data;
    this.levels = 3;
    this.gate = numbers(data.gate);
    this.branches = data.branches.map(({name, squeezed, hidden, output}) => ({name, squeezed: numbers(squeezed), hidden: numbers(hidden), output: numbers(output)}));
    this.layers = data.first && [data.first, data.second].map(({weights, biases}) => ({weights: numbers(weights), biases: numbers(biases)}));
    this.maps = new Some(data.maps, data.size[0] * data.size[1]);
    this.complete = data.maps.which.length === data.channels;
    this.whole = view.kind?.whole ?? false;
    this.start = view.kind?.start ?? 0;
  }
  get offer() {
    const {channels} = this.data;
    if (this.rowsShown === undefined || this.rowsShown >= channels) return "";
    return this.whole ? "Some channels" : `All ${channels.toLocaleString("en")} channels`;
  }
  full(state) {
    const [rows, columns] = this.data.size, channel = state.channel ?? this.data.order[0], map = this.maps.of(channel);
    const place = state.place ?? (map ? map.indexOf(Math.max(...map)) : 0);
    const most = this.layers ? this.ranked(channel)[0] : 0;
    return {level: state.level, channel, unit: state.unit ?? most, place: clamp(place, 0, rows * columns - 1)};
  }
  ranked(channel) { // the hidden units, those first that say most to this gate
    const size = [...Array(this.data.units).keys()].map(unit => Math.abs(this.out(channel, unit)));
    return [...size.keys()].sort((a, b) => size[b] - size[a]);
  }
  into(state, least = 0) { return {...this.full(state), level: least ? Math.max(state.level, least) : Math.min(state.level + 1, this.levels)}; }
  move(state, dx, dy) {
    const [rows, columns] = this.data.size;
    if (state.level === 3) {
      const row = Math.floor(state.place / columns), column = state.place % columns;
      return {...state, place: clamp(row + dy, 0, rows - 1) * columns + clamp(column + dx, 0, columns - 1)};
    }
    if (state.level === 2) return {...state, unit: clamp(state.unit + (dy || dx), 0, this.data.units - 1)};
    const list = this.list(), at = list.indexOf(state.channel);
    if (at < 0) return {level: state.level, channel: list[0]};
    if (this.whole && (at + dy < 0 || at + dy >= list.length)) {
      const rank = clamp(this.data.order.indexOf(state.channel) + dy, 0, this.data.channels - 1);
      this.start = clamp(rank - (dy > 0 ? list.length - 1 : 0), 0, this.data.channels - list.length);
      return {level: state.level, channel: this.data.order[rank]};
    }
    return {level: state.level, channel: list[clamp(at + dy, 0, list.length - 1)]};
  }
  turn({channel}) { this.start = Math.max(this.data.order.indexOf(channel ?? this.data.order[0]) - 3, 0); }
  list() { // the channels that have a row, the most open first
    const {order, channels} = this.data, count = Math.min(this.rowsShown ?? 12, channels);
    if (this.whole || count === channels) return order.slice(this.start, this.start + count);
    const sent = order.filter(channel => this.maps.rows.has(channel));
    const from = sent.length >= count ? sent : order;
    return [...Array(count).keys()].map(row => from[Math.round(row * (from.length - 1) / Math.max(count - 1, 1))]);
  }
  into1(channel, unit) { return this.layers[0].weights[unit * this.data.channels + channel]; }
  out2(channel, unit) { return this.layers[1].weights[channel * this.data.units + unit]; }
  out(channel, unit) { return this.out2(channel, unit) * this.branches.reduce((sum, {hidden}) => sum + hidden[unit], 0); }
  enter(channel, unit) { return this.branches.reduce((sum, {squeezed}) => sum + this.into1(channel, unit) * squeezed[channel], 0); }

  draw(v, width, height, state) {
    const {em, pen} = v, {channels, units, size} = this.data, top = 2.1 * em, row = 1.75 * em;
    this.rowsShown = Math.min(channels, Math.floor((height - top) / row));
    this.start = clamp(this.start, 0, channels - this.rowsShown);
    const list = this.list(), tile = row - 4, strip = 0.7 * em, bars = 0.16 * width;
    if (state.level && !list.includes(state.channel)) list[list.length - 1] = state.channel; // one that was pinned
    const x = {map: strip + 3.4 * em, unit: 0.52 * width, gate: 0.64 * width, after: width - tile - 1};
    x.squeeze = x.map + tile + 0.6 * em;
    const barsLeft = Math.min(bars, x.unit - x.squeeze - 4 * em), barsRight = Math.max(x.after - x.gate - 4.2 * em, 2 * em);
    const y = at => top + at * row, middle = at => y(at) + row / 2;
    const unitHeight = Math.min((height - top) / units, 1.6 * em), unitTop = top + (list.length * row - units * unitHeight) / 2;
    const unitY = unit => unitTop + (unit + 0.5) * unitHeight, half = 0.6 * em * this.branches.length;
    const heads = [["map", x.map], ["hidden", x.unit, "center"], ["gate", x.gate], ["× gate", width - 1, "right"]];
    for (const [text, at, align] of heads) v.label(text, at, 0.9 * em, align);
    v.listed(this.branches.map(each => each.name), x.squeeze, 0.9 * em, x.unit - 1.8 * em - x.squeeze); // up to “hidden”
    this.strip(v, top, strip, list.length * row, list);
    if (this.layers) this.links(v, list, state, x, barsLeft, half, unitY, middle);
    const hidden = this.branches.map(each => each.hidden), most = greatest(hidden.flatMap(each => [...each]));
    for (let unit = 0; unit < units; unit++) {
      hidden.forEach((values, at) => {
        const share = values[unit] / most, left = x.unit - half + at * 1.2 * em;
        pen.globalAlpha = 1;
        pen.fillStyle = v.colour("features", Math.max(share, 0));
        pen.fillRect(left, unitY(unit) - unitHeight / 2, 1.2 * em - 1, Math.max(unitHeight - 1, 1));
        if (unitHeight > 4) v.edge(left, unitY(unit) - unitHeight / 2, 1.2 * em - 1, unitHeight - 1);
      });
      if (state.level === 2 && unit === state.unit) v.frame(x.unit - half, unitY(unit) - unitHeight / 2, 2 * half - 1, Math.max(unitHeight - 1, 1));
    }
    const squeezes = this.branches.flatMap(each => list.map(channel => each.squeezed[channel]));
    const [lowest, highest] = ends(this.gate), reach = Math.max(1, highest) - Math.min(0, lowest), shut = x.gate - (Math.min(0, lowest) * barsRight) / reach;
    const below = Math.min(0, ...squeezes), unit = barsLeft / (Math.max(0, ...squeezes) - below || 1), zero = x.squeeze - below * unit;
    list.forEach((channel, at) => {
      const lit = !state.level || channel === state.channel, map = this.maps.of(channel), gate = this.gate[channel];
      v.target(0, y(at), width, row, () => ({level: 1, channel}));
      pen.globalAlpha = lit ? 1 : 0.35;
      v.label(String(channel), x.map - 0.5 * em, middle(at), "right");
      if (map) {
        const before = ends(map), scale = [Math.min(before[0], before[0] * gate), Math.max(before[1], before[1] * gate)];
        const open = (r, c) => ({level: 3, channel, place: r * size[1] + c});
        v.map(map, size, x.map, y(at) + 2, tile, tile, "features", scale, open);
        v.map(map.map(value => value * gate), size, x.after, y(at) + 2, tile, tile, "features", scale, open);
      } else for (const left of [x.map, x.after]) v.missing(left, y(at) + 2, tile, tile);
      this.branches.forEach(({squeezed}, of) => {
        pen.fillStyle = v.ink;
        const thick = tile / this.branches.length;
        pen.fillRect(zero + Math.min(squeezed[channel], 0) * unit, y(at) + 3 + of * thick, Math.max(Math.abs(squeezed[channel]) * unit, 1), thick - 3);
      });
      pen.fillStyle = v.colour("channel", gate);
      pen.fillRect(shut + (Math.min(gate, 0) * barsRight) / reach, y(at) + 3, Math.max((barsRight * Math.abs(gate)) / reach, 1), tile - 2);
      v.label(written(gate), x.gate + barsRight + 0.3 * em, middle(at));
      pen.globalAlpha = 1;
      if (state.level && channel === state.channel) {
        v.frame(x.map - 1, y(at) + 1, tile + 2, tile + 2);
        v.frame(x.after - 1, y(at) + 1, tile + 2, tile + 2);
      }
    });
    if (this.layers && state.level < 3) // above the rows, which reach over all of them
      for (let unit = 0; unit < units; unit++)
        v.target(x.unit - half - em, unitY(unit) - unitHeight / 2, 2 * half + 2 * em, unitHeight, () => ({...state, level: 2, unit}));
    if (state.level === 3 && this.maps.of(state.channel)) this.large(v, state, x.squeeze, x.after - 0.8 * em, height);
  }
  // The map before and after its gate, so large that a place can be seen and met, over what lies between them.
  large(v, state, left, right, height) {
    const {size} = this.data, [rows, columns] = size, {em} = v, map = this.maps.of(state.channel), gate = this.gate[state.channel];
    const top = 2.1 * em, between = 1.6 * em, longest = Math.max(rows, columns), [low, high] = ends(map);
    const side = Math.min((right - left - between) / 2, height - top - 2), wide = (side * columns) / longest, tall = (side * rows) / longest;
    const scale = [Math.min(low, low * gate), Math.max(high, high * gate)], middle = (left + right) / 2;
    v.pen.clearRect(left - 2, 0, right - left - 2.6 * em, 1.8 * em); // but for what stands over the last column
    v.pen.clearRect(left - 2, 1.8 * em, right - left + 2, height);
    for (const [name, values, x] of [["before", map, middle - between / 2 - wide], ["after", map.map(value => value * gate), middle + between / 2]]) {
      v.label(v.fitting(wide, `${name}: ${extent(values)}`, extent(values), name), x, 0.9 * em);
      v.map(values, size, x, top, wide, tall, "features", scale, (r, c) => ({level: 3, channel: state.channel, place: r * columns + c}));
      const cell = wide / columns, row = Math.floor(state.place / columns), column = state.place % columns;
      v.frame(x + column * cell - 1, top + row * cell - 1, cell + 2, cell + 2);
    }
    v.label("→", middle, top + tall / 2, "center");
  }
  strip(v, top, width, height, list) { // every gate, the most open on top; a click on it goes there
    const {order, channels} = this.data, tall = height / channels;
    order.forEach((channel, rank) => {
      v.pen.fillStyle = v.colour("channel", this.gate[channel]);
      v.pen.fillRect(0, top + rank * tall, width, tall + 0.5);
    });
    if (this.whole) v.frame(-1, top + this.start * tall, width + 2, list.length * tall);
    v.target(0, top, width + 6, height, (_, down) => {
      const rank = clamp(Math.floor(down * channels), 0, channels - 1);
      if (this.whole) this.start = clamp(rank - (list.length >> 1), 0, channels - list.length);
      return {level: 1, channel: order[rank]};
    });
  }
  links(v, list, state, x, bars, half, unitY, middle) {
    const units = [...Array(this.data.units).keys()], right = x.squeeze + bars, all = !state.level;
    const shown = all || state.level === 2 ? list : [state.channel];
    const one = state.level === 2 ? [state.unit] : units;
    const pairs = shown.flatMap(channel => one.map(unit => [channel, unit, this.enter(channel, unit), this.out(channel, unit)]));
    const most = [2, 3].map(at => greatest(pairs.map(pair => pair[at])));
    for (const [channel, unit, enter, out] of pairs) {
      const at = list.indexOf(channel), faint = all ? 0.25 : channel === state.channel ? 1 : 0.3;
      v.link(right, middle(at), x.unit - half, unitY(unit), enter, most[0], faint);
      v.link(x.unit + half, unitY(unit), x.gate - 2, middle(at), out, most[1], faint);
    }
  }
  say({level, channel, unit, place}) {
    const {data} = this, [rows, columns] = data.size, gate = this.gate[channel];
    const squash = data.squash.symbol;
    if (!level) return [`${data.name}: ${data.channels.toLocaleString("en")} maps become ${(data.channels * this.branches.length).toLocaleString("en")} numbers, these ${data.units} hidden units, and these again a gate for each map.`];
    const map = this.maps.of(channel), logit = this.branches.reduce((sum, {output}) => sum + output[channel], 0);
    const squeezed = this.branches.map(({name, squeezed}) => `${name} ${written(squeezed[channel])}`).join(", ");
    if (level === 3) {
      const where = `Channel ${channel}, row ${Math.floor(place / columns)}, column ${place % columns}`;
      if (!map) return [`${where}: this map was left out.`];
      return [`${where}: ${signed(map[place])} × ${written(gate)} = ${written(Math.fround(map[place] * gate))}, one multiplication of ${(rows * columns).toLocaleString("en")} in this map.`];
    }
    const lines = [`Channel ${channel}: gate ${written(gate)}.`, `Squeeze: of ${rows} × ${columns} values, ${squeezed}.`];
    if (level === 2 && this.layers) {
      for (const {name, squeezed, hidden} of this.branches) {
        const into = this.into1(channel, unit), out = this.out2(channel, unit);
        const inner = this.layers[0].biases[unit] + squeezed.reduce((sum, value, at) => sum + value * this.into1(at, unit), 0);
        const made = data.normalised ? "normalised and " : "";
        lines.push(`Hidden unit ${unit}, ${name}: channel ${channel} adds ${signed(into)} × ${signed(squeezed[channel])} = ${written(into * squeezed[channel])}; with all channels and the bias ${written(inner)}, ${made}by ${data.activation} ${written(hidden[unit])}.`);
        lines.push(`To the gate it adds ${signed(out)} × ${signed(hidden[unit])} = ${written(out * hidden[unit])}, one of ${data.units} products.`);
      }
      return lines;
    }
    if (this.layers) {
      const bias = this.layers[1].biases[channel] * this.branches.length, products = logit - bias;
      lines.push(`Excite: ${data.units * this.branches.length} products from the hidden units give ${written(products)}, the bias ${written(bias)}: ${written(logit)}. ${squash}(${written(logit)}) = ${written(gate)}.`);
    } else lines.push(`Excite: ${squash}(${written(logit)}) = ${written(gate)}; the weights of this block are of another form.`);
    if (map) {
      const [low, high] = ends(map);
      lines.push(`Reweight: its map, ${written(low, 2)} to ${written(high, 2)}, times ${written(gate)} is ${written(low * gate, 2)} to ${written(high * gate, 2)}.`);
    } else lines.push(this.view.all ? "Its map comes with “All channels”." : "Its map was left out of this file.");
    return lines;
  }
}

class Spatial {
  constructor(data, view) {
    Object.assign(this, {data, view, levels: 2, whole: view.kind?.whole ?? false});
    this.gate = numbers(data.gate);
    this.summed = numbers(data.summed);
    this.logits = numbers(data.logits);
    this.kernel = numbers(data.kernel);
    this.pooled = data.pooled.map(({name, values}) => ({name, values: numbers(values)}));
    this.maps = new Some(data.maps, data.size[0] * data.size[1]);
    this.complete = data.maps.which.length === data.channels;
    const sizes = this.gate.map(Math.abs);
    this.first = sizes.indexOf(Math.max(...sizes));
  }
  get offer() { return this.complete || !this.view.all ? "" : `All ${this.data.channels.toLocaleString("en")} channels`; }
  full({level, place, cell}) { return {level, place: place ?? this.first, cell: cell ?? this.strongest(place ?? this.first)}; }
  into(state, least = 0) { return {...this.full(state), level: least ? Math.max(state.level, least) : Math.min(state.level + 1, this.levels)}; }
  move(state, dx, dy) {
    const {k, size: [rows, columns]} = this.data;
    if (state.level === 2) {
      const tall = k * this.pooled.length, row = clamp(Math.floor(state.cell / k) + dy, 0, tall - 1);
      return {...state, cell: row * k + clamp((state.cell % k) + dx, 0, k - 1)};
    }
    const row = Math.floor(state.place / columns), column = state.place % columns;
    return {level: 1, place: clamp(row + dy, 0, rows - 1) * columns + clamp(column + dx, 0, columns - 1)};
  }
  // The pooled value that a cell of the kernel meets at a place: beyond the edge 0, or the map reflected.
  met(place, cell) {
    const {k, border, size: [rows, columns]} = this.data, reach = k >> 1, map = this.pooled[Math.floor(cell / (k * k))].values;
    const inside = (at, count) => (border === "reflect" ? (at < 0 ? -at : at >= count ? 2 * count - 2 - at : at) : at);
    const row = inside(Math.floor(place / columns) + (Math.floor(cell / k) % k) - reach, rows);
    const column = inside((place % columns) + (cell % k) - reach, columns);
    return row < 0 || row >= rows || column < 0 || column >= columns ? 0 : map[row * columns + column];
  }
  products(place) { return this.kernel.map((weight, cell) => weight * this.met(place, cell)); }
  strongest(place) {
    const sizes = this.products(place).map(Math.abs);
    return sizes.indexOf(Math.max(...sizes));
  }
  column(place) { return [...this.maps.rows].map(([channel]) => [channel, this.maps.of(channel)[place]]); }

  draw(v, width, height, state) {
    const {em} = v, {size, k} = this.data, [rows, columns] = size, top = 2 * em, count = this.pooled.length, lit = state.level > 0;
    const side = Math.min((height - top - (count - 1) * 2 * em) / count, 0.22 * width), small = Math.min(side, 0.22 * width);
    const gate = Math.min(height - top, 0.28 * width), tall = (side * rows) / Math.max(rows, columns), wide = (side * columns) / Math.max(rows, columns);
    const x = {column: 0, pooled: Math.max(0.15 * width, 4.6 * em), window: 0.43 * width, gate: width - gate};
    const y = at => top + at * (side + 2 * em), row = Math.floor(state.place / columns), column = state.place % columns;
    const choose = (r, c) => ({level: 1, place: r * columns + c});
    this.column1(v, state, top, height - top, 0.11 * width);
    this.pooled.forEach(({name, values}, at) => {
      const cell = wide / columns, reach = k >> 1;
      v.label(v.fitting(x.window - x.pooled, `${name}: ${extent(values)}`, name), x.pooled, y(at) - 0.8 * em);
      v.map(values, size, x.pooled, y(at), wide, tall, "features", ends(values), choose);
      if (!lit) return;
      v.frame(x.pooled + column * cell, y(at) + row * cell, cell, cell, 1.5);
      v.pen.save();
      v.pen.beginPath();
      v.pen.rect(x.pooled - 2, y(at) - 2, wide + 4, tall + 4);
      v.pen.clip();
      v.frame(x.pooled + (column - reach) * cell, y(at) + (row - reach) * cell, k * cell, k * cell);
      v.pen.restore();
      v.link(x.pooled + (column + reach + 1) * cell, y(at) + (row + 0.5) * cell, x.window, y(at) + small / 2, 1, 1, 0.6);
      v.link(x.window + small, y(at) + small / 2, x.gate + ((column + 0.5) * gate) / Math.max(...size), top + ((row + 0.5) * gate) / Math.max(...size), 1, 1, 0.6);
      v.link(0.11 * width, top + (height - top) / 2, x.pooled + column * cell, y(at) + (row + 0.5) * cell, 1, 1, 0.6);
    });
    const shown = lit ? this.products(state.place) : this.kernel, most = greatest(shown);
    for (let at = 0; at < count; at++) {
      const part = shown.subarray(at * k * k, (at + 1) * k * k);
      v.label(lit ? v.fitting(x.gate - x.window - 4, "window × kernel", "products") : `kernel, ${k} × ${k}`, x.window, y(at) - 0.8 * em);
      v.map(part, [k, k], x.window, y(at), small, small, "change", [-most, most], (r, c) => ({level: 2, place: state.place, cell: at * k * k + r * k + c}));
      const cell = state.cell - at * k * k;
      if (state.level === 2 && cell >= 0 && cell < k * k) {
        v.frame(x.window + ((cell % k) * small) / k, y(at) + (Math.floor(cell / k) * small) / k, small / k, small / k);
        const met = wide / columns;
        v.frame(x.pooled + (column - (k >> 1) + (cell % k)) * met, y(at) + (row - (k >> 1) + Math.floor(cell / k)) * met, met, met, 1.5);
      }
    }
    const gateTall = (gate * rows) / Math.max(...size), gateWide = (gate * columns) / Math.max(...size);
    const told = extent(this.gate);
    v.label(v.fitting(gate, `spatial gate, 0 to 1: ${told}`, `spatial gate: ${told}`, told), x.gate, top - 0.8 * em);
    v.map(this.gate, size, x.gate, top, gateWide, gateTall, "spatial", [0, 1], choose);
    if (lit) v.frame(x.gate + (column * gateWide) / columns, top + (row * gateTall) / rows, gateWide / columns, gateTall / rows);
  }
  column1(v, state, top, height, width) { // the channels of the place, one bar each
    const values = this.column(state.place), [low, high] = ends(values.map(each => each[1])), tall = height / values.length;
    const zero = (width * Math.max(-low, 0)) / (Math.max(high, 0) - Math.min(low, 0) || 1), unit = width / (Math.max(high, 0) - Math.min(low, 0) || 1);
    v.label("channels", 0, top - 0.8 * v.em);
    values.forEach(([, value], at) => {
      v.pen.fillStyle = state.level && value === high ? v.accent : v.ink;
      v.pen.globalAlpha = state.level ? 1 : 0.35;
      v.pen.fillRect(zero + Math.min(value, 0) * unit, top + at * tall, Math.max(Math.abs(value) * unit, 0.5), Math.max(tall - 0.5, 0.5));
    });
    v.pen.globalAlpha = 1;
  }
  say({level, place, cell}) {
    const {data} = this, {k, size: [rows, columns]} = data, gate = this.gate[place];
    const row = Math.floor(place / columns), column = place % columns;
    const count = k * k * this.pooled.length;
    if (!level) return [`${data.name}: at each of ${rows} × ${columns} places, ${data.channels.toLocaleString("en")} channels become ${this.pooled.map(each => each.name).join(" and ")}; a kernel of ${k} × ${k} sums those around, ${this.data.normalised ? "the sum is normalised, " : ""}and the ${data.squash.name} makes a gate of it.`];
    if (level === 2) {
      const map = Math.floor(cell / (k * k)), at = cell - map * k * k, met = this.met(place, cell), weight = this.kernel[cell];
      return [`Row ${row}, column ${column}: ${signed(met)} × ${signed(weight)} = ${written(met * weight)}, one of ${count} products.`, `It is the ${this.pooled[map].name} ${away(Math.floor(at / k) - (k >> 1), "up", "down")} and ${away((at % k) - (k >> 1), "left", "right")} of the place, times the kernel's weight for it.`, `All ${count} and the bias ${written(data.bias)} are ${written(this.summed[place])}.`];
    }
    const values = this.column(place), most = values.reduce((best, each) => (each[1] > best[1] ? each : best));
    const pooled = this.pooled.map(({name, values}) => `${name} ${written(values[place])}`).join(", ");
    const which = this.complete ? `; the largest is channel ${most[0]}` : ` (${values.length} of them are drawn)`;
    const sum = this.products(place).reduce((total, value) => total + value, 0) + data.bias;
    const normal = data.normalised ? `, normalised ${written(this.logits[place])}` : "";
    return [`Row ${row}, column ${column}: gate ${written(gate)}.`, `Pool: of ${data.channels.toLocaleString("en")} channels, ${pooled}${which}.`, `Kernel: ${count} products and the bias sum to ${written(sum)}${normal}.`, `Gate: ${data.squash.symbol}(${written(this.logits[place])}) = ${written(gate)}; every channel is multiplied by it here.`];
  }
}

class Group {
  constructor(data, view) {
    Object.assign(this, {data, view, levels: 2, whole: view.kind?.whole ?? false});
    this.reads = data.inputs / data.groups;
    this.makes = data.outputs / data.groups;
    this.window = numbers(data.window);
    this.output = numbers(data.output);
    this.biases = numbers(data.biases);
    this.area = data.size[0] * data.size[1];
    this.weights = new Some(data.weights, this.reads * this.area);
    this.rows = data.weights.which;
    this.complete = this.rows.length === data.outputs;
    this.norms = this.rows.map(kernel => {
      const weights = this.weights.of(kernel), squares = new Float32Array(this.reads);
      weights.forEach((weight, at) => { squares[Math.floor(at / this.area)] += weight * weight; });
      return squares.map(Math.sqrt);
    });
  }
  get offer() { return this.complete || !this.view.all ? "" : `All ${this.data.outputs.toLocaleString("en")} kernels`; }
  group(kernel) { return Math.floor(kernel / this.makes); }
  read(first) { return this.reads > 1 ? `channels ${first} to ${first + this.reads - 1}` : `channel ${first}`; }
  full({level, kernel, input}) {
    const row = this.rows.includes(kernel) ? kernel : this.rows[0], first = this.group(row) * this.reads;
    return {level, kernel: row, input: clamp(input ?? first, first, first + this.reads - 1)};
  }
  into(state, least = 0) { return {...this.full(state), level: least ? Math.max(state.level, least) : Math.min(state.level + 1, this.levels)}; }
  move(state, dx, dy) {
    const kernel = this.rows[clamp(this.rows.indexOf(state.kernel) + dy, 0, this.rows.length - 1)];
    return this.full({level: dx ? 2 : state.level, kernel, input: dx ? state.input + dx : undefined});
  }
  part(kernel, input) { // the weights between one kernel and one input channel, and what they read
    const weights = this.weights.of(kernel), at = (input - this.group(kernel) * this.reads) * this.area;
    return {weights: weights.subarray(at, at + this.area), read: this.window.subarray(input * this.area, (input + 1) * this.area)};
  }
  product(kernel, input) {
    const part = this.part(kernel, input);
    return part.weights.reduce((sum, weight, at) => sum + weight * part.read[at], 0);
  }

  draw(v, width, height, state) {
    const {em, pen} = v, {inputs, outputs, size} = this.data, top = 2 * em, left = 2.2 * em;
    const shown = this.rows.length, wide = 0.5 * width - left;
    const tall = Math.min(height - top - 0.5 * em, Math.max((wide * shown) / inputs, 8 * em)), w = wide / inputs, h = tall / shown;
    v.label(`${inputs} input channels →`, left, 0.9 * em);
    pen.save();
    pen.translate(0.8 * em, top + tall / 2);
    pen.rotate(-Math.PI / 2);
    v.label(this.complete ? `${outputs} kernels` : `${shown} of ${outputs} kernels`, 0, 0, "center");
    pen.restore();
    pen.globalAlpha = 0.08;
    pen.fillStyle = v.ink;
    pen.fillRect(left, top, wide, tall);
    pen.globalAlpha = 1;
    const row = this.rows.indexOf(state.kernel), sheet = this.sheet(v);
    pen.imageSmoothingEnabled = false;
    pen.globalAlpha = state.level ? 0.35 : 1;
    pen.drawImage(sheet, left, top, wide, tall);
    pen.globalAlpha = 1;
    if (state.level) pen.drawImage(sheet, 0, row, inputs, 1, left, top + row * h, wide, h);
    v.target(left, top, wide, tall, (across, down) => {
      const kernel = this.rows[clamp(Math.floor(down * shown), 0, shown - 1)], input = clamp(Math.floor(across * inputs), 0, inputs - 1);
      const own = Math.floor(input / this.reads) === this.group(kernel);
      return this.full({level: own ? 2 : 1, kernel, input: own ? input : undefined});
    });
    if (!state.level) return;
    const first = this.group(state.kernel) * this.reads, y = top + row * h;
    v.frame(left + first * w, y - 1, this.reads * w, Math.max(h, 2) + 2);
    v.frame(left + first * w, top - 6, this.reads * w, 5);
    this.bars(v, state, 0.56 * width, top, 0.44 * width, 0.3 * (height - top));
    if (state.level < 2) return;
    v.frame(left + state.input * w - 1, y - 2, Math.max(w, 2) + 2, Math.max(h, 2) + 4);
    const part = this.part(state.kernel, state.input);
    const side = Math.min(0.12 * width, 0.5 * (height - top)), at = top + 0.3 * (height - top) + 2.6 * em;
    const products = part.weights.map((weight, place) => weight * part.read[place]);
    const parts = [["reads", part.read, "features", ends(part.read)], ["× weights", part.weights, "change"], ["= products", products, "change"]];
    parts.forEach(([name, values, scale, range], number) => {
      const x = 0.56 * width + number * 0.15 * width, reach = greatest(values);
      v.label(v.fitting(0.15 * width - 4, name, name[0] === "r" ? name : name[0]), x, at - 0.8 * em);
      v.map(values, size, x, at, side, side * size[0] / size[1], scale, range ?? [-reach, reach]);
    });
  }
  sheet(v) { // every weight as a dot in the colour of its group, as dark as it is large; drawn once
    if (this.drawn) return this.drawn;
    const {inputs} = this.data, groups = this.data.colours.groups.map(each => each.split(",").map(Number));
    this.drawn = new OffscreenCanvas(inputs, this.rows.length);
    const ink = this.drawn.getContext("2d"), image = ink.createImageData(inputs, this.rows.length), most = greatest(this.norms.map(greatest));
    this.rows.forEach((kernel, row) => {
      const group = this.group(kernel);
      this.norms[row].forEach((norm, at) => {
        const dot = 4 * (row * inputs + group * this.reads + at);
        image.data.set(groups[group % groups.length], dot);
        image.data[dot + 3] = 255 * Math.min(0.15 + (0.85 * norm) / most, 1);
      });
    });
    ink.putImageData(image, 0, 0);
    return this.drawn;
  }
  bars(v, state, x, y, width, height) { // what each input channel of the group adds to the kernel's answer
    const first = this.group(state.kernel) * this.reads, sums = [...Array(this.reads).keys()].map(at => this.product(state.kernel, first + at));
    const most = greatest(sums), w = width / this.reads;
    v.label(v.fitting(width, `what ${this.read(first)} ${this.reads > 1 ? "add" : "adds"}`, "what each adds"), x, y - 0.8 * v.em);
    sums.forEach((sum, at) => {
      v.pen.fillStyle = v.colour("change", sum < 0 ? 0.18 : 0.82);
      const tall = Math.max((Math.abs(sum) / most) * (height / 2), 0.5);
      v.pen.fillRect(x + at * w, y + height / 2 - (sum > 0 ? tall : 0), Math.max(w - 1, 0.7), tall);
      if (state.level === 2 && first + at === state.input) v.frame(x + at * w - 1, y, Math.max(w, 3), height, 1.5);
    });
    v.target(x, y, width, height, across => ({level: 2, kernel: state.kernel, input: first + clamp(Math.floor(across * this.reads), 0, this.reads - 1)}));
  }
  say({level, kernel, input}) {
    const {data} = this, [rows, columns] = data.size, group = this.group(kernel), first = group * this.reads;
    const whole = this.reads * data.outputs * this.area;
    if (!level) return [`${data.name}: ${data.outputs} kernels in ${data.groups} ${data.groups > 1 ? "groups" : "group"}; each reads ${this.reads} of ${data.inputs} channels: ${whole.toLocaleString("en")} weights.`];
    const where = `at row ${data.place[0]}, column ${data.place[1]}`;
    const lines = [`Kernel ${kernel} is of group ${group + 1}: it reads ${this.read(first)}, and no other.`];
    if (level === 2) lines.push(`From channel ${input}: ${rows} × ${columns} = ${this.area} products add ${written(this.product(kernel, input))} ${where}.`);
    const products = [...Array(this.reads).keys()].reduce((sum, at) => sum + this.product(kernel, first + at), 0);
    return [...lines, `${(this.reads * this.area).toLocaleString("en")} products sum to ${written(products)}; with the bias ${written(this.biases[kernel])} that is ${written(this.output[kernel])} ${where}.`];
  }
}

const KINDS = {channel: Channel, spatial: Spatial, group: Group};

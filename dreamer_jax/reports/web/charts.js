"use strict";
// Draws curves as SVG. Every text becomes a text node, so that no name can become markup.

const COLORS = 8;
const MARGIN = { left: 52, right: 12, top: 10, bottom: 24 };

// --- Elements -------------------------------------------------------------------------------

function svg(name, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function html(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// --- Numbers --------------------------------------------------------------------------------

function shown(value) {
  if (value === null || value === undefined || !isFinite(value)) return "–";
  if (value === 0) return "0"; // also -0
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(2).replace("-", "−");
  if (size >= 1e5) {
    return value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 2 }).replace("-", "−");
  }
  return value.toLocaleString("en", { maximumSignificantDigits: 4 }).replace("-", "−");
}

function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${shown(seconds / 60)} min`;
  return `${shown(seconds / 3600)} h`;
}

// Weighted mean of all values until now; weight 0 leaves them as they are. The first values are
// not pulled toward 0.
function smoothed(values, weight) {
  if (!weight) return values;
  let sum = 0, total = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + value;
    total = weight * total + 1;
    return sum / total;
  });
}

// Round numbers between two ends, about `count` of them.
function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((x) => x * power >= raw * 0.999) * power;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}

function logTicks(low, high, positive) {
  const found = positive ? [] : [0];
  for (let power = -12; power <= 15; power++) {
    for (const sign of positive ? [1] : [1, -1]) found.push(sign * 10 ** power);
  }
  const inside = found.filter((x) => x >= low && x <= high && (positive || x === 0 || Math.abs(x) >= 1));
  return inside.length > 6 ? inside.filter((_, i) => i % Math.ceil(inside.length / 6) === 0) : inside;
}

// Value -> height of its place. Where values are not all positive, the logarithm is linear around 0.
function scale(log, positive) {
  if (!log) return (x) => x;
  return positive ? (x) => Math.log10(x) : (x) => Math.asinh(x / 2);
}

// --- Lines of a chart -----------------------------------------------------------------------

function color(group) {
  return `k${group % COLORS}`;
}

function dash(group) {
  return ["", "dashed", "dotted"][Math.floor(group / COLORS) % 3];
}

// The lines that the state asks for: {group, name, x, y, low, high, raw, thin}.
function linesOf(spec, data, state) {
  const found = [];
  for (const series of spec.series) {
    if (state.hidden.has(series.g)) continue;
    const group = data.groups[series.g];
    const band = series[state.axis];
    if (band && state.band !== "runs") {
      const [low, high] = state.band === "interval" ? [band.l, band.h] : [band.a, band.b];
      found.push({
        group: series.g, name: group.name, x: band.x, count: band.n, y: smoothed(band.v, state.smooth),
        low: smoothed(low, state.smooth), high: smoothed(high, state.smooth),
        span: [band.a, band.b], // intervals of few runs may be far wider than all of them
      });
      continue;
    }
    for (const run of series.runs) {
      const several = series.runs.length > 1;
      found.push({
        group: series.g, name: several ? group.runs[run.r] : group.name, x: run[state.axis],
        y: smoothed(run.v, state.smooth), raw: state.smooth && !several ? run.v : null,
        low: run.l && !state.smooth ? run.l : null, high: run.h && !state.smooth ? run.h : null,
        thin: several,
      });
    }
  }
  return found.filter((line) => line.x.some((x) => x !== null));
}

function extent(spec, lines, state, log) {
  const xs = [], ys = [];
  for (const line of lines) {
    for (const x of line.x) if (x !== null) xs.push(x);
    for (const values of [line.y, line.raw, ...(line.span || [line.low, line.high])]) {
      for (const y of values || []) if (y !== null) ys.push(y);
    }
  }
  for (const each of visible(spec.dots, state)) {
    for (const x of each[state.axis]) xs.push(x);
    for (const y of each.v) ys.push(y);
  }
  for (const each of visible(spec.marks, state)) {
    if (each[state.axis] !== null) xs.push(each[state.axis]);
    ys.push(each.v, each.l ?? each.v, each.h ?? each.v);
  }
  const refs = (spec.refs || []).map((ref) => ref.value).filter((y) => !log || y > 0);
  const of = (values) => values.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
  let [x0, x1] = of(xs), [y0, y1] = of(ys);
  // A known score that is far away would flatten the curves.
  for (const ref of refs) {
    const room = 1.5 * Math.max(y1 - y0, Math.abs(y1) * 0.2, 1e-9);
    if (ref > y0 - room && ref < y1 + room) [y0, y1] = [Math.min(y0, ref), Math.max(y1, ref)];
  }
  if (!(x1 > x0)) [x0, x1] = isFinite(x0) ? [x0 - 1, x0 + 1] : [0, 1];
  if (!(y1 > y0)) [y0, y1] = isFinite(y0) ? [y0 - 0.5 * (Math.abs(y0) || 1), y0 + 0.5 * (Math.abs(y0) || 1)] : [0, 1];
  return { x0, x1, y0, y1 };
}

function visible(items, state) {
  return (items || []).filter((each) => !state.hidden.has(each.g));
}

function path(xs, ys, px, py) {
  let text = "", pen = "M";
  xs.forEach((x, i) => {
    const y = ys[i];
    if (x === null || y === null || y === undefined || !isFinite(py(y))) { pen = "M"; return; }
    text += `${pen}${px(x).toFixed(1)} ${py(y).toFixed(1)}`;
    pen = "L";
  });
  return text;
}

function area(xs, lows, highs, px, py) {
  const kept = xs.map((_, i) => i).filter((i) => xs[i] !== null && lows[i] !== null && highs[i] !== null);
  const ends = kept.map((i) => [px(xs[i]), py(highs[i]), py(lows[i])]).filter((x) => x.every(isFinite));
  if (ends.length < 2) return "";
  const there = ends.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`);
  const back = ends.reverse().map(([x, , y]) => `${x.toFixed(1)} ${y.toFixed(1)}`);
  return `M${there.join("L")}L${back.join("L")}Z`;
}

// --- Charts ---------------------------------------------------------------------------------

class Chart {
  constructor(spec, data, state, { tall = false } = {}) {
    Object.assign(this, { spec, data, state, tall, dirty: true });
    this.last = html("span", {});
    const title = html("b", { title: spec.id }, spec.title);
    this.enlarge = html("button", { type: "button", "aria-label": `enlarge ${spec.title}`, title: "enlarge" }, "⤢");
    const caption = html("figcaption", {}, title, this.last, ...(tall ? [] : [this.enlarge]));
    this.svg = svg("svg", { tabindex: 0, role: "img" });
    this.tip = html("div", { class: "tip", hidden: "" });
    this.live = html("div", { class: "sr", "aria-live": "polite" });
    const text = spec.text ? [html("p", {}, spec.text)] : [];
    this.figure = html("figure", { class: "chart" }, caption, this.svg, this.tip, this.live, ...text);
    this.svg.addEventListener("pointermove", (event) => this.point(event.clientX));
    this.svg.addEventListener("pointerdown", (event) => this.point(event.clientX));
    this.svg.addEventListener("pointerleave", () => this.leave());
    this.svg.addEventListener("blur", () => this.leave());
    this.svg.addEventListener("keydown", (event) => this.key(event));
  }

  draw() {
    const { spec, state } = this;
    const width = this.figure.clientWidth;
    if (!width) return;
    this.dirty = false;
    const height = this.tall ? Math.min(520, innerHeight * 0.6) : spec.main ? 260 : 150;
    this.svg.replaceChildren();
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", height);
    this.lines = linesOf(spec, this.data, state);
    const values = [...this.lines.flatMap((line) => line.y), ...visible(spec.dots, state).flatMap((x) => x.v)];
    const positive = values.every((y) => y === null || y > 0);
    const box = extent(spec, this.lines, state, state.log && positive);
    const warp = scale(state.log, positive);
    if (state.log && positive) box.y0 = Math.max(box.y0, Math.min(...values.filter((y) => y !== null)));
    const [w0, w1] = [warp(box.y0), warp(box.y1)];
    const pad = 0.05 * (w1 - w0 || 1);
    const inner = { w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - MARGIN.bottom };
    this.px = (x) => MARGIN.left + ((x - box.x0) / (box.x1 - box.x0)) * inner.w;
    this.py = (y) => MARGIN.top + inner.h - ((warp(y) - w0 + pad) / (w1 - w0 + 2 * pad)) * inner.h;
    this.axes(box, { width, height, inner, positive });
    const clip = svg("svg", { x: 0, y: MARGIN.top - 4, width, height: inner.h + 8, viewBox: `0 ${MARGIN.top - 4} ${width} ${inner.h + 8}` }, this.svg);
    this.curves(clip);
    this.references(box, width);
    this.cursor = svg("g", { visibility: "hidden" }, this.svg);
    this.describe();
  }

  axes(box, { width, height, inner, positive }) {
    const { state } = this;
    const unit = state.axis === "s" ? 1 : box.x1 < 300 ? 1 : box.x1 < 7200 ? 60 : 3600;
    const names = { 1: state.axis === "s" ? "" : " s", 60: " min", 3600: " h" };
    for (const x of ticks(box.x0 / unit, box.x1 / unit, inner.w > 420 ? 5 : 3)) {
      const at = this.px(x * unit);
      svg("line", { class: "grid", x1: at, x2: at, y1: MARGIN.top, y2: MARGIN.top + inner.h }, this.svg);
      const anchor = at > width - 40 ? "end" : "middle";
      const text = state.axis === "s" && x >= 1000 ? `${shown(x / 1000)}k` : shown(x);
      const label = state.axis === "s" && x >= 1e6 ? `${shown(x / 1e6)}M` : text + names[unit];
      svg("text", { x: Math.min(at, width - 2), y: height - 6, "text-anchor": anchor }, this.svg, label);
    }
    const ys = state.log ? logTicks(box.y0, box.y1, positive) : [];
    for (const y of ys.length > 1 ? ys : ticks(box.y0, box.y1, inner.h > 180 ? 5 : 4)) {
      const at = this.py(y);
      if (!isFinite(at) || at < MARGIN.top - 1 || at > MARGIN.top + inner.h + 1) continue;
      svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at }, this.svg);
      svg("text", { x: MARGIN.left - 6, y: at + 4, "text-anchor": "end" }, this.svg, shown(y));
    }
  }

  curves(parent) {
    const { spec, state, px, py } = this;
    for (const each of visible(spec.dots, state)) {
      const dots = each[state.axis].map((x, i) => (x === null ? "" : `M${px(x).toFixed(1)} ${py(each.v[i]).toFixed(1)}h0`));
      svg("path", { class: `dots ${color(each.g)}`, d: dots.filter((x) => !x.includes("N")).join("") }, parent);
    }
    for (const line of this.lines) {
      const k = color(line.group);
      if (line.low) svg("path", { class: `area ${k}`, d: area(line.x, line.low, line.high, px, py) }, parent);
      if (line.raw) svg("path", { class: `raw ${k}`, d: path(line.x, line.raw, px, py) }, parent);
      const names = `line ${k} ${dash(line.group)} ${line.thin ? "thin" : ""}`;
      svg("path", { class: names, d: path(line.x, line.y, px, py) }, parent);
      if (line.x.length < 3) {
        line.x.forEach((x, i) => x !== null && line.y[i] !== null && svg("circle", { class: `point ${k}`, cx: px(x), cy: py(line.y[i]), r: 3 }, parent));
      }
    }
    for (const mark of visible(spec.marks, state)) {
      const x = mark[state.axis];
      if (x === null || !isFinite(py(mark.v))) continue;
      const k = color(mark.g);
      if (mark.l !== null && mark.h !== null) {
        svg("path", { class: `line ${k}`, d: `M${px(x)} ${py(mark.l)}V${py(mark.h)}` }, parent);
      }
      svg("circle", { class: `mark ${k}`, cx: px(x), cy: py(mark.v), r: 4 }, parent);
    }
  }

  // Whether the curves are farther from a height in the left half than in the right one.
  isFreeLeft(y) {
    const near = [0, 0], middle = this.svg.viewBox.baseVal.width / 2;
    for (const line of this.lines) {
      line.x.forEach((x, i) => {
        if (x === null || line.y[i] === null) return;
        if (Math.abs(this.py(line.y[i]) - y) < 22) near[this.px(x) < middle ? 0 : 1]++;
      });
    }
    return near[0] <= near[1];
  }

  references(box, width) {
    for (const ref of this.spec.refs || []) {
      const y = this.py(ref.value);
      if (!isFinite(y) || ref.value < box.y0 || ref.value > box.y1) continue;
      svg("line", { class: "ref", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }, this.svg);
      const label = `${ref.label} ${shown(ref.value)}`;
      const above = y > MARGIN.top + 14 ? y - 4 : y + 13;
      const side = this.isFreeLeft(y) ? [MARGIN.left + 4, "start"] : [width - MARGIN.right - 4, "end"];
      svg("text", { class: "halo", x: side[0], y: above, "text-anchor": side[1] }, this.svg, label);
    }
  }

  // The chart in words, for readers of screens, and its newest value in the caption.
  describe() {
    const parts = this.lines.slice(0, 8).map((line) => {
      const there = line.y.map((y, i) => [line.x[i], y]).filter(([x, y]) => x !== null && y !== null);
      if (!there.length) return line.name;
      const [first, last] = [there[0], there[there.length - 1]];
      return `${line.name}: from ${shown(first[1])} to ${shown(last[1])}`;
    });
    this.svg.setAttribute("aria-label", `${this.spec.title}. ${parts.join("; ")}`);
    const single = this.lines.length === 1 ? this.lines[0].y.filter((y) => y !== null) : [];
    this.last.textContent = single.length ? shown(single[single.length - 1]) : "";
  }

  // All places that have a value, in order.
  places() {
    const marks = visible(this.spec.marks, this.state).map((mark) => mark[this.state.axis]);
    const all = [...this.lines.flatMap((line) => line.x), ...marks].filter((x) => x !== null);
    return [...new Set(all)].sort((a, b) => a - b);
  }

  point(clientX) {
    if (this.dirty || !this.lines) return;
    const offset = clientX - this.svg.getBoundingClientRect().left;
    const places = this.places();
    if (!places.length) return;
    const near = (x) => Math.abs(this.px(x) - offset);
    this.show(places.reduce((best, x) => (near(x) < near(best) ? x : best)));
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Escape") this.leave();
    if (!step || this.dirty) return;
    event.preventDefault();
    const places = this.places();
    const now = this.at === undefined ? (step > 0 ? -1 : places.length) : places.indexOf(this.at);
    this.show(places[Math.max(0, Math.min(places.length - 1, now + step))], { say: true });
  }

  show(x, { say = false } = {}) {
    this.at = x;
    const rows = [], at = this.px(x);
    this.cursor.replaceChildren();
    this.cursor.setAttribute("visibility", "visible");
    const bottom = this.svg.viewBox.baseVal.height - MARGIN.bottom;
    svg("line", { class: "cursor", x1: at, x2: at, y1: MARGIN.top, y2: bottom }, this.cursor);
    for (const line of this.lines) {
      let best = -1;
      line.x.forEach((each, i) => {
        if (each === null || line.y[i] === null) return;
        if (best < 0 || Math.abs(each - x) < Math.abs(line.x[best] - x)) best = i;
      });
      if (best < 0 || Math.abs(this.px(line.x[best]) - at) > 24) continue;
      const y = line.y[best];
      if (isFinite(this.py(y))) svg("circle", { class: `point ${color(line.group)}`, cx: this.px(line.x[best]), cy: this.py(y), r: 4 }, this.cursor);
      const ends = line.low && line.low[best] !== null ? ` (${shown(line.low[best])} to ${shown(line.high[best])})` : "";
      const count = line.count ? `, ${line.count[best]} run${line.count[best] > 1 ? "s" : ""}` : "";
      rows.push([line.group, line.name, `${shown(y)}${ends}${count}`]);
    }
    for (const mark of visible(this.spec.marks, this.state)) {
      if (mark[this.state.axis] !== x) continue;
      rows.push([mark.g, mark.label, `${shown(mark.v)} (${shown(mark.l)} to ${shown(mark.h)})`]);
    }
    this.tooltip(x, rows, at);
    if (say) this.live.textContent = this.tip.textContent;
  }

  tooltip(x, rows, at) {
    const place = this.state.axis === "s" ? `step ${Math.round(x).toLocaleString("en")}` : duration(x);
    const few = rows.slice(0, 12).map(([group, name, value]) =>
      html("div", { class: color(group) }, "● ", html("span", {}, `${name} `), html("b", {}, value)));
    if (rows.length > few.length) few.push(html("div", {}, `and ${rows.length - few.length} more`));
    this.tip.replaceChildren(html("b", {}, place), ...few);
    this.tip.hidden = false;
    const width = this.figure.clientWidth;
    const left = at + 14 + this.tip.offsetWidth > width ? at - 14 - this.tip.offsetWidth : at + 14;
    this.tip.style.left = `${Math.max(0, left)}px`;
    const below = this.svg.getBoundingClientRect().top - this.figure.getBoundingClientRect().top;
    this.tip.style.top = `${below + MARGIN.top}px`;
  }

  leave() {
    this.at = undefined;
    this.tip.hidden = true;
    if (this.cursor) this.cursor.setAttribute("visibility", "hidden");
  }
}

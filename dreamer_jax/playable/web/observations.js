// Shows each observation in its own way: pictures, text, numbers.

import { bars, line } from "./curves.js";

const FEW = 8; // numbers of a vector that each get a line; more of them are bars
const HISTORY = 120; // steps

function element(tag, attributes = {}, ...children) {
  const found = Object.assign(document.createElement(tag), attributes);
  found.append(...children);
  return found;
}

/** Draws the newest of stacked frames: [h, w, c] bytes, color if c is a multiple of 3. */
function picture(canvas, [height, width, channels]) {
  [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(width, height);
  const colors = channels % 3 === 0 ? 3 : 1;
  return (values) => {
    for (let i = 0, from = channels - colors; i < 4 * width * height; i += 4, from += channels) {
      image.data[i] = values[from];
      image.data[i + 1] = values[from + (colors > 1 ? 1 : 0)];
      image.data[i + 2] = values[from + (colors > 1 ? 2 : 0)];
      image.data[i + 3] = 255;
    }
    pen.putImageData(image, 0, 0);
  };
}

/** Draws a grid of symbols [h, w, layers], each symbol in its own color, 0 black. */
function grid(canvas, [height, width, layers], classes) {
  [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(width, height);
  const shades = Array.from({ length: layers * classes }, (_, i) => {
    const hue = ((0.618 * i) % 1) * 6;
    const shade = (n) => {
      const k = (n + hue) % 6;
      return 255 * (1 - 0.7 * Math.max(0, Math.min(k, 4 - k, 1)));
    };
    return i % classes ? [shade(5), shade(3), shade(1)] : [0, 0, 0];
  });
  return (values) => {
    for (let cell = 0; cell < height * width; cell++) {
      for (let c = 0; c < 3; c++) {
        let brightest = 0;
        for (let layer = 0; layer < layers; layer++) {
          brightest = Math.max(brightest, shades[values[cell * layers + layer] + layer * classes][c]);
        }
        image.data[4 * cell + c] = brightest;
      }
      image.data[4 * cell + 3] = 255;
    }
    pen.putImageData(image, 0, 0);
  };
}

/** Symbols as text; in rows, where the text is one of a screen. */
function text(place, { glyphs, columns }) {
  return (values) => {
    const letters = Array.from(values, (code) => glyphs[code] ?? "");
    if (!columns) {
      place.textContent = letters.join("").trimEnd();
      return;
    }
    const rows = [];
    for (let i = 0; i < letters.length; i += columns) rows.push(letters.slice(i, i + columns).join("").trim());
    place.textContent = rows.filter(Boolean).join("\n");
  };
}

/** A vector: for a few numbers a curve of each, for many a bar of each. */
function vector(place, count) {
  if (count > FEW) {
    const canvas = element("canvas", { className: "strip" });
    place.append(canvas);
    return (values) => bars(canvas, Array.from(values));
  }
  place.classList.add("numbers");
  const rows = Array.from({ length: count }, (_, i) => {
    const row = { canvas: element("canvas"), value: element("span", { className: "value" }), past: [] };
    place.append(element("span", { className: "name", textContent: i }), row.canvas, row.value);
    return row;
  });
  return (values) => rows.forEach((row, i) => {
    row.past = [...row.past, values[i]].slice(-HISTORY);
    row.value.textContent = values[i].toFixed(3);
    line(row.canvas, row.past, { most: HISTORY, low: -0.1, high: 0.1 });
  });
}

/**
 * Builds the place of every observation; returns a function that shows a moment's.
 *
 * Pictures and texts are in `root`. Next to them, numbers are `details` that can be opened.
 */
export function observations(root, details, spaces, texts) {
  const pictures = element("div", { className: "pictures" });
  const show = {};
  let last = null;
  const keys = Object.keys(spaces);
  const area = (key) => spaces[key].shape[0] * spaces[key].shape[1];
  const drawn = keys.filter((key) => ["image", "symbols"].includes(spaces[key].kind));
  drawn.sort((a, b) => (spaces[a].kind > spaces[b].kind) - (spaces[a].kind < spaces[b].kind) || area(b) - area(a));
  drawn.forEach((key, i) => {
    const { kind, shape, classes } = spaces[key];
    const canvas = element("canvas", { id: `picture-${key}` });
    show[key] = kind === "image" ? picture(canvas, shape) : grid(canvas, shape, classes);
    const caption = drawn.length > 1 ? [element("figcaption", { textContent: key })] : [];
    pictures.classList.toggle("several", i > 0);
    pictures.append(element("figure", { className: i ? "small" : "main" }, canvas, ...caption));
  });
  if (drawn.length) root.append(pictures);
  details.addEventListener("toggle", () => last && keys.forEach((key) => last[key] && show[key](last[key])));
  const rest = keys.filter((key) => !drawn.includes(key));
  rest.sort((a, b) => (spaces[b].kind === "text") - (spaces[a].kind === "text"));
  for (const key of rest) {
    const { kind, shape } = spaces[key];
    const place = element(kind === "text" ? "pre" : "div", { id: `observation-${key}` });
    const where = kind === "text" || !drawn.length ? root : details;
    where.hidden = false;
    where.append(element("section", { className: "observation" }, element("h2", { textContent: key }), place));
    if (kind === "text") show[key] = text(place, texts[key]);
    else if (kind === "vector") show[key] = vector(place, shape[0]);
    else {
      place.className = "flat";
      show[key] = (values) => {
        place.textContent = Array.from(values, (x) => (kind === "bits" ? "○●"[x] : x)).join(" ");
      };
    }
  }
  return (obs) => {
    last = obs;
    keys.forEach((key) => obs[key] && show[key](obs[key]));
  };
}

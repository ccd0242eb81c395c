"use strict";
// Sorting, filtering and the plots of report.html. Texts only ever become text nodes: nothing here writes HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const table = document.getElementById("trials");
const byIndex = new Map(data.trials.map((trial) => [String(trial.index), trial]));
const marks = new Map(data.trials.map((trial) => [trial, []])); // the SVG elements of each trial
const shown = new Set(data.trials);
let chosen = null;

const svg = (name, attributes, parent, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent?.append(element);
  return element;
};
const { name: axis, is_percent: isPercent } = data.value; // what is plotted upwards
const number = (value) => isPercent ? (100 * value).toFixed(2) : value.toFixed(4);
const short = (value) => {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value ?? "–");
  return Math.abs(value) < 1e-2 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
};
const describe = (trial) => {
  const settings = data.keys.map((key, place) => `${key} ${short(trial.settings[place])}`).join(", ");
  const value = trial.best === null ? "no value" : `${number(trial.best)}${isPercent ? " %" : ""}`;
  const rank = trial.rank === null ? "on fresh seeds" : `#${trial.rank}`;
  return `${rank} · ${trial.id} · ${value} · ${trial.status === "stopped" ? "stopped early" : trial.status} · ${settings}`;
};

// Scales -------------------------------------------------------------------------------------------------------------

function niceTicks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((width) => width >= raw);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - first + 1) }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)));
}

function linear(low, high, from, to) {
  const span = high - low || 1;
  return { at: (value) => from + ((value - low) / span) * (to - from), ticks: niceTicks(low, high, 5), name: short };
}

function logarithmic(low, high, from, to) {
  const inner = linear(Math.log10(low), Math.log10(high), from, to);
  const ticks = niceTicks(Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9), 6)
    .filter(Number.isInteger).map((power) => 10 ** power);
  return { at: (value) => inner.at(Math.log10(value)), ticks, name: (value) => value.toExponential(0).replace("+", "") };
}

function categories(values, from, to) {
  const names = [...new Set(values)].sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : 1));
  const width = (to - from) / names.length;
  return { at: (value) => from + (names.indexOf(value) + 0.5) * width, ticks: names, name: short, width };
}

function scaleFor(key, values, from, to) {
  const distinct = new Set(values);
  if (values.some((value) => typeof value !== "number") || distinct.size <= 6) return categories(values, from, to);
  const low = Math.min(...values), high = Math.max(...values);
  return data.log.includes(key) && low > 0 ? logarithmic(low, high, from, to) : linear(low, high, from, to);
}

function frame(parent, width, height, x, y, title, xName) {
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  svg("text", { x: 46, y: 13, class: "title" }, root, title);
  for (const tick of y.ticks) {
    svg("line", { x1: 46, x2: width - 10, y1: y.at(tick), y2: y.at(tick), class: "grid" }, root);
    svg("text", { x: 41, y: y.at(tick) + 4, "text-anchor": "end" }, root, short(isPercent ? 100 * tick : tick));
  }
  for (const tick of x.ticks) svg("text", { x: x.at(tick), y: height - 18, "text-anchor": "middle" }, root, x.name(tick));
  svg("text", { x: width - 10, y: height - 4, "text-anchor": "end" }, root, xName);
  parent.replaceChildren(root);
  return root;
}

// What is near the pointer, in a plot whose points are [x, y, trial] ---------------------------------------------------

function listen(parent, root, points, width) {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  parent.append(tip);
  let near = null;
  const find = (event) => {
    const box = root.getBoundingClientRect(), zoom = width / box.width;
    const px = (event.clientX - box.left) * zoom, py = (event.clientY - box.top) * zoom;
    let best = 24 ** 2, found = null;
    for (const [x, y, trial] of points) {
      const distance = (x - px) ** 2 + (y - py) ** 2;
      if (distance < best && shown.has(trial)) [best, found] = [distance, trial];
    }
    return found;
  };
  const point = (trial, event) => {
    if (near) for (const mark of marks.get(near)) mark.classList.remove("near");
    near = trial;
    tip.hidden = !trial;
    if (!trial) return;
    for (const mark of marks.get(trial)) mark.classList.add("near");
    tip.textContent = describe(trial);
    const box = parent.getBoundingClientRect();
    tip.style.left = `${Math.max(0, Math.min(event.clientX - box.left + 12, box.width - tip.offsetWidth))}px`;
    tip.style.top = `${event.clientY - box.top + 14}px`;
  };
  root.addEventListener("pointermove", (event) => point(find(event), event));
  root.addEventListener("pointerleave", (event) => point(null, event));
  root.addEventListener("click", (event) => choose(find(event), true));
}

// Plots ----------------------------------------------------------------------------------------------------------------

// From the worst value to the best, without the worst tenth of them unless the whole range is wanted.
function valueRange(values, whole) {
  const sorted = [...values].sort((a, b) => a - b), cut = whole ? 0 : Math.floor(0.1 * (sorted.length - 1));
  const isLessBetter = data.value.is_less_better;
  const low = sorted[isLessBetter ? 0 : cut], high = sorted[sorted.length - 1 - (isLessBetter ? cut : 0)];
  const margin = Math.max(isPercent ? 0.005 : 0, 0.05 * (high - low));
  return isPercent ? [Math.max(0, low - margin), Math.min(1, high + margin)] : [low - margin, high + margin];
}

const NARROW = 600; // pixels: a telephone
const WIDEST = 1140; // of a plot: what fits into the page

// A plot is drawn as wide as it is shown, so that its words have the size of words.
const roomFor = (parent) => Math.max(300, Math.min(WIDEST, parent.clientWidth || WIDEST));

function drawCurves() {
  const parent = document.getElementById("curves");
  const trained = data.trials.filter((trial) => trial.curve.length);
  if (!trained.length) return;
  const width = roomFor(parent), height = width < NARROW ? 280 : 380, longest = Math.max(...trained.map((trial) => trial.curve.length));
  const [low, high] = valueRange(trained.flatMap((trial) => trial.curve), document.getElementById("whole").checked);
  const x = longest > 1 ? linear(1, longest, 56, width - 16) : categories([1], 56, width - 16);
  x.ticks = x.ticks.filter(Number.isInteger);
  const y = linear(low, high, height - 38, 24);
  const root = frame(parent, width, height, x, y, `${axis[0].toUpperCase()}${axis.slice(1)} by epoch`, "epoch");
  const clip = svg("clipPath", { id: "inside" }, root);
  svg("rect", { x: 46, y: 18, width: width - 50, height: height - 50 }, clip);
  const layer = svg("g", { "clip-path": "url(#inside)" }, root);
  layer.style.setProperty("--faint-curve", Math.min(0.6, Math.max(0.12, 5 / Math.sqrt(trained.length))));
  const points = [];
  for (const trial of [...trained].reverse()) {
    const places = trial.curve.map((value, epoch) => [x.at(epoch + 1), y.at(value), trial]);
    points.push(...places.filter((place) => place[1] <= height - 36));
    const first = trial.rank === 1 ? " first" : "";
    const kind = { class: `curve ${trial.status === "finished" ? "finished" : ""}${first}`, "data-index": trial.index };
    const line = places.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ");
    const mark = places.length > 1 ? svg("polyline", { ...kind, points: line }, layer)
      : svg("circle", { class: "dot", "data-index": trial.index, cx: places[0][0], cy: places[0][1], r: 3 }, layer);
    marks.get(trial).push(mark);
  }
  listen(parent, root, points, width);
}

function drawScatter(place) {
  const set = data.trials.filter((trial) => trial.settings[place] !== null);
  const valued = set.filter((trial) => trial.best !== null), lost = set.filter((trial) => trial.status === "diverged");
  if (!valued.length) return;
  const parent = document.createElement("div");
  parent.className = "plot";
  document.getElementById("scatters").append(parent);
  const width = 340, height = 220, key = data.keys[place];
  const x = scaleFor(key, [...valued, ...lost].map((trial) => trial.settings[place]), 58, width - 18);
  const [low, high] = valueRange(valued.map((trial) => trial.best), true);
  const y = linear(low, high, height - 38, 24);
  const root = frame(parent, width, height, x, y, `${axis[0].toUpperCase()}${axis.slice(1)} by ${key}`, key);
  const points = [];
  for (const trial of [...lost, ...valued.toReversed()]) {
    const spread = x.width ? (((trial.index * 0.618) % 1) - 0.5) * 0.5 * x.width : 0; // so that equal values lie apart
    const px = x.at(trial.settings[place]) + spread, py = trial.best === null ? height - 34 : y.at(trial.best);
    points.push([px, py, trial]);
    marks.get(trial).push(svg("circle", { class: `dot ${trial.status}`, cx: px.toFixed(1), cy: py.toFixed(1), r: 3.2 }, root));
  }
  listen(parent, root, points, width);
}

function draw() {
  for (const own of marks.values()) own.length = 0;
  document.getElementById("scatters").replaceChildren();
  drawCurves();
  data.keys.forEach((_, place) => drawScatter(place));
  for (const [trial, own] of marks) for (const mark of own) mark.classList.toggle("out", !shown.has(trial));
  choose(chosen, false);
}

// The table --------------------------------------------------------------------------------------------------------------

const rows = table ? [...table.tBodies[0].rows] : [];
const headings = table ? [...table.tHead.rows[0].cells] : [];
const trialOf = (row) => byIndex.get(row.dataset.index);
const isNumber = (text) => text.trim() !== "" && !Number.isNaN(Number(text));

function choose(trial, scroll) {
  for (const mark of chosen ? marks.get(chosen) : []) mark.classList.remove("chosen");
  chosen = trial;
  for (const row of rows) row.classList.toggle("chosen", trialOf(row) === trial);
  for (const mark of trial ? marks.get(trial) : []) {
    mark.classList.add("chosen");
    mark.parentNode.append(mark); // in front of the others
  }
  const text = document.getElementById("chosen");
  text.classList.toggle("some", Boolean(trial));
  text.textContent = trial ? `${describe(trial)} · ${trial.curve.length} epoch${trial.curve.length === 1 ? "" : "s"}` : "No trial is chosen.";
  if (trial && scroll) rows.find((row) => trialOf(row) === trial)?.scrollIntoView({ block: "nearest" });
}

function sortBy(place) {
  const ascending = headings[place].getAttribute("aria-sort") !== "ascending";
  for (const heading of headings) heading.removeAttribute("aria-sort");
  headings[place].setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const value = (row) => row.cells[place].dataset.v;
  const numeric = rows.every((row) => value(row) === "" || !Number.isNaN(Number(value(row))));
  const compare = (a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0);
  rows.sort((first, second) => {
    const [a, b] = [value(first), value(second)];
    if (a === "" || b === "") return (a === "") - (b === ""); // absent values come last both ways
    return ascending ? compare(a, b) : compare(b, a);
  });
  table.tBodies[0].append(...rows);
}

const OPERATIONS = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "==": (a, b) => a === b, "=": (a, b) => a === b, "!=": (a, b) => a !== b,
};

function condition(term) {
  const found = /^([\w.]+)\s*(<=|>=|==|!=|=|<|>)\s*['"]?([^'"]*)['"]?$/.exec(term);
  const place = found ? headings.findIndex((heading) => heading.dataset.name === found[1]) : -1;
  if (place < 0) return (row) => row.textContent.toLowerCase().includes(term.toLowerCase());
  const [, name, sign, text] = found;
  const fulfils = (row) => {
    const cell = row.cells[place], own = cell.dataset.v;
    if (own === "") return sign === "!=";
    if (isNumber(text) && isNumber(own)) return OPERATIONS[sign](Number(own), Number(text));
    const words = text.trim().toLowerCase(); // a status may be written as it is shown: stopped early
    return OPERATIONS[sign](cell.textContent.trim().toLowerCase() === words ? words : own.toLowerCase(), words);
  };
  fulfils.hint = () => hint(name, place, text, fulfils);
  return fulfils;
}

// Why a condition finds nothing, or not what was meant.
function hint(name, place, text, fulfils) {
  if (headings[place].textContent.includes("%") && Number(text) > 1) {
    return `${name} is a fraction from 0 to 1: for ${text} % write ${Number((text / 100).toPrecision(6))}`;
  }
  if (rows.some(fulfils)) return "";
  const values = [...new Set(rows.map((row) => row.cells[place].dataset.v).filter((value) => value !== ""))];
  if (!values.length) return `no trial has a value of ${name}`;
  if (!values.every(isNumber)) return `${name} is ${values.slice(0, 8).join(", ")}`;
  const numbers = values.map(Number).sort((a, b) => a - b);
  return `${name} goes from ${numbers[0]} to ${numbers.at(-1)}`;
}

function filter() {
  const terms = document.getElementById("filter").value.split(/\s+and\s+/i).map((term) => term.trim()).filter(Boolean);
  const conditions = terms.map(condition);
  shown.clear();
  for (const row of rows) {
    row.hidden = !conditions.every((fulfils) => fulfils(row));
    if (!row.hidden) shown.add(trialOf(row));
  }
  for (const [trial, own] of marks) for (const mark of own) mark.classList.toggle("out", !shown.has(trial));
  const why = conditions.map((fulfils) => fulfils.hint?.()).find(Boolean);
  document.getElementById("shown").textContent = `${shown.size} of ${rows.length} trials${why ? `; ${why}` : ""}`;
}

if (table) {
  for (const cell of rows[0].cells) headings[cell.cellIndex].className = cell.className;
  headings.forEach((heading, place) => heading.firstChild.addEventListener("click", () => sortBy(place)));
  table.tBodies[0].addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row && !event.target.closest("a")) choose(trialOf(row) === chosen ? null : trialOf(row), false);
  });
  table.tBodies[0].addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.tagName === "TR") choose(trialOf(event.target), false);
  });
  document.getElementById("filter").addEventListener("input", filter);
  document.getElementById("whole").addEventListener("change", draw);
  draw();
  filter();
  const curves = document.getElementById("curves");
  let room = roomFor(curves);
  new ResizeObserver(() => {
    if (roomFor(curves) === room) return;
    room = roomFor(curves);
    draw();
  }).observe(curves);
}

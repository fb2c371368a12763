// Elements, numbers and charts. Texts are set as text, never as HTML: names come
// from strangers.

const KINDS = [
  ["ends", "embedding and head"],
  ["attention", "attention"],
  ["mlp", "MLP"],
  ["router", "router"],
  ["experts", "experts"],
  ["norm", "norms"],
];

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "style") Object.entries(value).forEach(([k, v]) => element.style.setProperty(k, v));
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(9))
    if (child !== null && child !== undefined && child !== false) element.append(child);
  return element;
}
const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// Numbers ------------------------------------------------------------------

function digits(value) {
  if (value === 0) return "0";
  if (value >= 99.95) return Math.round(value).toLocaleString("en");
  return value.toFixed(value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3);
}
function scaled(value, units) {
  let i = 0;
  while (i + 1 < units.length && value >= 999.5) {
    value /= 1000;
    ++i;
  }
  return (i ? digits(value) : exact(value)) + (units[i] && "\u00a0" + units[i]);
}
const count = (value) => scaled(value, ["", "k", "M", "G", "T"]);
const bytes = (value) => scaled(value, ["B", "kB", "MB", "GB", "TB"]);
/// Of lists that are too long to be arguments.
const largestOf = (values) => values.reduce((a, b) => Math.max(a, b), 1e-30);
const smallestOf = (values) => values.reduce((a, b) => Math.min(a, b), 1e300);
const exact = (value) => Math.round(value).toLocaleString("en");
function time(us) {
  if (us === 0) return "0";
  return us >= 999.5 ? digits(us / 1000) + "\u00a0ms" : us >= 0.9995 ? digits(us) + "\u00a0µs" : digits(us * 1000) + "\u00a0ns";
}
function percent(share) {
  const value = 100 * share;
  return (value > 0 && value < 0.1 ? "<\u00a00.1" : value < 9.95 ? value.toFixed(1) : value.toFixed(0)) + "\u00a0%";
}
/// Names of CPUs do not break at their hyphens.
const unbroken = (text) => text.replace(/-/g, "\u2011");
const plural = (n, one, many) => exact(n) + "\u00a0" + (n === 1 ? one : many || one + "s");

// Tooltips: any element with data-tip --------------------------------------

function startTips() {
  const tip = document.getElementById("tip");
  const show = (event) => {
    const target = event.target.closest ? event.target.closest("[data-tip]") : null;
    tip.hidden = !target;
    if (!target) return;
    if (tip.textContent !== target.dataset.tip) tip.textContent = target.dataset.tip;
    const box = tip.getBoundingClientRect();
    let x = event.clientX + 14, y = event.clientY + 16;
    if (x + box.width > innerWidth - 6) x = Math.max(6, innerWidth - 6 - box.width);
    if (y + box.height > innerHeight - 6) y = Math.max(6, event.clientY - box.height - 12);
    tip.style.left = x + "px";
    tip.style.top = y + "px";
  };
  for (const type of ["pointermove", "pointerdown"]) document.addEventListener(type, show);
  for (const type of ["scroll", "pointerleave"]) document.addEventListener(type, () => (tip.hidden = true), { passive: true });
}

// Parts of pages ------------------------------------------------------------

const legend = (entries) =>
  h("ul", { class: "legend" }, entries.map(([kind, label, faint]) =>
    h("li", {}, h("i", { class: kind + (faint ? " faint" : "") }), label)));

/// Buttons of which one is pressed; `draw(value)` makes what they switch.
function switched(label, options, draw) {
  const place = h("div", {});
  const buttons = options.map(([value, text]) =>
    h("button", { type: "button", onclick: () => press(value) }, text));
  function press(value) {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", options[i][0] === value));
    place.replaceChildren(...[draw(value)].flat());
  }
  press(options[0][0]);
  return [options.length > 1 && h("div", { class: "switch", role: "group", "aria-label": label }, buttons), place];
}

/// A table of `rows` of cells, texts or elements; `numeric` says which columns
/// are numbers.
function table(caption, head, rows, numeric) {
  const alignment = (i) => (numeric[i] ? "num" : undefined);
  return h("div", { class: "scroll" }, h("table", {},
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, head.map((text, i) => h("th", { scope: "col", class: alignment(i) }, text)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((content, i) =>
      i ? h("td", { class: alignment(i) }, content) : h("th", { scope: "row" }, content)))))));
}

/// A table that opens below a chart, made when it is first opened.
function tableBehind(title, make) {
  const details = h("details", { class: "table" }, h("summary", {}, title));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(make());
  });
  return details;
}

/// One bar of `entries` {label, value, kind, text}, in their order.
function stackedBar(label, entries) {
  return h("div", { class: "stack", role: "img", "aria-label": label + ": " + entries.map((e) => e.label + " " + e.text).join(", ") },
    entries.filter((e) => e.value > 0).map((e) =>
      h("span", { class: e.kind, style: { flex: e.value + " 1 0" }, "data-tip": e.label + "\n" + e.text })));
}

/// Horizontal bars of `entries` {label, value, solid, kind, figures, tip}: `solid`
/// is the share of a bar that is drawn solid, the rest is faint. `head` is above
/// the figures.
function bars(label, entries, head) {
  const largest = largestOf(entries.map((e) => e.value));
  return h("div", { class: `bars f${entries[0].figures.length}`, role: "img", "aria-label": label },
    head && [h("span"), h("span"), head.map((text) => h("span", { class: "head figure" }, text))],
    entries.map((e) => {
      const width = (100 * e.value) / largest;
      const solid = e.solid === undefined ? 1 : Math.min(1, e.solid);
      return [
        h("span", { class: "name" }, e.label),
        h("span", { class: "track " + e.kind, "data-tip": e.tip },
          h("i", { class: "faint", style: { width: width + "%" } }),
          solid > 0 && h("i", { style: { width: width * solid + "%" } })),
        e.figures.map((text, i) => h("span", { class: "figure" + (i ? "" : " first") }, text)),
      ];
    }));
}

/// A number at an axis: "40 µs", not "40.0 µs".
const short = (text) => text.replace(/\.(\d*?)0+(?=\u00a0|$)/, (all, kept) => (kept ? "." + kept : ""));

/// Round values for an axis up to `max`.
function ticks(max, about) {
  const raw = max / about, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((n) => n * power >= raw);
  const list = [];
  for (let i = 0; i * step <= max * 1.0001; ++i) list.push(i * step);
  return list;
}

/// Text below an axis for each run of equal `groups`, and lines between them.
function groupAxis(groups, x, top, bottom) {
  const marks = [];
  let freeFrom = -1e9;
  for (let i = 0; i < groups.length; ) {
    let end = i + 1;
    while (end < groups.length && groups[end] === groups[i]) ++end;
    if (i) marks.push(s("line", { class: "grid", x1: x(i), x2: x(i), y1: top, y2: bottom }));
    const middle = (x(i) + x(end)) / 2, half = 3.4 * groups[i].length;
    if (middle - half > freeFrom && (x(end) - x(i) > 2 * half || groups[i].length < 4)) {
      marks.push(s("text", { x: middle, y: bottom + 17, "text-anchor": "middle" }, groups[i]));
      freeFrom = middle + half + 4;
    }
    i = end;
  }
  return marks;
}

/// Columns in order of `entries` {group, value, solid, kind, tip}; `format`
/// writes a value at the axis.
function columnChart(label, entries, format) {
  const W = 1070, H = 250, left = 58, top = 12, bottom = H - 28;
  const max = largestOf(entries.map((e) => e.value));
  const x = (i) => left + ((W - left) * i) / entries.length;
  const y = (v) => bottom - ((bottom - top) * v) / max;
  const gap = x(1) - x(0) > 5 ? 1 : 0;
  return h("div", { class: "scroll" }, s("svg", { class: "wide", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label },
    ticks(max, 4).map((v) => [
      s("line", { class: v ? "grid" : "axis", x1: left, x2: W, y1: y(v), y2: y(v) }),
      s("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, short(format(v))),
    ]),
    groupAxis(entries.map((e) => e.group), x, top, bottom),
    entries.map((e, i) => {
      const width = Math.max(0.5, x(i + 1) - x(i) - gap);
      const solid = Math.min(1, e.solid === undefined ? 1 : e.solid) * e.value;
      return s("g", { class: e.kind },
        s("rect", { class: "k faint", x: x(i), y: y(e.value), width, height: bottom - y(e.value) }),
        s("rect", { class: "k", x: x(i), y: y(solid), width, height: bottom - y(solid) }),
        s("rect", { class: "hit", x: x(i), y: top, width: x(i + 1) - x(i), height: bottom - top, "data-tip": e.tip }));
    })));
}

/// The workspace: `buffers` {label, bytes, offset, first, last, kind, tip} over
/// the steps, which are in `groups`; `total` is its size, and `peakStep` where
/// it is full.
function workspaceChart(label, buffers, groups, total, peakStep, peakText) {
  const W = 1070, H = 400, left = 66, top = 30, bottom = H - 28;
  const x = (i) => left + ((W - left) * i) / groups.length;
  const y = (v) => bottom - ((bottom - top) * v) / total;
  const peakRight = x(peakStep) > W / 2;
  return h("div", { class: "scroll" }, s("svg", { class: "wide", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label },
    ticks(total, 5).map((v) => [
      s("line", { class: v ? "grid" : "axis", x1: left, x2: W, y1: y(v), y2: y(v) }),
      s("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, short(bytes(v))),
    ]),
    groupAxis(groups, x, top, bottom),
    s("rect", { class: "band", x: x(peakStep), y: top - 8, width: Math.max(1.5, x(peakStep + 1) - x(peakStep)), height: bottom - top + 8 }),
    buffers.map((b) => {
      const width = x(b.last + 1) - x(b.first), height = y(b.offset) - y(b.offset + b.bytes);
      const long = 6.2 * b.label.length + 10;
      const upright = width < long;
      const fits = upright ? width >= 13 && height >= long : height >= 15;
      const textX = x(b.first) + (upright ? width / 2 + 4 : 5);
      const textY = upright ? y(b.offset) - 5 : y(b.offset + b.bytes) + Math.min(height / 2 + 4, 14);
      return s("g", { class: b.kind },
        s("rect", { class: "buffer", x: x(b.first), y: y(b.offset + b.bytes), width, height: Math.max(0.7, height), "data-tip": b.tip }),
        fits && s("text", { class: "inside", x: textX, y: textY, transform: upright && `rotate(-90 ${textX} ${textY})` }, b.label));
    }),
    s("line", { class: "peak", x1: left, x2: W, y1: y(total), y2: y(total) }),
    s("text", { class: "strong", x: x(peakStep) + (peakRight ? 4 : -4), y: top - 12, "text-anchor": peakRight ? "end" : "start" }, peakText)));
}

/// A table of cells with shades. `rows` {label, cells: [{value, text, tip}], sum}.
function heatMap(caption, columns, rows) {
  const largest = largestOf(rows.map((row) => largestOf(row.cells.map((c) => c.value))));
  const small = columns.length > 24;
  return h("div", { class: "scroll" }, h("table", { class: "heat" + (small ? " small" : "") },
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, h("td", { class: "sum" }), columns.map((c, i) =>
      h("th", { scope: "col" }, small && i % 8 ? "" : c)), h("th", {}))),
    h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, row.label),
      row.cells.map((c) => {
        const share = c.value / largest;
        return h("td", { class: share > 0.6 ? "full" : undefined, style: { "--share": (100 * share).toFixed(1) + "%" }, "data-tip": c.tip, "aria-label": small ? c.text : undefined },
          small ? "" : c.text);
      }),
      h("td", { class: "sum" }, row.sum))))));
}

// The sections of the page.

const data = JSON.parse(document.getElementById("data").textContent);
const spec = data.spec, moe = spec.moe, profile = data.profile;

function kindOf(name) {
  if (/(^|\.)router(\.|$)/.test(name)) return "router";
  if (/(^|\.)moe(\.|$)/.test(name)) return "experts";
  if (/(^|\.)attn(\.|$)/.test(name)) return "attention";
  if (/(^|\.)mlp(\.|$)/.test(name)) return "mlp";
  if (/(^|\.)(norm\w*|\w+_norm|ls[12])(\.|$)/.test(name)) return "norm";
  return "ends";
}
/// Where in the model: "stem", "input", "block 3", "router", "output".
function groupOf(name) {
  const block = /^blocks\.(\d+)(\.|$)/.exec(name);
  if (block) return "block " + block[1];
  if (/^router(\.|$)/.test(name)) return "router";
  if (/^stem(\.|$)/.test(name)) return "stem";
  return /^(norm|fc_norm|pool|head|head_dist|logits)(\.|$)/.test(name) ? "output" : "input";
}
const shortName = (name) => name.replace(/^blocks\.\d+\./, "");
/// As a chart's axis has it.
const groupMark = (group) => (group.startsWith("block ") ? group.slice(6) : group);

// The model's items: parts, and parameters that are no part's own -----------

/// Per image, of a profile: microseconds, runs, what was multiplied and moved, and
/// the share of the peak times the microseconds.
const unmeasured = { time: 0, runs: 0, done: 0, moved: 0, weighted: 0 };
const items = data.parts.map((part) => ({
  name: part.name, group: part.layer >= 0 ? "block " + part.layer : groupOf(part.name), kind: kindOf(part.name),
  precision: part.multiplyAdds ? part.kind : "", parameters: 0, isPart: true,
  multiplyAdds: part.multiplyAdds, bytes: part.bytes,
  ...unmeasured,
}));
const itemOf = new Map(items.map((item) => [item.name, item]));
for (const { name, count } of data.parameterGroups) {
  let part = name;
  while (part && !itemOf.has(part)) part = part.slice(0, Math.max(0, part.lastIndexOf(".")));
  if (part) {
    itemOf.get(part).parameters += count;
  } else {
    const item = { name, group: groupOf(name), kind: kindOf(name), precision: "", parameters: count, isPart: false,
      multiplyAdds: 0, bytes: 0, ...unmeasured };
    items.push(item);
    itemOf.set(name, item);
  }
}
/// Of each block and expert: {runs, tokens, gate}.
const usage = new Map();
if (profile) {
  for (const p of profile.parts) {
    const item = items[p.part];
    item.time += p.microseconds / profile.images;
    item.runs += p.runs / profile.images;
    item.done += p.multiplyAdds / profile.images;
    item.moved += p.bytes / profile.images;
    item.weighted += p.shareOfPeak / profile.images;
    if (p.expert === undefined) continue;
    // An expert has several parts; the one that ran most often counts.
    const key = data.parts[p.part].layer + "/" + p.expert;
    if (!usage.has(key) || usage.get(key).runs < p.runs)
      usage.set(key, { runs: p.runs, tokens: p.tokens, gate: p.gate / p.runs });
  }
}
const order = ["stem", "input", ...Array.from({ length: spec.layers }, (_, i) => "block " + i)];
if (moe && moe.shared) order.splice(order.indexOf("block " + moe.layers[0]), 0, "router");
order.push("output");
const groups = new Map(order.map((name) => [name, []]));
for (const item of items) {
  if (!groups.has(item.group)) groups.set(item.group, []);
  groups.get(item.group).push(item);
}
for (const [name, list] of groups) if (!list.length) groups.delete(name);
const inOrder = [...groups.values()].flat();

function sumItems(list) {
  const sum = { parameters: 0, multiplyAdds: 0, bytes: 0, time: 0, done: 0, moved: 0, weighted: 0 };
  for (const item of list) for (const key of Object.keys(sum)) sum[key] += item[key];
  return sum;
}
const total = sumItems(items);
const share = (item) => (item.time ? item.weighted / item.time : 0);
const useText = (u) => u
  ? `chosen for ${exact(u.runs)} of ${plural(profile.images, "image")}, ${percent(u.runs / profile.images)}\n` +
    `mean gate ${u.gate.toFixed(3)}` + (moe.perPatch ? `\n${exact(u.tokens)} tokens, ${digits(u.tokens / profile.images)} per image` : "")
  : "never chosen";
const model = {
  data,
  sum: (names) => sumItems(names.flatMap((name) => groups.get(name) || [])),
  /// How much an expert was used in those of the blocks that have experts,
  /// beside the most used one; null without a profile.
  usage(blocks, expert) {
    if (!profile) return null;
    const layers = blocks.filter((block) => moe.layers.includes(block));
    const used = (e) => layers.map((layer) => usage.get(layer + "/" + e)).filter(Boolean);
    const sum = (e) => used(e).reduce((all, u) => all + (moe.perPatch ? u.tokens : u.runs), 0);
    let most = 1;
    for (let e = 0; e < moe.experts; ++e) most = Math.max(most, sum(e));
    return { share: sum(expert) / most, tip: layers.length === 1
      ? `block ${layers[0]}, expert ${expert}\n` + useText(used(expert)[0])
      : `expert ${expert} of ${layers.length} blocks\n${exact(sum(expert))} ${moe.perPatch ? "tokens" : "times chosen"}` };
  },
};

// Sections -----------------------------------------------------------------

const contents = [];
function section(id, link, title, ...children) {
  contents.push([id, link]);
  document.getElementById("main").append(
    h("section", { id, "aria-labelledby": id + "-title" }, h("h2", { id: id + "-title" }, title), ...children));
}

const weightBytes = data.sections.reduce((sum, entry) => sum + entry.bytes, 0);
const expertBytes = data.sections.filter((entry) => /(^|\.)expert\./.test(entry.name)).reduce((sum, entry) => sum + entry.bytes, 0);
const codeBytes = data.variants.reduce((sum, variant) => sum + variant.codeBytes, 0);

function describe() {
  const classes = spec.hasHead ? plural(spec.classes, "class", "classes") : plural(spec.classes, "feature");
  const text = `A Vision Transformer of ${plural(spec.layers, "block")}, ${spec.width} wide, for images of ${spec.image[1]} × ${spec.image[2]} and ${classes}.`;
  if (!moe) return text;
  const n = moe.layers.length;
  const blocks = n === spec.layers ? "All blocks have" : n === 1 ? `Block ${moe.layers[0]} has` : `${n} of the blocks have`;
  const many = moe.topK > 1 ? `${moe.topK} are` : "one is";
  const chosen = moe.type === "soft" ? `each works on ${plural(moe.slots, "mixture")} of all tokens`
    : moe.type === "expert_choice" ? `each chooses ${moe.capacity} of the ${spec.tokens} tokens`
    : `${many} chosen for ${moe.perPatch ? "each token" : "the whole image"}`;
  return `${text} ${blocks} ${plural(moe.experts, "expert")} instead of an MLP: ${chosen}.`;
}

function keyFigures() {
  const tile = (name, value, sub, meter) => h("div", {}, h("dt", {}, name),
    h("dd", { class: "value" }, value),
    meter !== undefined && h("dd", { class: "meter", "aria-hidden": "true" }, h("i", { style: { width: 100 * meter + "%" } })),
    sub && h("dd", { class: "sub" }, sub));
  const active = data.activeParameters, all = data.parameters;
  return h("dl", { class: "figures" },
    profile && tile("time per image", time(profile.microseconds / profile.images),
      `mean of ${plural(profile.images, "image")}, ${plural(profile.threads, "thread")}, ${unbroken(profile.cpu)}`),
    tile("parameters", count(all), active < all ? `${count(active)} active for ${moe.perPatch ? "a token" : "an image"}, ${percent(active / all)}` : "all active", active < all ? active / all : undefined),
    data.multiplyAdds > 0 && tile("multiply-adds per image", count(data.multiplyAdds), profile && `${digits((2 * total.done * profile.images) / profile.microseconds / 1000)} GFLOP/s, padding included`),
    weightBytes > 0 && tile("weights", bytes(weightBytes), expertBytes ? `of them experts ${bytes(expertBytes)}` : undefined, expertBytes ? 1 - expertBytes / weightBytes : undefined),
    data.workspaceBytes > 0 && tile("workspace", bytes(data.workspaceBytes), "all memory that an inference needs beside the weights"),
    data.fileBytes > 0 && tile("file", bytes(data.fileBytes), codeBytes > 0 && `code ${bytes(codeBytes + data.commonCodeBytes)}`),
    tile("precision", data.precision, data.target),
    data.variants.length > 0 && tile("CPU variants", String(data.variants.length), data.variants.map((v) => unbroken(v.name)).join(", ")));
}

function timeSection() {
  const measured = items.filter((item) => item.time > 0);
  const perImage = profile.microseconds / profile.images;
  const rest = perImage - total.time;
  const kinds = KINDS.map(([kind, label]) => ({ kind, label, ...sumItems(measured.filter((item) => item.kind === kind)) })).filter((entry) => entry.time > 0);
  const tip = (item) => `${item.name}\n${time(item.time)} per image, ${percent(item.time / perImage)}` +
    (item.weighted ? `\n${percent(share(item))} of the peak` : "") +
    (item.done ? `\n${exact(item.done)} multiply-adds` : "") +
    (item.moved ? `\n${bytes(item.moved)}, ${digits(item.moved / item.time / 1000)} GB per second` : "") +
    (item.runs && Math.abs(item.runs - 1) > 1e-9 ? `\nruns ${digits(item.runs)} times per image` : "");
  const column = (item) => ({ group: groupMark(item.group), value: item.time, solid: share(item), kind: item.kind, tip: tip(item) });

  // With very many parts, a column for each block.
  const hasParts = inOrder.filter((item) => item.time > 0).length <= 1200;
  const columns = hasParts ? inOrder.filter((item) => item.time > 0).map(column)
    : [...groups].map(([group, list]) => column({ ...sumItems(list), name: group, group, kind: "rest" }));

  const summed = (by) => {
    if (by === "part") return measured;
    const merged = new Map();
    for (const item of measured) {
      const name = shortName(item.name);
      const into = merged.get(name) || { name, n: 0, kind: item.kind, time: 0, weighted: 0, done: 0, moved: 0 };
      for (const key of ["time", "weighted", "done", "moved"]) into[key] += item[key];
      ++into.n;
      merged.set(name, into);
    }
    return [...merged.values()];
  };
  const largest = (by) => {
    const list = [...summed(by)].sort((a, b) => b.time - a.time);
    const draw = (n) => bars("Time of the largest parts: " + list.slice(0, 5).map((i) => `${i.name} ${time(i.time)}`).join(", "),
      list.slice(0, n).map((item) => ({
        label: item.name + (item.n > 1 ? ` × ${item.n}` : ""), value: item.time, solid: share(item), kind: item.kind, tip: tip(item),
        figures: [time(item.time), percent(item.time / perImage), item.weighted ? percent(share(item)) : "–"],
      })), ["time", "share", "of peak"]);
    const place = h("div", {}, draw(15));
    if (list.length > 15)
      place.append(h("button", { type: "button", class: "plain", onclick: (event) => place.replaceChildren(draw(Math.min(list.length, 600))) },
        list.length <= 600 ? `Show all ${list.length}` : "Show the largest 600"));
    return place;
  };
  const peaks = Object.entries(profile.peakGigaflops).map(([kind, peak]) => `${digits(peak)} GFLOP/s in ${kind}`);

  section("time", "Time", "Where the milliseconds go",
    h("p", {}, `One image takes ${time(perImage)}: the mean of ${plural(profile.images, "image")} with ${plural(profile.threads, "thread")} of ${unbroken(profile.cpu)}; the median is ${time(profile.medianMicroseconds)}.` +
      (perImage > 1.15 * profile.medianMicroseconds ? " That the mean is well above it means that some images were disturbed: by other programs, or by files that were not in memory yet." : "") +
      (profile.imagesLeftOut ? ` The profile has no events of ${plural(profile.imagesLeftOut, "further image")}.` : "")),
    stackedBar("Time by kind of layer", [
      ...kinds.map((entry) => ({ ...entry, value: entry.time, text: `${time(entry.time)}, ${percent(entry.time / perImage)}` })),
      { kind: "rest", label: "between the parts", value: Math.max(0, rest), text: time(Math.max(0, rest)) }]),
    table("Totals of each kind of layer, per image", ["kind", "time", "share", "multiply-adds", "share of peak"],
      [...kinds.map((entry) => [[h("i", { class: "key " + entry.kind }), entry.label], time(entry.time), percent(entry.time / perImage),
        entry.done ? count(entry.done) : "–", entry.weighted ? percent(entry.weighted / entry.time) : "–"]),
      rest > 0 && [[h("i", { class: "key rest" }), "between the parts"], time(rest), percent(rest / perImage), "–", "–"]].filter(Boolean),
      [0, 1, 1, 1, 1]),
    h("h3", {}, `Every ${hasParts ? "part" : "block"}, in the order in which they run`),
    h("p", { class: "note" }, `A column is one ${hasParts ? "part" : "block"}. ` + "Its solid foot is the time that its multiply-adds would take at the processor’s peak; the faint rest is what is lost to memory, short products and other work.",
      peaks.length ? ` The peak, as measured: ${peaks.join(", ")}; a multiply-add is two operations.` : ""),
    hasParts && legend(kinds.map((entry) => [entry.kind, entry.label])),
    columnChart(`Time of ${columns.length} ${hasParts ? "parts" : "blocks"} in order; the table “per block and part” has the figures`, columns, time),
    h("h3", {}, "The largest"),
    switched("What a bar is", [["same", "Same part of all blocks"], ["part", "Each part"]], largest));
}

function expertsSection() {
  const bin = Math.ceil(moe.experts / 128), n = Math.ceil(moe.experts / bin);
  const columns = Array.from({ length: n }, (_, i) => (bin === 1 ? String(i) : `${i * bin}–${Math.min(moe.experts, (i + 1) * bin) - 1}`));
  const metrics = {
    runs: { name: "times chosen", text: exact, of: (u) => u.runs },
    tokens: { name: "tokens per image", text: digits, of: (u) => u.tokens / profile.images },
    gate: { name: "mean gate", text: (v) => (v ? v.toFixed(2) : ""), of: (u) => u.gate },
  };
  const draw = (metric) => {
    const { name, text, of } = metrics[metric];
    const rows = moe.layers.map((layer) => {
      const used = Array.from({ length: moe.experts }, (_, e) => usage.get(layer + "/" + e));
      const cells = columns.map((label, i) => {
        const list = used.slice(i * bin, (i + 1) * bin).filter(Boolean);
        let value = list.reduce((sum, u) => sum + of(u), 0);
        if (metric === "gate" && list.length) value /= list.length;
        return { value, text: list.length ? text(value) : "",
          tip: bin === 1 ? `block ${layer}, expert ${i}\n` + useText(used[i]) : `block ${layer}, experts ${label}\n${list.length} of them used\n${name}: ${text(value) || 0}` };
      });
      const weights = used.map((u) => (u ? (moe.perPatch ? u.tokens : u.runs) : 0)), sum = weights.reduce((a, b) => a + b, 0);
      return { label: "block " + layer, cells,
        sum: `${used.filter(Boolean).length} of ${moe.experts} used` + (sum ? `, the busiest has ${percent(largestOf(weights) / sum)}` : "") };
    });
    return heatMap(`${name} over ${plural(profile.images, "image")}: blocks down, experts across`, columns, rows);
  };
  const options = moe.perPatch ? ["tokens", "runs", "gate"] : ["runs", "gate"];
  section("experts", "Experts", "Which experts are used",
    h("p", {}, `With balanced use, each of the ${moe.experts} would have ${percent(1 / moe.experts)} of the work of its block. `,
      moe.shared ? "One router chooses for all blocks, so their rows are alike." : ""),
    h("div", {}, switched("What a cell shows", options.map((o) => [o, metrics[o].name]), draw)),
    h("p", { class: "note" }, "none", h("span", { class: "ramp", "aria-hidden": "true" }), "most"));
}

function workSection() {
  const timed = Boolean(profile);
  const columns = [["parameters", "parameters", count], ["multiplyAdds", "multiply-adds", count], ["bytes", "bytes moved", bytes]];
  if (timed) columns.push(["time", "time", time]);
  const body = h("tbody", {});
  const cell = ([key, , format], entry, kind, max) => h("td", { class: "num" + (kind ? " " + kind : "") + (entry[key] ? "" : " zero"), title: entry[key] ? (key === "time" ? undefined : exact(entry[key])) : undefined },
    entry[key] ? format(entry[key]) : "–",
    entry[key] > 0 && max && h("span", { class: "cellbar", style: { width: (100 * entry[key]) / max[key] + "%" } }));
  const shareCell = (entry) => timed && h("td", { class: "num" }, entry.weighted ? percent(entry.weighted / entry.time) : "–");
  const max = {}, partMax = {};
  for (const [key] of columns) {
    max[key] = largestOf([...groups.values()].map((list) => sumItems(list)[key]));
    partMax[key] = largestOf(items.map((item) => item[key]));
  }
  const toggles = [];
  for (const [group, list] of groups) {
    const sum = sumItems(list), id = "rows-" + toggles.length;
    const button = h("button", { type: "button", "aria-expanded": "false" },
      group.replace(/^./, (c) => c.toUpperCase()) + (group.startsWith("block ") && moe && moe.layers.includes(Number(group.slice(6))) ? ", experts" : ""));
    const row = h("tr", { class: "group", id }, h("th", { scope: "rowgroup" }, button), h("td", { class: "precision" }),
      columns.map((c) => cell(c, sum, "rest", max)), shareCell(sum));
    let parts = null;
    const set = (open) => {
      button.setAttribute("aria-expanded", open);
      if (open && !parts) {
        parts = list.map((item) => h("tr", { class: "part" },
          h("th", { scope: "row", class: item.kind }, h("i", { class: "key" }), h("span", { class: "name" }, shortName(item.name))),
          h("td", { class: "precision" }, item.precision),
          columns.map((c) => cell(c, item, item.kind, partMax)), shareCell(item)));
        row.after(...parts);
      }
      if (parts) parts.forEach((part) => (part.hidden = !open));
    };
    button.addEventListener("click", () => set(button.getAttribute("aria-expanded") !== "true"));
    toggles.push(set);
    body.append(row);
  }
  const foot = h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "Total"), h("td", { class: "precision" }), columns.map((c) => cell(c, total)), shareCell(total)));
  let open = false;
  const all = h("button", { type: "button", class: "plain", "aria-pressed": "false", onclick: () => {
    open = !open;
    toggles.forEach((set) => set(open));
    all.setAttribute("aria-pressed", open);
    all.textContent = open ? "Close all" : "Open all";
  } }, "Open all");
  section("work", "Work", "Per block and part",
    h("p", { class: "note" }, "Multiply-adds and bytes are per image, of the most expensive choice of experts. Bytes are those that a part reads and writes at least: weights, inputs, outputs. A norm’s scale and shift are folded into the product that follows, so a norm has parameters but moves no weights."),
    toggles.length <= 400 && all,
    h("div", { class: "scroll" }, h("table", {},
      h("caption", {}, "Parameters, multiply-adds, bytes" + (timed ? " and times" : "") + " of each part"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "part"), h("th", { scope: "col", class: "precision" }, "precision"),
        columns.map(([, name]) => h("th", { scope: "col", class: "num" }, name)), timed && h("th", { scope: "col", class: "num" }, "share of peak"))),
      body, foot)));
  return toggles;
}

function workspaceSection() {
  const steps = data.steps;
  const buffers = data.buffers.filter((b) => b.first >= 0 && b.first <= b.last && b.last < steps.length);
  const alive = new Float64Array(steps.length + 1), top = new Float64Array(steps.length);
  for (const b of buffers) {
    alive[b.first] += b.bytes;
    alive[b.last + 1] -= b.bytes;
    for (let i = b.first; i <= b.last; ++i) top[i] = Math.max(top[i], b.offset + b.bytes);
  }
  let sum = 0, most = 0, mostStep = 0, peakStep = 0;
  for (let i = 0; i < steps.length; ++i) {
    sum += alive[i];
    if (sum > most) [most, mostStep] = [sum, i];
    if (top[i] > top[peakStep]) peakStep = i;
  }
  const totalBytes = Math.max(data.workspaceBytes, largestOf(top));
  const range = (b) => (b.first === b.last ? steps[b.first] : `${steps[b.first]} to ${steps[b.last]}`);
  const shown = [...buffers].sort((a, b) => b.bytes - a.bytes).slice(0, 6000).map((b) => ({ ...b, label: b.name.slice(b.name.lastIndexOf(".") + 1), kind: kindOf(b.name),
    tip: `${b.name}\n${bytes(b.bytes)} at ${bytes(b.offset)}\nalive from ${range(b)}, ${plural(b.last - b.first + 1, "step")}` }));
  const kinds = new Set(shown.map((b) => b.kind));
  section("workspace", "Workspace", "The workspace over time",
    h("p", {}, `An inference needs ${bytes(data.workspaceBytes)} beside the weights, planned when the model was compiled; nothing is allocated while it runs. ` +
      `At most ${bytes(most)} are alive at once, at ${steps[mostStep]}: ${percent(most / totalBytes)} of the workspace.`),
    h("p", { class: "note" }, "A rectangle is one buffer: from the step that makes it to the last that reads it on x, its place in the workspace on y. Numbers below are blocks."),
    legend(KINDS.filter(([kind]) => kinds.has(kind))),
    workspaceChart(`${buffers.length} buffers over ${steps.length} steps; the table below has the figures`, shown, steps.map((step) => groupMark(groupOf(step))), totalBytes, peakStep,
      `${bytes(totalBytes)}, first reached at ${steps[peakStep]}`),
    tableBehind("The buffers as a table", () => table("Buffers of the workspace, in the order in which they are made",
      ["made by", "bytes", "offset", "alive"], [...buffers].sort((a, b) => a.first - b.first || a.offset - b.offset).slice(0, 5000)
        .map((b) => [h("span", { class: "name" }, b.name), exact(b.bytes), exact(b.offset), range(b)]), [0, 1, 1, 0])));
}

function fileSection() {
  const shared = weightBytes - expertBytes;
  const known = weightBytes + codeBytes + data.commonCodeBytes, rest = Math.max(0, data.fileBytes - known);
  const entries = [
    { kind: "weights", label: expertBytes ? "weights that every image needs" : "weights", value: shared },
    { kind: "experts", label: "weights of experts", value: expertBytes },
    { kind: "code", label: data.variants.length > 1 ? `code of ${data.variants.length} variants` : "code", value: codeBytes },
    { kind: "common", label: "common code", value: data.commonCodeBytes },
    { kind: "rest", label: "tables, labels, alignment", value: rest },
  ].filter((entry) => entry.value > 0);
  const whole = Math.max(known, data.fileBytes);
  const experts = data.sections.filter((entry) => /(^|\.)expert\./.test(entry.name));
  const sizes = experts.map((entry) => entry.bytes);
  section("file", "File and code", "Where the bytes and kilobytes go",
    stackedBar("What the file consists of", entries.map((entry) => ({ ...entry, text: `${bytes(entry.value)}, ${percent(entry.value / whole)}` }))),
    table(data.fileBytes ? `The file: ${bytes(data.fileBytes)}` : "Weights and code", ["what", "bytes", "exactly", "share"],
      entries.map((entry) => [[h("i", { class: "key " + entry.kind }), entry.label], bytes(entry.value), exact(entry.value), percent(entry.value / whole)]), [0, 1, 1, 1]),
    data.variants.length > 0 && [
      h("h3", {}, "Code of each CPU variant"),
      h("p", { class: "note" }, "The best variant that the CPU can run is chosen when the program starts. All of them share one copy of the weights."),
      bars("Code of each variant: " + data.variants.map((v) => `${v.name} ${bytes(v.codeBytes)}`).join(", "), [
        ...data.variants.map((v) => ({ label: v.name, value: v.codeBytes, kind: "code", figures: [bytes(v.codeBytes)], tip: `${v.name}\n${exact(v.codeBytes)} bytes` })),
        ...(data.commonCodeBytes ? [{ label: "common", value: data.commonCodeBytes, kind: "common", figures: [bytes(data.commonCodeBytes)], tip: `common to all\n${exact(data.commonCodeBytes)} bytes` }] : [])])],
    experts.length > 0 && [
      h("h3", {}, "Weights of the experts"),
      h("p", {}, `${plural(experts.length, "section")} of ${smallestOf(sizes) === largestOf(sizes) ? bytes(sizes[0]) : `${bytes(smallestOf(sizes))} to ${bytes(largestOf(sizes))}`}` +
        (moe && moe.type === "top_k" && !moe.perPatch ? `, of which an image reads ${exact(moe.topK * moe.layers.length)}: one that is not chosen is not loaded into memory.` : ", each on pages of its own: one that no token goes to is not loaded into memory."))],
    data.sections.length > 0 && tableBehind("The sections of weights as a table", () =>
      table("Sections of weights, in the order in which they lie in the file", ["section", "bytes", "share of the weights"],
        data.sections.slice(0, 5000).map((entry) => [h("span", { class: "name" }, entry.name), exact(entry.bytes), percent(entry.bytes / weightBytes)]), [0, 1, 1])));
}

// The page -----------------------------------------------------------------

const header = document.getElementById("top");
header.append(h("h1", {}, data.displayName || data.name), h("p", { class: "lead" }, describe()), keyFigures());
section("model", "Model", "The model",
  h("p", { class: "note" }, "Outputs are tokens × width. A line that passes a branch by is the residual stream, to which the branch is added. Colours are those of the charts below" +
    (!moe ? "." : profile ? "; the fuller an expert’s box, the more it was used." : moe.type === "top_k" ? "; the filled experts stand for a choice." : ".")),
  drawModel(model));
if (profile) timeSection();
if (profile && moe) expertsSection();
const toggles = items.length ? workSection() : [];
if (data.buffers.length && data.steps.length) workspaceSection();
if (data.sections.length || data.variants.length) fileSection();
header.after(h("nav", { "aria-label": "Sections" }, h("ul", {}, contents.map(([id, link]) => h("li", {}, h("a", { href: "#" + id }, link))))));
document.getElementById("foot").append(`Made by moe-compile from ${data.displayName || data.name}. MB are 1,000,000 bytes. Nothing on this page is loaded from elsewhere.`);
startTips();
// On paper, what is folded is shown.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details.table").forEach((details) => (details.open = true));
  if (toggles.length <= 100) toggles.forEach((set) => set(true));
});
document.documentElement.dataset.drawn = contents.map(([id]) => id).join(" ");

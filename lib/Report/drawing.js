// The model, drawn from the image to the answer.

const arrow = () => h("span", { class: "arrow", "aria-hidden": "true" }, "→");
const box = (kind, title, detail) => h("span", { class: "box " + kind }, title, detail && h("small", {}, detail));
const chain = (boxes) => boxes.filter(Boolean).flatMap((b, i) => (i ? [arrow(), b] : [b]));
const times = (sizes) => sizes.join("\u00a0×\u00a0");
const square = ([a, b]) => `${a}×${b}`;

/// What a residual branch is made of, below the line that passes it by.
const branch = (...boxes) =>
  h("div", { class: "branch" + (boxes.filter(Boolean).length > 3 ? " long" : "") }, chain(boxes), arrow(), h("span", { class: "plus", "aria-label": "added to what the branch began with" }, "+"));

/// A picture of how the image is cut.
function gridPicture([rows, columns]) {
  const shownRows = Math.min(rows, 16), shownColumns = Math.min(columns, 16);
  const at = (i, n) => 0.5 + (45 * i) / n;
  const line = (x1, y1, x2, y2) => s("line", { x1, y1, x2, y2, stroke: "var(--ends)", "stroke-width": 0.8 });
  return s("svg", { viewBox: "0 0 46 46", "aria-hidden": "true" },
    s("rect", { x: 0.5, y: 0.5, width: 45, height: 45, fill: "var(--surface)", stroke: "var(--ends)" }),
    Array.from({ length: shownRows - 1 }, (_, i) => line(0.5, at(i + 1, shownRows), 45.5, at(i + 1, shownRows))),
    Array.from({ length: shownColumns - 1 }, (_, i) => line(at(i + 1, shownColumns), 0.5, at(i + 1, shownColumns), 45.5)));
}

function attentionBranch(spec) {
  return branch(
    box("norm", "norm"),
    box("attention", "attention", `${plural(spec.heads, "head")} of ${spec.width / spec.heads}` + (spec.qkNorm ? ", q and k normed" : "")),
    spec.layerScale && box("norm", "× γ"));
}

function denseFlow(spec) {
  return h("div", { class: "flow" }, attentionBranch(spec),
    branch(box("norm", "norm"),
      box("mlp", "MLP", `${spec.width} → ${spec.mlpWidth} → ${spec.width}, ${spec.activation}`),
      spec.layerScale && box("norm", "× γ")));
}

function routingText(moe, tokens) {
  if (moe.type === "soft") return `${plural(moe.slots, "slot")} each, means of all tokens`;
  if (moe.type === "expert_choice") return `each takes ${moe.capacity} of ${tokens} tokens`;
  const chosen = `${moe.topK} of ${moe.experts}`;
  if (!moe.perPatch) return `${chosen} for the whole image`;
  return `${chosen} for each token` + (moe.capacity ? `, at most ${moe.capacity} tokens each` : "");
}

function routerBox(spec) {
  const moe = spec.moe;
  const input = moe.perPatch ? "each token" : moe.input === "cls" ? "class token" : "mean of the patches";
  const detail = moe.type === "soft" ? `dispatch and combine, ${exact(moe.experts * moe.slots)} slots`
    : `${input} → ${moe.experts}` + (moe.type === "top_k" ? `, top ${moe.topK}` : ", expert choice") +
      (moe.normalize ? ", gates sum to 1" : "") + (moe.batchPriority ? ", by priority" : "");
  return box("router", moe.type === "soft" ? "soft router" : "router", detail);
}

/// The experts as a row of boxes; `usage(expert)` is {share, tip} or null
/// without a profile, when the boxes of one choice are marked.
function expertBank(spec, usage) {
  const moe = spec.moe, shown = Math.min(moe.experts, 64);
  const widths = moe.expertWidths, widest = largestOf(widths);
  const all = moe.type !== "top_k";
  return h("span", { class: "box experts" },
    `${plural(moe.experts, "expert")}`,
    h("span", { class: "bank", role: "img", "aria-label": routingText(moe, spec.tokens) },
      Array.from({ length: shown }, (_, e) => {
        const used = usage(e);
        const share = used ? used.share : all || e < moe.topK ? 0.5 : 0;
        return h("b", {
          class: share > 0.6 ? "full" : undefined,
          style: { "--share": (100 * share).toFixed(0) + "%", ...(widths.length ? { height: 12 + (18 * widths[e]) / widest + "px" } : {}) },
          "data-tip": used ? used.tip : `expert ${e}\n${spec.width} → ${widths.length ? widths[e] : spec.mlpWidth} → ${spec.width}`,
        }, String(e));
      }),
      moe.experts > shown && h("span", { class: "more" }, `and ${exact(moe.experts - shown)} more`)),
    h("small", {}, routingText(moe, spec.tokens)),
    h("small", {}, `${spec.width} → ` +
      (widths.length ? `${smallestOf(widths)} to ${widest}` : spec.mlpWidth) + ` → ${spec.width}, ${spec.activation}`));
}

function moeFlow(spec, usage) {
  const moe = spec.moe;
  return h("div", { class: "flow" }, attentionBranch(spec),
    branch(box("norm", "norm"),
      !moe.shared && routerBox(spec),
      moe.sharedExpertWidth
        ? h("span", { class: "stacked" }, expertBank(spec, usage), h("span", { class: "box experts" },
            "shared expert", h("small", {}, `all tokens; ${spec.width} → ${moe.sharedExpertWidth} → ${spec.width}`)))
        : expertBank(spec, usage),
      box("experts", "Σ gate\u00a0·\u00a0expert" + (moe.sharedExpertWidth ? " + shared" : "")),
      spec.layerScale && box("norm", "× γ")));
}

/// `model` has the rows' figures: see page.js.
function drawModel(model) {
  const spec = model.data.spec, moe = spec.moe, timed = Boolean(model.data.profile);
  const tokens = (n) => times([n, spec.width]);

  const row = (title, what, shape, groups, content, extra) => {
    const sum = model.sum(groups);
    const cell = (name, text, tip) => h("div", { class: "cell", "data-tip": tip }, h("small", {}, name), text || "–");
    return h("div", { class: "row" + (extra && extra.last ? " last" : "") },
      h("div", { class: "title" }, h("h4", {}, title), what && h("span", { class: "what" }, what), extra && extra.badge),
      cell("output", shape),
      cell("parameters", sum.parameters && count(sum.parameters), sum.parameters ? "parameters\n" + exact(sum.parameters) : undefined),
      cell("multiply-adds", sum.multiplyAdds && count(sum.multiplyAdds), sum.multiplyAdds ? "multiply-adds\n" + exact(sum.multiplyAdds) : undefined),
      timed && cell("time", sum.time && time(sum.time)),
      content && h("div", { class: "content" }, content));
  };

  const rows = [];
  rows.push(row("Image", `${times(spec.image)}, float32, normalised`, times(spec.image), []));
  if (spec.stem.length)
    rows.push(row("Stem", plural(spec.stem.length, "convolution"),
      times(((l) => [l.channels, l.height, l.width])(spec.stem[spec.stem.length - 1])), ["stem"],
      h("div", { class: "chips" }, chain(spec.stem.map((l, i) =>
        box("ends", (l.depthwise ? "depthwise " : "conv ") + square(l.kernel) + (l.stride[0] > 1 || l.stride[1] > 1 ? `, stride ${l.stride[0] === l.stride[1] ? l.stride[0] : square(l.stride)}` : ""),
          `→ ${times([l.channels, l.height, l.width])}` + (l.activation ? ", " + l.activation : "") +
            (l.residual ? `, + input of layer ${i + 1 - l.residual}` : "")))))));
  const prefix = [spec.classToken && "class token", spec.distillationToken && "distillation token",
    spec.registers && plural(spec.registers, "register")].filter(Boolean);
  rows.push(row("Patch embedding", undefined, tokens(spec.tokens), ["input"],
    h("div", { class: "patchrow" }, gridPicture(spec.grid),
      h("div", {}, h("div", {}, `${square(spec.grid)} patches of ${square(spec.patch)}, each → ${spec.width}`),
        h("div", { class: "what", style: { "margin-left": 0 } },
          (prefix.length ? prefix.join(", ") + " and " : "") + plural(spec.patches, "patch token", "patch tokens") + ", position embedding" + (spec.preNorm ? ", norm" : ""))))));

  const isMoE = new Set(moe ? moe.layers : []);
  // The shared router stands in front of this block.
  const routerAt = moe && moe.shared ? moe.layers[0] : -1;
  const flow = (block, usage) => (isMoE.has(block) ? moeFlow(spec, usage) : denseFlow(spec));
  const kind = (block) => (isMoE.has(block) ? "with experts" : "dense");
  const outOf = (block) => tokens(block === spec.layers - 1 ? spec.answerTokens : spec.tokens);
  const blockRow = (block) =>
    row(`Block ${block}`, kind(block), outOf(block), ["block " + block], flow(block, (e) => model.usage([block], e)));
  /// Of `n` times `period` blocks from `first` on.
  const foldedRow = (first, period, n) => {
    const last = first + n * period - 1;
    const blocks = Array.from({ length: n * period }, (_, i) => first + i);
    const flows = Array.from({ length: period }, (_, i) => [
      period > 1 && h("div", { class: "what turn" }, `${first + i}, ${first + i + period}, …: ${kind(first + i)}`),
      flow(first + i, (e) => model.usage(blocks.filter((_, j) => j % period === i), e))]);
    return row(`Blocks ${first} to ${last}`, period > 1 ? "in turn" : kind(first), outOf(last), blocks.map((b) => "block " + b), flows,
      { badge: [h("span", { class: "times" }, "× " + n), h("span", { class: "open" })] });
  };
  // A last block with fewer tokens has less work.
  const alike = (a, b) => kind(a) === kind(b) && outOf(a) === outOf(b) &&
    model.sum(["block " + a]).multiplyAdds === model.sum(["block " + b]).multiplyAdds;
  /// How blocks repeat from `first` on, as [period, times]: none if hardly.
  const repetition = (first) => {
    for (let period = 1; period <= 4; ++period) {
      let end = first;
      while (end < spec.layers && (end === first || end !== routerAt) && (end < first + period || alike(end, end - period))) ++end;
      const n = Math.floor((end - first) / period);
      if (n > (period > 1 ? 2 : timed && isMoE.has(first) ? 3 : 1)) return [period, n];
    }
    return null;
  };
  for (let i = 0; i < spec.layers; ) {
    if (i === routerAt)
      rows.push(row("Router", "one for all blocks with experts", plural(moe.experts, "logit"), ["router"], h("div", { class: "chips" }, routerBox(spec))));
    const repeated = repetition(i);
    if (!repeated) {
      rows.push(blockRow(i++));
      continue;
    }
    const first = i, [period, n] = repeated, inside = h("div", {});
    const fold = h("details", { class: "fold" }, h("summary", {}, foldedRow(first, period, n)), inside);
    fold.addEventListener("toggle", () => {
      if (!inside.children.length)
        for (let j = first; j < first + n * period; ++j) inside.append(blockRow(j));
    });
    rows.push(fold);
    i += n * period;
  }

  const pools = { cls: "class token", mean: "mean of", max: "maximum of", avgmax: "mean and maximum of" };
  const pool = pools[spec.pool] + (spec.pool === "cls" ? "" : spec.poolIncludesPrefix ? " all tokens" : " the patch tokens");
  const head = spec.hasHead && box("ends", "head", `${spec.width} → ${spec.classes}`);
  const norm = box("norm", spec.fcNorm ? "fc_norm" : "norm");
  const poolBox = box("ends", "pool", pool);
  rows.push(row(spec.hasHead ? "Head" : "Features", spec.distillationHead ? "mean of two heads" : undefined,
    spec.hasHead ? plural(spec.classes, "logit") : exact(spec.classes), ["output"],
    h("div", { class: "chips" },
      chain(spec.fcNorm ? [poolBox, norm, head] : [norm, poolBox, head]),
      spec.distillationHead && box("ends", "head_dist", `distillation token, ${spec.width} → ${spec.classes}`)),
    { last: true }));

  return h("div", { class: "model" + (timed ? " timed" : "") },
    h("div", { class: "columns", "aria-hidden": "true" },
      ["", "output", "para\u00admeters", "multiply-adds", timed && "time"].filter((t) => t !== false).map((t) => h("span", {}, t))),
    rows);
}

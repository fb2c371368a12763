"""Tables and plots of the results."""

import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

matplotlib.rcParams["svg.hashsalt"] = "moe"  # the same file for the same data
PEER = "onnxruntime"


def _cell(value, form):
    return "–" if value is None else format(value, form)


def _percent(value):
    return _cell(value and 100 * value, ".1f")


def _bound(result, variant):
    """The ratio to the peer if every cycle did nothing but multiply-adds."""
    peak = result["peaks"].get(variant)
    flops = 2 * result["multiply_adds"]
    return None if peak is None else result["peer_ms"] * peak * 1e6 / flops


def speed_table(results):
    """One row a model: our milliseconds per CPU variant, the peer's, ratios,
    and the share of the multiply-add peak."""
    head = ["model", "variant", "ms", "GFLOP/s", "% of peak", f"{PEER} ms", "ratio"]
    head += ["at the peak"]
    head += ["2 threads: ms", f"{PEER} ms", "ratio"]
    rows = []
    for result in results:
        for variant, own in result["ours"].items():
            first = variant == result["best_variant"]
            rows.append(
                [
                    result["model"],
                    variant.replace("x86-64-", ""),
                    _cell(own["ms"], ".3f"),
                    _cell(own["gflops"], ".0f"),
                    _cell(own["percent_of_peak"], ".0f"),
                    _cell(result["peer_ms"], ".3f"),
                    _cell(result["peer_ms"] / own["ms"], ".2f"),
                    _cell(_bound(result, variant), ".2f"),
                    _cell(result["ours_2_threads_ms"] if first else None, ".3f"),
                    _cell(result["peer_2_threads_ms"] if first else None, ".3f"),
                    _cell(result["ratio_2_threads"] if first else None, ".2f"),
                ]
            )
    return markdown(head, rows)


def precision_table(results):
    """One row a model, lower precision and CPU variant: milliseconds, beside f32
    with the same CPU level and the peer in f32 and in the same precision; what
    the weights take; how much the answers are like f32's."""
    head = ["model", "precision", "variant", "ms", "f32/ours"]
    head += [f"{PEER} f32 ms", "ratio", "same precision", "ratio"]
    head += ["weights %", "binary MB", "compile s"]
    head += ["cosine", "same experts %", f"{PEER}'s cosine"]
    rows = []
    for result in results:
        for precision, low in result.get("precisions", {}).items():
            peer = low.get("peer_ms")
            for variant, ms in low["ours_ms"].items():
                f32 = result["ours"].get(variant.split("+")[0])
                row = [
                    result["model"],
                    precision,
                    variant.replace("x86-64-", ""),
                    _cell(ms, ".3f"),
                    _cell(f32 and f32["ms"] / ms, ".2f"),
                    _cell(result["peer_ms"], ".3f"),
                    _cell(result["peer_ms"] / ms, ".2f"),
                    _cell(peer, ".3f"),
                    _cell(peer and peer / ms, ".2f"),
                ]
                once = [
                    _percent(low["weight_share"]),
                    _cell(low["binary_bytes"] / 1e6, ".1f"),
                    _cell(low["compile_seconds"], ".1f"),
                    _cell(low["cosine"], ".5f"),
                    _percent(low["same_experts"]),
                    _cell(low.get("peer_cosine"), ".5f"),
                ]
                first = variant == low["best_variant"]
                rows.append(row + (once if first else ["–"] * len(once)))
    return markdown(head, rows) if rows else None


def summary(result):
    """One line a precision: our best variant beside the peer."""
    best = result["ours"][result["best_variant"]]["ms"]
    lines = [("", best, result["peer_ms"], "")]
    for precision, low in result["precisions"].items():
        ms = low["ours_ms"][low["best_variant"]]
        note = f", cosine {low['cosine']:.5f}"
        if low["same_experts"] is not None:
            note += f", same experts {_percent(low['same_experts'])} %"
        lines.append((f" {precision}", ms, result["peer_ms"], note))
        if "peer_ms" in low:
            lines.append((f" {precision}", ms, low["peer_ms"], f" in {precision}"))
    return "\n".join(
        f"{result['model']}{precision}: {ms:.3f} ms, {PEER} {peer:.3f} ms, "
        f"{peer / ms:.2f}x{note}"
        for precision, ms, peer, note in lines
    )


def footprint_table(results):
    head = ["model", "compile s", "binary MB", "alignment KB", "code KB"]
    head += [f"{PEER} MB"]
    head += ["cold start ms", "beyond one inference", "after a drop"]
    head += [PEER, "peak MB", "allowed", PEER]
    rows = []
    for result in results:
        size, cold, peer = result["size"], result["cold"], result["peer_cold"]
        warm = result["ours"][result["best_variant"]]["ms"]
        rows.append(
            [
                result["model"],
                _cell(result["compile_seconds"], ".1f"),
                _cell(size["binary"] / 1e6, ".1f"),
                _cell(size["alignment"] / 1e3, ".0f"),
                _cell(size["beyond_weights"] / 1e3, ".0f"),
                _cell(size["peer"] / 1e6, ".1f"),
                _cell(cold["milliseconds"], ".1f"),
                _cell(cold["milliseconds"] - warm, ".1f"),
                _cell(result["cold_read_back"]["milliseconds"] - warm, ".1f"),
                _cell(peer["milliseconds"], ".0f"),
                _cell(cold["peak_kb"] * 1.024e-3, ".1f"),
                _cell(result["allowed_bytes"] * 1e-6, ".1f"),
                _cell(peer["peak_kb"] * 1.024e-3, ".0f"),
            ]
        )
    return markdown(head, rows)


def patch_table(results):
    """One row a model of routing: patch: how its tokens were spread, and which
    form of the peer was the fastest."""
    head = ["model", "experts used a block", "tokens each", "weights read, MB"]
    head += ["million multiply-adds", "ours ms", f"{PEER} ms", "ratio", "its form"]
    forms = list(dict.fromkeys(f for r in results for f in r["peer_forms_ms"]))
    head += forms
    rows = []
    for result in results:
        own = result["ours"][result["best_variant"]]["ms"]
        tokens = result["tokens"]
        rows.append(
            [
                result["model"],
                _cell(result["busy_experts"], ".1f"),
                f"{tokens['least']} to {tokens['most']}, mean {tokens['mean']:.1f}",
                _cell(result["bytes_read"] * 1e-6, ".0f"),
                _cell(result["multiply_adds"] * 1e-6, ".0f"),
                _cell(own, ".3f"),
                _cell(result["peer_ms"], ".3f"),
                _cell(result["peer_ms"] / own, ".2f"),
                result["peer_form"],
                *(_cell(result["peer_forms_ms"].get(form), ".3f") for form in forms),
            ]
        )
    return markdown(head, rows)


def growth_table(results):
    """Models that differ only in their number of experts, each beside the one
    with the fewest."""
    head = ["model", "tokens an expert", "experts used a block", "multiply-adds"]
    head += ["weights read", "ours ms", "ratio", f"{PEER} ms", "ratio"]
    rows = []
    for series in dict.fromkeys(result["series"] for result in results):
        group = [result for result in results if result["series"] == series]
        if len(group) < 2:
            continue
        group.sort(key=lambda result: result["experts"])
        own = [result["ours"][result["best_variant"]]["ms"] for result in group]
        for result, ms in zip(group, own):

            def times(key):
                return _cell(result[key] / group[0][key], ".2f")

            rows.append(
                [
                    result["model"],
                    _cell(result["tokens"]["mean"], ".1f"),
                    _cell(result["busy_experts"], ".1f"),
                    times("multiply_adds"),
                    times("bytes_read"),
                    _cell(ms, ".3f"),
                    _cell(ms / own[0], ".2f"),
                    _cell(result["peer_ms"], ".3f"),
                    times("peer_ms"),
                ]
            )
    return markdown(head, rows) if rows else None


def markdown(head, rows):
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, *rows]]
    lines.insert(1, "|---" + "|---:" * (len(head) - 1) + "|")
    return "\n".join(lines)


def plot_times(results, path):
    """Milliseconds of the MoE models, side by side."""
    rows = [result for result in results if result["is_moe"]]
    series = {PEER: [row["peer_ms"] for row in rows]}
    for variant in rows[0]["ours"]:
        series["ours, " + variant] = [row["ours"][variant]["ms"] for row in rows]
    for precision, low in rows[0].get("precisions", {}).items():
        lows = [row["precisions"][precision] for row in rows]
        if "peer_ms" in low:
            series[f"{PEER}, {precision}"] = [low["peer_ms"] for low in lows]
        variant = low["best_variant"]
        label = f"ours, {precision}, {variant}"
        series[label] = [low["ours_ms"][variant] for low in lows]
    figure, axes = plt.subplots(figsize=(9, 4))
    width = 0.8 / len(series)
    for i, (label, values) in enumerate(series.items()):
        places = [j + i * width - 0.4 + width / 2 for j in range(len(rows))]
        axes.bar(places, values, width, label=label)
    axes.set_yscale("log")
    axes.set_ylabel("milliseconds per image, one thread")
    names = [row["model"].removesuffix(" MoE") for row in rows]
    axes.set_xticks(range(len(rows)), names, rotation=45, ha="right")
    axes.legend()
    _save(figure, path)


def plot_roofline(results, peaks, bandwidth, path):
    """GFLOP/s over arithmetic intensity: flops for each byte of weight that an
    inference reads."""
    figure, axes = plt.subplots(figsize=(7, 4.5))
    best = max(peaks, key=peaks.get)
    low, high = 1, 400
    ridge = peaks[best] / bandwidth
    axes.plot([low, ridge, high], [low * bandwidth, peaks[best], peaks[best]], "k-")
    axes.annotate(f"multiply-adds, {peaks[best]:.0f} GFLOP/s", (40, peaks[best] * 1.08))
    axes.annotate(f"memory, {bandwidth:.0f} GB/s", (1.1, 1.4 * bandwidth), rotation=38)
    for result in results:
        own = result["ours"][result["best_variant"]]
        x = 2 * result["multiply_adds"] / result["bytes_read"]
        peer = 2 * result["multiply_adds"] / result["peer_ms"] * 1e-6
        axes.plot(x, own["gflops"], "o", color="C0" if result["is_moe"] else "C2")
        axes.plot(x, peer, "x", color="C1")
    for style, color, label in (
        ("o", "C0", "ours, MoE"),
        ("o", "C2", "ours, dense"),
        ("x", "C1", PEER),
    ):
        axes.plot([], [], style, color=color, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(10, 2 * peaks[best])
    axes.set_xlabel("flops per byte of weight read")
    axes.set_ylabel("GFLOP/s, one thread")
    axes.legend(loc="lower right")
    _save(figure, path)


def _save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def write(folder, document):
    """table.md and the plots from what results.json holds."""
    results = document["results"]
    patch_results = document.get("patch_results", [])
    with open(os.path.join(folder, "table.md"), "w", encoding="utf-8") as file:
        machine = document["machine"]
        print(f"`{document['command']}`, {document['date']}: {machine['cpu']},", file=file)
        peaks = ", ".join(f"{k} {v:.0f}" for k, v in document["peaks"].items())
        print(f"peak GFLOP/s of one core: {peaks};", file=file)
        print(f"onnxruntime-node {machine['onnxruntime']}.\n", file=file)
        tables = speed_table, precision_table, footprint_table
        texts = [table(results) for table in tables if results]
        tables = speed_table, patch_table, growth_table
        texts += [table(patch_results) for table in tables if patch_results]
        print("\n\n".join(text for text in texts if text), file=file)
    if any(result["is_moe"] for result in results):
        plot_times(results, os.path.join(folder, "times.svg"))
    if results:
        plot_roofline(
            results,
            document["peaks"],
            document["bandwidth"],
            os.path.join(folder, "roofline.svg"),
        )

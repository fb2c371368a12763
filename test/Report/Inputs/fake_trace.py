"""A trace for a page's model, as its executable would write one.

    fake_trace.py PAGE TRACE [IMAGES]

Times are made up from the multiply-adds and bytes that the page has.
"""

import json
import random
import sys

from page import page_data


def choose(rng, spec):
    """The experts of one image, the first ones more often."""
    moe = spec["moe"]
    weights = [1 / (1 + 0.7 * e) for e in range(moe["experts"])]
    if not moe["perPatch"]:
        picked = set()
        while len(picked) < moe["topK"]:
            picked.update(rng.choices(range(moe["experts"]), weights))
        return [(e, rng.uniform(0.2, 0.9), spec["tokens"], 1 / moe["topK"]) for e in sorted(picked)]
    tokens = [0] * moe["experts"]
    for e in rng.choices(range(moe["experts"]), weights, k=spec["tokens"] * moe["topK"]):
        tokens[e] += 1
    return [(e, rng.uniform(0.2, 0.9), n, n / sum(tokens)) for e, n in enumerate(tokens) if n]


def make_trace(data, images):
    rng = random.Random(1)
    moe = data["spec"].get("moe")
    peak = 130e9
    events, now = [], 0.0
    for image in range(images):
        start = now
        chosen = {}
        for part in data["parts"]:
            # Expert, gate, tokens, and the share of the part's work.
            runs = [(-1, 1.0, 0, 1.0)]
            if ".moe.fc" in part["name"]:
                key = 0 if moe["shared"] else part["layer"]
                if key not in chosen:
                    chosen[key] = choose(rng, data["spec"])
                runs = chosen[key]
            for expert, gate, tokens, share in runs:
                adds, size = int(part["multiplyAdds"] * share), int(part["bytes"] * share)
                least = adds / peak * 1e6
                duration = least / rng.uniform(0.8, 0.97) + size / 40e9 * 1e6 * rng.uniform(0.6, 1)
                args = {"layer": part["layer"], "multiply_adds": adds, "bytes": size}
                if adds:
                    args["share_of_peak"] = least / duration
                if expert >= 0:
                    args.update(expert=expert, gate=gate, tokens=tokens)
                events.append({"name": part["name"], "cat": "part", "ph": "X", "ts": now,
                               "dur": duration, "pid": 1, "tid": 1, "args": args})
                now += duration + 0.05
        events.append({"name": f"{image}.png", "cat": "image", "ph": "X", "ts": start,
                       "dur": now - start, "pid": 1, "tid": 1, "args": {}})
    return {
        "traceEvents": events,
        "otherData": {"model": data["name"], "precision": data["precision"],
                      "cpu_variant": "x86-64-v4", "threads": 1, "images": images,
                      "images_left_out": 0, "peak_gigaflops": {"f32": 2 * peak / 1e9}},
    }


if __name__ == "__main__":
    images = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    with open(sys.argv[2], "w") as file:
        json.dump(make_trace(page_data(sys.argv[1]), images), file)

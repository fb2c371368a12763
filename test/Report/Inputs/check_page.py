#!/usr/bin/env python3
"""Opens reports in headless Chromium and looks at what was drawn."""

import argparse
import html
import json
import os
import re
import subprocess

from fake_trace import make_trace
from page import chromium, page_data

SMALL = {
    "image_size": 32, "patch_size": 8, "hidden_size": 48, "num_hidden_layers": 6,
    "num_attention_heads": 3, "intermediate_size": 96, "num_classes": 10,
}
MODELS = {
    "dense": {"distillation_token": True, "num_register_tokens": 2, "layer_scale": True},
    "image-routing": {
        "name": "</script><img src=x onerror=alert(1)><b>&amp;",
        "moe": {"layers": {"last": 3}, "num_experts": 5, "top_k": 2},
    },
    "patch-routing": {
        "stem": [{"out_channels": 8, "stride": 2, "activation": "hardswish"},
                 {"depthwise": True}, {"out_channels": 8, "residual": 1}],
        "patch_size": 4, "class_token": False, "qk_norm": True,
        "moe": {"layers": {"every": 2}, "num_experts": 8, "top_k": 2, "routing": "patch",
                "capacity_factor": 1.5, "shared_expert_intermediate_size": 32,
                "expert_intermediate_sizes": [96, 96, 48, 48, 48, 24, 24, 24]},
    },
    "many-experts": {
        "pool": "avgmax", "fc_norm": True, "pre_norm": True, "head": "none", "num_classes": None,
        "moe": {"layers": [1, 2, 3, 4, 5], "num_experts": 300, "routing": "patch",
                "slots_per_expert": 1, "router": {"type": "soft"}},
    },
}
# Added to a copy of the page: press and open all, again and again while there is
# something new, then say how many there were.
PRESS = """<script>
let seen = new Set(), found = true;
while (found) {
  found = false;
  for (const e of document.querySelectorAll("button, summary"))
    if (!seen.has(e) && seen.add(e)) { e.click(); found = true; }
}
dispatchEvent(new Event("beforeprint"));
document.documentElement.dataset.pressed = seen.size;
</script>"""


def expect(condition, *what):
    if not condition:
        raise SystemExit("error: " + " ".join(map(str, what)))


def count(dom, pattern):
    return len(re.findall(pattern, dom))


def check_drawn(dom, data, name):
    profile, moe = data.get("profile"), data["spec"].get("moe")
    sections = ["model", *(["time"] if profile else []), *(["experts"] if profile and moe else []),
                "work", "workspace", "file"]
    expect(f'data-drawn="{" ".join(sections)}"' in dom, name, "is not drawn in full")
    for section in sections:
        expect(f'<section id="{section}"' in dom, name, "has no section", section)
    expect(count(dom, r'<rect class="buffer"') == len(data["buffers"]), name, "lacks buffers")
    title = html.escape(data["displayName"], quote=False)
    expect(f"<h1>{title}</h1>" in dom, name, "does not show its name")
    expect("<img" not in dom, name, "has an element that a name made")
    expect(not re.search(r"\b(NaN|undefined|Infinity)\b", re.sub(r"<script.*?</script>", "", dom, flags=re.S)),
           name, "shows what is no number")
    if profile:
        timed = {part["part"] for part in profile["parts"] if part["microseconds"] > 0}
        expect(count(dom, r'<rect class="hit"') == len(timed), name, "lacks columns")
    if profile and moe:
        heat = re.search(r'<table class="heat.*?</table>', dom, re.S).group(0)
        shown = -(-moe["experts"] // -(-moe["experts"] // 128))
        expect(count(heat, r"<td[^>]*--share") == shown * len(moe["layers"]), name, "lacks cells")
        chosen = max(part["runs"] for part in profile["parts"] if "expert" in part)
        expect(chosen <= profile["images"], name, "has an expert that ran more often than there are images")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fake-report", required=True)
    parser.add_argument("--work", required=True)
    args = parser.parse_args()

    def path(name):
        return os.path.join(args.work, name)

    for name, changes in MODELS.items():
        fields = {key: value for key, value in {**SMALL, **changes}.items() if value is not None}
        with open(path(name + ".json"), "w") as file:
            json.dump(fields, file)
        plain, page = path(name + "-plain.html"), path(name + ".html")
        trace = path(name + ".trace.json")
        subprocess.run([args.fake_report, path(name + ".json"), plain], check=True)
        with open(trace, "w") as file:
            json.dump(make_trace(page_data(plain), 5), file)
        subprocess.run([args.fake_report, path(name + ".json"), page, trace], check=True)

        dom, console = chromium(plain, "--dump-dom", dark=True)
        expect(not console, name, "says on the console:", *console)
        check_drawn(dom, page_data(plain), name)

        pressed = path(name + "-pressed.html")
        with open(page) as source, open(pressed, "w") as file:
            file.write(source.read().replace("</body>", PRESS + "</body>"))
        dom, console = chromium(pressed, "--dump-dom")
        expect(not console, name, "says on the console, with a profile:", *console)
        check_drawn(dom, page_data(page), name)
        parts = len(page_data(page)["parts"])
        expect(count(dom, r'<tr class="part"') >= parts, name, "does not show all parts")
        expect(int(re.search(r'data-pressed="(\d+)"', dom).group(1)) > 12, name, "has few buttons")
        print(name, "is drawn")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Checks the traces that --profile writes of real models, and the page that
moe-compile --report makes of them.

    profile_parts.py --moe-compile build/bin/moe-compile --work DIR

All widths are multiples of 16, so that only the keys of the tokens are filled up to
one: the multiply-adds of a trace are those of --info and that padding.
"""

import argparse
import json
import os
import re
import shutil
import sys

import numpy as np

import harness
import oracle
import random_model

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "Report", "Inputs"))
import check_page  # noqa: E402
from page import chromium, page_data  # noqa: E402

SPEC = {
    "image_size": 32,
    "patch_size": 8,
    "num_channels": 4,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 96,
    "num_classes": 16,
}
EVEN = dict(SPEC, class_token=False)  # 16 tokens
IMAGE = {"layers": {"last": 1}, "num_experts": 16, "top_k": 2}
# Specification, precision, and the parts' kinds, of which there must be no others.
MODELS = {
    "dense": (EVEN, "f32", {"f32"}),
    "image": (dict(EVEN, moe=IMAGE), "f32", {"f32"}),
    "patch": (
        dict(EVEN, moe=dict(IMAGE, routing="patch", capacity_factor=2.0)),
        "f32",
        {"f32"},
    ),
    # 17 tokens, of which the last block takes one, whose attention has no keys.
    "odd": (dict(SPEC, moe=dict(IMAGE, layers=[0, 1])), "f32", {"f32"}),
    "bf16": (dict(SPEC, moe=IMAGE), "bf16", {"f32", "bf16"}),
    "int8": (dict(EVEN, moe=IMAGE), "int8", {"f32", "int8"}),
}
IMAGES = 3


def expect(condition, message):
    if not condition:
        raise harness.Failure(message)


def padding(name, spec, parts):
    """Multiply-adds of keys that are no token's."""
    more = -spec.tokens % 16
    total = 0
    for layer in range(spec.layers):
        rows = 1 if layer == spec.layers - 1 and spec.pool == "cls" else spec.tokens
        # Without keys, a query is as wide as the model for each head.
        few = f"blocks.{layer}.attn.query" in parts
        total += rows * more * spec.hidden * (spec.heads if few else 1)
    expect((total > 0) == (name in ("odd", "bf16")), f"{name}: padding is {total}")
    return total


def nanoseconds(microseconds):
    return round(1000 * microseconds)


def check_image(name, spec, image, parts, answer, table):
    """An image's event and those of its parts, and its answer."""
    end = nanoseconds(image["ts"]) + nanoseconds(image["dur"])
    at = nanoseconds(parts[0]["ts"])
    expect(at >= nanoseconds(image["ts"]), f"{name}: a part before its image")
    for part in parts:
        begin = nanoseconds(part["ts"])
        expect(begin == at, f"{name}: a gap of {begin - at} ns before {part['name']}")
        at += nanoseconds(part["dur"])
    expect(at <= end, f"{name}: a part after its image")
    for field in ("multiply_adds", "bytes"):
        total = sum(part["args"][field] for part in parts)
        found = image["args"][field]
        # A part in several pieces has its work by their time, rounded.
        expect(
            abs(found - total) <= len(parts),
            f"{name}: {field}: {found}, of all parts {total}",
        )
    found = {part["name"] for part in parts}
    expect(found <= set(table), f"{name}: not in the table: {found - set(table)}")
    working = {part for part, work in table.items() if work > 0}
    expect(working <= found, f"{name}: no event of {working - found}")
    check_experts(name, spec, parts, answer)


def check_experts(name, spec, parts, answer):
    """Each chosen expert has one event of each of its layers, and no other has."""
    for layer in ("fc1", "fc2"):
        found = []
        for part in parts:
            match = re.fullmatch(rf"blocks\.(\d+)\.moe\.{layer}", part["name"])
            if not match:
                continue
            args = part["args"]
            expect(args["layer"] == int(match[1]), f"{name}: {part}")
            entry = {key: args[key] for key in ("layer", "expert", "gate")}
            rows = spec.tokens
            if spec.routing == "patch":
                rows = entry["tokens"] = args["tokens"]
            elif args["layer"] == spec.layers - 1 and spec.pool == "cls":
                rows = 1
            found.append(entry)
            products = rows * spec.hidden * spec.intermediate
            expect(
                args["multiply_adds"] == products,
                f"{name}: {part}: expected {products} multiply-adds",
            )
            weights = spec.hidden * spec.intermediate
            least = weights * {"int8": 1, "bf16": 2, "f32": 4}[args["kind"]]
            expect(args["bytes"] > least, f"{name}: {part}: weights are {least} bytes")
        key = lambda entry: (entry["layer"], entry["expert"])
        expected = sorted(answer["experts"], key=key)
        found.sort(key=key)
        same = len(found) == len(expected) and all(
            f.keys() == e.keys()
            and all(abs(f[k] - e[k]) <= 1e-6 * abs(e[k]) for k in f)
            for f, e in zip(found, expected)
        )
        expect(same, f"{name}: expected experts {expected}, found {found}")


def split(events):
    """(image, parts) of each image."""
    images = []
    for event in events:
        if event["ph"] != "X":
            continue
        if event["cat"] == "image":
            images.append((event, []))
        else:
            images[-1][1].append(event)
    return images


def check_trace(name, model, executable, table):
    """Runs the images. Returns the path of the trace."""
    path = model["path"](f"trace-{executable.cpu}.json")
    spec = model["spec"]
    _, answers = executable.infer(
        model["images"], model["folder"], options=["--profile", path]
    )
    with open(path) as file:
        trace = json.load(file)
    images = split(trace["traceEvents"])
    expect(len(images) == IMAGES, f"{name}: {len(images)} images in the trace")
    info = executable.info()
    kinds = set()
    for (image, parts), answer in zip(images, answers):
        expect(image["name"] == answer["input"], f"{name}: {image}")
        check_image(name, spec, image, parts, answer, table)
        kinds |= {p["args"]["kind"] for p in parts if p["args"]["multiply_adds"]}
        expected = info["multiply_adds"] + padding(name, spec, {p["name"] for p in parts})
        found = image["args"]["multiply_adds"]
        if spec.routing == "patch":
            # Of tokens that find no place, --info cannot know.
            taken = sum(entry["tokens"] for entry in answer["experts"])
            left_out = spec.tokens * spec.top_k - taken
            expected -= left_out * 2 * spec.hidden * spec.intermediate
        expect(found == expected, f"{name}: expected {expected}, found {found}")
    expect(kinds == model["kinds"], f"{name}: kinds {kinds}")
    return path


def text_size(binary):
    """Bytes of the file's sections with code."""
    text = harness.run(["readelf", "-SW", binary]).stdout.decode()
    sections = re.findall(r"\] \.text\S*\s+\S+\s+\S+ \S+ (\w+) \S+\s+AX", text)
    return sum(int(size, 16) for size in sections)


def check_data(name, data, binary, traces):
    """What is in a page with a profile."""
    sizes = [variant["codeBytes"] for variant in data["variants"]]
    expect(sizes and all(size > 0 for size in sizes), f"{name}: {data['variants']}")
    total, found = sum(sizes), text_size(binary)
    expect(total <= found, f"{name}: code of {total} bytes, .text has {found}")
    expect(data["fileBytes"] == os.path.getsize(binary), f"{name}: size of the file")
    profile = data["profile"]
    expect(profile["images"] == IMAGES * len(traces), f"{name}: {profile['images']}")
    found = {}
    for part in profile["parts"]:
        if "expert" in part and data["parts"][part["part"]]["name"].endswith(".fc1"):
            layer = data["parts"][part["part"]]["layer"]
            found[layer, part["expert"]] = part["runs"]
    expected = {}
    for path in traces:
        with open(path) as file:
            events = json.load(file)["traceEvents"]
        for event in events:
            args = event.get("args", {})
            if event["name"].endswith(".moe.fc1"):
                key = args["layer"], args["expert"]
                expected[key] = expected.get(key, 0) + 1
    expect(found == expected, f"{name}: experts' runs {found}, expected {expected}")


def check_page_errors(args, target, model, trace, foreign):
    """Traces that are not this model's, or broken: an error, and nothing is made."""
    with open(trace) as file:
        text = file.read()
    bad = model["path"]("bad.json")
    page, out = model["path"]("none.html"), model["path"]("none")
    cases = {
        "no such file": (None, "cannot open"),
        "empty": ("", "bad.json: "),
        "no JSON": ("traceEvents", "bad.json: "),
        "cut short": (text[: len(text) // 2], "bad.json: "),
        "cut at the end": (text.rstrip()[:-1], "bad.json: "),
        "other part": (text.replace(".norm1", ".norm7"), "the model has no part"),
        "other model": (foreign, "the model has no part"),
        "other name": (text.replace('"model": "', '"model": "my-'), "otherData.model"),
        "other precision": (text.replace('"precision": "f32', '"precision": "int8'), "otherData.precision"),
        "no events": ('{"traceEvents": []}', "bad.json: "),
    }
    for what, (content, message) in cases.items():
        if os.path.exists(bad):
            os.remove(bad)
        if content is not None:
            with open(bad, "w") as file:
                file.write(content)
        command = [args.moe_compile, model["json"], "-o", out, f"--report={page}"]
        # The good one before it does not help.
        command += [f"--profile-data={trace}", f"--profile-data={bad}"]
        done = harness.run([*command, *target.options], (1,))
        text_ = done.stderr.decode()
        expect(text_.startswith(f"error: {bad}: ") and message in text_, f"{what}: {text_}")
        expect(text_.count("\n") == 1, f"{what}: {text_}")
        for path in (page, out):
            expect(not os.path.exists(path), f"{what}: {path} is there")


def check_model(args, target, name, foreign):
    data, precision, kinds = MODELS[name]
    folder = os.path.abspath(os.path.join(args.work, name))
    path = lambda file: os.path.join(folder, file)
    spec_path = random_model.write_model(folder, data, 1, stem=name)
    spec = oracle.load_spec(spec_path)
    images = random_model.random_images(spec, IMAGES, 3)
    model = {
        "path": path,
        "folder": folder,
        "json": spec_path,
        "spec": spec,
        "images": images,
        "kinds": kinds,
    }
    binary, page = path("model"), path("page.html")
    command = [args.moe_compile, spec_path, "-o", binary, f"--precision={precision}"]
    command += [*target.options, f"--report={page}"]
    # A page is about several variants, a trace about one.
    if name not in args.pages and not args.target:
        command.append("--cpu=native")
    harness.run(command)
    plain = page_data(page)
    expect("profile" not in plain, f"{name}: a profile of nothing")
    table = {
        part["name"]: part["multiplyAdds"] + part.get("multiplyAddsPerToken", 0)
        for part in plain["parts"]
    }
    traces = [
        check_trace(name, model, executable, table)
        for executable in target.executables(binary)
    ]
    if name not in args.pages:
        print(f"{name}: ok", flush=True)
        return traces[0]
    if foreign:
        with open(foreign) as file:
            check_page_errors(args, target, model, traces[0], file.read())
    # Two of one CPU add up; that of another is for another page.
    executable = target.executables(binary)[-1]
    first = model["path"]("first.json")
    os.rename(traces.pop(), first)
    traces = [first, check_trace(name, model, executable, table)]
    harness.run([*command, *(f"--profile-data={trace}" for trace in traces)])
    check_data(name, page_data(page), binary, traces)
    drawn = ""
    if shutil.which("chromium"):
        dom, console = chromium(page, "--dump-dom")
        expect(not console, f"{name}: {console}")
        check_page.check_drawn(dom, page_data(page), name)
        drawn = ", drawn"
    print(f"{name}: ok, with its page{drawn}", flush=True)
    return traces[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--models", nargs="*", choices=tuple(MODELS), default=tuple(MODELS))
    parser.add_argument("--pages", nargs="*", default=("image", "patch"))
    harness.add_target_options(parser)
    args = parser.parse_args()
    args.moe_compile = os.path.abspath(args.moe_compile)
    target = harness.Target(args)
    foreign = None
    for name in args.models:
        foreign = check_model(args, target, name, foreign)


if __name__ == "__main__":
    try:
        main()
    except harness.Failure as failure:
        sys.exit(f"error: {failure}")

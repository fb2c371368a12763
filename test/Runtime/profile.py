"""--profile: a trace in Chrome's format.

usage: profile.py PROGRAM FOLDER"""

import json
import os
import resource
import subprocess
import sys

import numpy as np

from harness import Model, check, json_lines

program, folder = sys.argv[1:]
model = Model(program, folder, experts=4, refused=3, channels=1, height=1, width=4)
values = np.zeros((6, 1, 1, 4), np.float32)
values[:, 0, 0, 0] = [0, 1, 3, 2, 0, 1]
x = model.path('x "quoted".npy')
np.save(x, values)
trace = model.path("trace.json")


def refuse(name):
    sys.exit(f"error: {name} in the trace is not JSON")


def read(path=trace):
    with open(path) as file:
        return json.load(file, parse_constant=refuse)


def nanoseconds(microseconds):
    result = round(microseconds * 1000)
    check(abs(microseconds * 1000 - result) < 1e-3, f"{microseconds} is not whole")
    return result


# multiply-adds and bytes of each part, as FakeModel.c has them.
PARTS = {
    "patch_embed": (1000000, 4000),
    'blocks.1.attn "qkv"': (500, 100),
    "blocks.1.fc1": (3 * 2000, 200 + 3 * 300),  # three tokens
    "head": (0, 50),
}


def check_trace(found, names, threads):
    events = found["traceEvents"]
    check({e["ph"] for e in events} == {"X", "M"}, "kinds of events")
    meta = {e["name"]: e["args"]["name"] for e in events if e["ph"] == "M"}
    plural = "s" if threads > 1 else ""
    check(meta == {"process_name": "fake_model",
                   "thread_name": f"inference, {threads} thread{plural}"}, f"{meta}")  # fmt: skip
    events = [e for e in events if e["ph"] == "X"]
    check(all((e["pid"], e["tid"]) == (1, 1) for e in events), "process and thread")
    images = [e for e in events if e["cat"] == "image"]
    check([e["name"] for e in images] == names, f"images: {[e['name'] for e in images]}")
    check(len(events) == len(images) * 5, f"{len(events)} events of {len(images)} images")
    end = 0
    for i, image in enumerate(images):
        start = nanoseconds(image["ts"])
        check(start >= end, f"{image} overlaps with the one before")
        end = start + nanoseconds(image["dur"])
        # The parts follow each other without a gap, within their image.
        at = start
        parts = events[5 * i + 1 : 5 * i + 5]
        check([p["name"] for p in parts] == list(PARTS), f"parts: {parts}")
        for part in parts:
            begin = nanoseconds(part["ts"])
            check(begin >= at if part is parts[0] else begin == at, f"{part} does not begin at {at}")
            at = begin + nanoseconds(part["dur"])
            args = part["args"]
            check((args["multiply_adds"], args["bytes"]) == PARTS[part["name"]], f"{part}")
            if args["multiply_adds"]:
                speed = 2 * args["multiply_adds"] / nanoseconds(part["dur"])
                check(abs(args["gigaflops"] - speed) <= 1e-5 * speed, f"{part}: expected {speed}")
                check(0 < args["share_of_peak"] <= 1, f"{part}")
            else:
                check("gigaflops" not in args and "share_of_peak" not in args, f"{part}")
        check(at <= end, f"{parts[-1]} ends after its image")
        check(image["args"]["multiply_adds"] == sum(p[0] for p in PARTS.values()), f"{image}")
        check(image["args"]["bytes"] == sum(p[1] for p in PARTS.values()), f"{image}")
        check(0 < image["args"]["share_of_peak"] <= 1, f"{image}")
        first, attention, expert, last = (p["args"] for p in parts)
        check("layer" not in first and first["kind"] == "f32" and "expert" not in first, f"{first}")
        check(attention["layer"] == 1 and attention["kind"] == "int8", f"{attention}")
        check("layer" not in last and "kind" not in last, f"{last}")
        check((expert["layer"], expert["gate"], expert["tokens"]) == (1, 0.5, 3), f"{expert}")
    return [e["args"]["expert"] for e in events if "expert" in e["args"]]


for threads in (1, 2):
    status, out, err = model.run(
        "--format=json", "--threads", str(threads), "--tensor", x, "--profile", trace
    )
    check(status == 1 and err.count(b"\n") == 1, f"exit {status}: {err!r}")
    check(len(json_lines(out)) == 5, f"{out!r}")
    found = read()
    # The one that failed is not in there.
    experts = check_trace(found, [f"{x}[{i}]" for i in (0, 1, 3, 4, 5)], threads)
    check(experts == [0, 1, 2, 0, 1], f"experts: {experts}")
    other = found["otherData"]
    peaks = other.pop("peak_gigaflops")
    check(other == {"model": "fake_model", "target": "x86_64-linux-gnu", "precision": "f32",
                    "cpu_variant": "plain", "threads": threads, "images": 5,
                    "images_left_out": 0}, f"{other}")  # fmt: skip
    # There is no loop for bf16.
    check(set(peaks) == {"f32", "int8"} and min(peaks.values()) > 0, f"{peaks}")

# The answers and the time of a benchmark are as without; its runs are in there,
# its warm-up is not.
status, out, err = model.run("--benchmark=50", f"--profile={trace}", "--format=json")
check(status == 0 and json_lines(out)[0]["runs"] == 50, f"{err!r}")
check_trace(read(), ["benchmark"] * 50, 1)
status, out, err = model.run("--benchmark=3", "--profile", trace, "--tensor", x)
names = [f"{x}[{i}]" for i in (0, 1, 3, 4, 5)] + ["benchmark"] * 3
check(status == 1, f"exit {status}")
check_trace(read(), names, 1)

# A long run: what is left out is counted.
status, out, err = model.run("--benchmark=33000", "--profile", trace)
check(status == 0, f"exit {status}: {err!r}")
found = read()
images = sum(e.get("cat") == "image" for e in found["traceEvents"])
other = found["otherData"]
check((other["images"], other["images_left_out"]) == (images, 33000 - images), f"{other}")
check(images == 32768, f"{images} images")

# Whole or not at all.
model.error("--profile", "/dev/full", "--benchmark=1", expected="/dev/full: cannot write: not a regular file")
with open(trace, "w") as out:
    out.write("before")
done = subprocess.run(
    [program, "--profile", trace, "--benchmark=200"],
    env=model.env,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000)),
    restore_signals=False,
)
check(done.returncode == 1, f"a full disk: exit {done.returncode}")
check(b"trace.json: cannot write: File too large" in done.stderr, f"{done.stderr!r}")
with open(trace) as file:
    check(file.read() == "before", "a failure has changed the existing file")
left = sorted(os.listdir(folder))
check(left == sorted([os.path.basename(x), "trace.json"]), f"left: {left}")
print("ok")

"""Many inputs: order, batches, threads, memory.

usage: stream.py PROGRAM FOLDER [--sanitized]"""

import json
import os
import select
import subprocess
import sys

import numpy as np

from harness import Image, Model, check, json_lines, random_image, without_times

program, folder = sys.argv[1:3]
sanitized = "--sanitized" in sys.argv
rng = np.random.default_rng(11)
model = Model(program, folder)
REFUSED = 77.0

# Images and tensors in any order, some of which fail, each in its own way.
pictures = []
for i in range(30):
    pictures.append(model.path(f"{i:02}.png"))
    size = int(rng.integers(4, 200))
    random_image(rng, size, size).save(pictures[-1])
damaged = model.path("damaged.png")
with open(pictures[0], "rb") as source, open(damaged, "wb") as out:
    out.write(source.read()[:-20])
values = rng.standard_normal((90,) + model.shape).astype(np.float32)
values[:, 0, 0, 0] = rng.integers(0, 8, len(values))
values[[20, 60], 0, 0, 0] = REFUSED
rows = model.path("rows.npy")
np.save(rows, values)
wrong = model.path("wrong.npy")
np.save(wrong, values[0, 0])

inputs, names = [], []
for i, picture in enumerate(pictures):
    inputs.append(picture)
    names.append(picture)
    if i % 10 == 3:
        for path in (model.path("missing.png"), damaged):
            inputs.append(path)
            names.append("error: " + path)
    if i in (0, 15):
        inputs += ["--tensor", rows, "--tensor", wrong]
        for row in range(len(values)):
            failed = "error: " if values[row, 0, 0, 0] == REFUSED else ""
            names.append(f"{failed}{rows}[{row}]")
        names.append("error: " + wrong)
failed = [n.startswith("error: ") for n in names]


def answers(settings, *arguments):
    """(stdout and stderr as one, logits) of all inputs."""
    changed = Model(program, folder, refused=REFUSED, **settings)
    logits = model.path("all.npy")
    done = subprocess.run(
        [program, "--format=json", "--logits", logits, *arguments, *inputs],
        env=changed.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    check(done.returncode == 1, f"exit {done.returncode}: {arguments} {done.stdout[-1000:]!r}")
    with open(logits, "rb") as file:
        return done.stdout, file.read()


expected = {}
for experts in (0, 8):
    for threads in (1, 2, 3):
        # Models without stages know no batches.
        for batch in (1, 2, 7, 32, None) if experts else (None,):
            log = model.path("log")
            if os.path.exists(log):
                os.remove(log)
            settings = {"experts": experts, "stages": 1, "log": log} if experts else {}
            arguments = ["--threads", str(threads)] + (["--batch", str(batch)] if batch else [])
            out, logits = answers(settings, *arguments)
            out = without_times(out)
            first = expected.setdefault(experts, (out, logits))
            what = f"{experts} experts, {threads} threads, batches of {batch}"
            check(out == first[0], f"{what}: other answers: {out!r}")
            check(logits == first[1], f"{what}: other logits")
            if not experts:
                continue
            with open(log) as lines:
                runs = [line.split() for line in lines]
            order = [int(expert) for stage, expert in runs if stage == "experts"]
            check(len(order) == failed.count(False), f"{what}: {len(order)} runs of the experts")
            changes = 1 + sum(a != b for a, b in zip(order, order[1:]))
            # Sorted, a full batch of 32 has 8 experts at most; batches may be
            # cut short where there is nothing to wait for.
            if batch == 32:
                check(changes < len(order) / 2, f"{what}: {changes} times another expert")
            elif batch == 1:
                check(changes > len(order) / 2, f"{what}: {changes} times another expert")

    # Each input in its place, errors too.
    found = []
    for line in expected[experts][0].decode().splitlines():
        found.append(json.loads(line)["input"] if line[0] == "{" else line)
    check(len(found) == len(names), f"{len(found)} lines, expected {len(names)}")
    for line, name in zip(found, names):
        check(line == name or line.startswith(name + ": "), f"found {line}, expected {name}")
    array = np.load(model.path("all.npy"))
    check((np.isnan(array).all(axis=1) == failed).all(), "rows of NaN")
    check((np.isfinite(array).all(axis=1) != failed).all(), "rows of numbers")
    tensors = array[[n.startswith(rows) for n in names]].reshape((2, -1) + model.shape)
    kept = values[values[:, 0, 0, 0] != REFUSED]
    check((tensors == kept).all(), "the answers of tensors")

# Several images at once, if there are as many as threads.
report = model.path("report")
for threads, at_once in ((1, 1), (2, 2)):
    slow = Model(program, folder, microseconds=3000, report=report)
    status, out, err = slow.run("--threads", str(threads), "--format=json", *pictures)
    check(status == 0 and len(json_lines(out)) == len(pictures), f"{status} {err!r}")
    with open(report) as file:
        found = json.load(file)["at_once"]
    check(found == at_once, f"{threads} threads ran {found} images at once")

# Answers do not wait for inputs that are not there yet.
for settings in ({}, {"experts": 8, "stages": 1}):
    for threads in ("1", "2"):
        pipe = Model(program, folder, **settings)
        process = subprocess.Popen(
            [program, "--format=json", "--threads", threads, "--tensor", "-"],
            env=pipe.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        data = open(rows, "rb").read()
        header = len(data) - values.nbytes
        at = 0
        for row in range(4):
            end = header + (row + 1) * values[0].nbytes
            process.stdin.write(data[at:end])
            process.stdin.flush()
            at = end
            ready, _, _ = select.select([process.stdout], [], [], 60)
            check(ready, f"no answer to row {row}: {settings}, {threads} threads")
            line = json.loads(os.read(process.stdout.fileno(), 65536))
            check(line["input"] == f"-[{row}]", f"{line}")
        process.stdin.write(data[at:])
        process.stdin.close()
        rest = process.stdout.read().splitlines()
        check(process.wait() == 0 and len(rest) == len(values) - 4, f"{rest}")

# An image from standard input, among others.
with open(pictures[3], "rb") as file:
    stdin = file.read()
status, out, err = model.run("--format=json", "--threads=2", *pictures[:3], "-", pictures[4], stdin=stdin)
check(status == 0, f"exit {status}: {err!r}")
found = [line["input"] for line in json_lines(out)]
check(found == pictures[:3] + ["-", pictures[4]], f"{found}")

# Ten times as many inputs take no more memory.
if not sanitized:
    picture = model.path("large.png")
    random_image(rng, 100, 100).save(picture)
    for settings in ({}, {"experts": 8, "stages": 1, "workspace": 200000}):
        large = Model(program, folder, height=64, width=64, report=report, **settings)
        for arguments in ([], ["--threads=2"]):
            used = []
            for count in (100, 1000):
                status, out, err = large.run("--format=json", *arguments, *[picture] * count)
                check(status == 0 and len(json_lines(out)) == count, f"{status} {err!r}")
                with open(report) as file:
                    used.append(json.load(file)["kib"])
            # An allocator that serves several threads is not exact.
            check(used[1] <= used[0] + 2048, f"{used} KiB: {settings} {arguments}")
print("ok")

"""--experts: in the executable, or in files of their own.

usage: experts.py PROGRAM FOLDER"""

import os
import shutil
import struct
import subprocess
import sys

import numpy as np

from harness import Model, check, json_lines

program, folder = sys.argv[1:]
EXPERTS = 4  # in each of two blocks


def write_expert(path, index, value, id=None, magic=b"MOEXPERT", size=68):
    with open(path, "wb") as out:
        header = struct.pack("<8sQq40x", magic, 1000 + index if id is None else id, 68)
        out.write((header + struct.pack("<f", value)).ljust(size, b"\0")[:size])


def write_all(directory):
    os.makedirs(directory, exist_ok=True)
    for index in range(2 * EXPERTS):
        write_expert(os.path.join(directory, f"expert-{index}"), index, 2.0**index)


# In the executable: all that may be said about them changes no answer.
model = Model(program, folder, channels=1, height=1, width=4)
x = model.path("x.npy")
values = np.zeros((4, 1, 1, 4), np.float32)
values[:, 0, 0, 0] = np.arange(4)
np.save(x, values)
for settings, arguments in (({}, ["--experts=preload"]), ({}, ["--experts", "mmap"]), ({"preload": 1}, [])):
    changed = Model(program, folder, channels=1, height=1, width=4, **settings)
    found, _ = changed.logits(*arguments, "--tensor", x)
    check((found == values).all(), f"{settings} {arguments}: {found}")

# In files, in a folder beside the executable.
own = model.path("bin/own-program")
os.makedirs(os.path.dirname(own), exist_ok=True)
shutil.copy(program, own)
parts = model.path("bin/parts")
write_all(parts)
expected = values.copy()
for i in range(4):
    expected[i, 0, 0, 0] += 2.0**i + 2.0 ** (EXPERTS + (i + 1) % EXPERTS)


def filed(**settings):
    settings = dict({"experts": EXPERTS, "files": "parts"}, **settings)
    return Model(own, folder, channels=1, height=1, width=4, **settings)


there = ["--tensor", x]
files = filed()
for settings, arguments in (
    ({}, []),
    ({}, ["--experts=preload"]),
    ({}, ["--threads=2"]),
    ({}, ["--threads=3", "--batch=1"]),
    ({"stages": 1}, []),
    ({"stages": 1}, ["--threads=2", "--batch=2"]),
    ({"preload": 1}, []),
    ({"files": parts}, []),
    ({"files": "nowhere"}, ["--experts=file:" + parts]),
    ({"files": "nowhere"}, ["--experts=file:" + os.path.relpath(parts) + "/"]),
):
    found, _ = filed(**settings).logits(*arguments, *there)
    check((found == expected).all(), f"{settings} {arguments}: {found}")
files.error("--experts=mmap", x, expected="this model's experts are files", code=2)

# A file that cannot be used is an error where its expert is chosen, and there
# only. Input 1 chooses experts 1 and 4 + 2.
bad = os.path.join(parts, "expert-6")
for what, make, reason in (
    ("missing", lambda: None, "cannot open: No such file or directory"),
    ("folder", lambda: os.mkdir(bad), "not a regular file"),
    ("other", lambda: write_expert(bad, 6, 0, id=0xABCDEF),
     "is of another model or version: expected id 00000000000003ee, found 0000000000abcdef"),
    ("magic", lambda: write_expert(bad, 6, 0, magic=b"SAFETENS"), "expected it to start with 'MOEXPERT'"),
    ("short", lambda: write_expert(bad, 6, 0, size=67), "truncated: expected 68 bytes, found 67"),
    ("header", lambda: write_expert(bad, 6, 0, size=20), "truncated: expected 68 bytes, found 20"),
    ("empty", lambda: write_expert(bad, 6, 0, size=0), "truncated: expected 68 bytes, found 0"),
    ("long", lambda: write_expert(bad, 6, 0, size=69), "wrong size: expected 68 bytes, found 69"),
):  # fmt: skip
    if os.path.isdir(bad):
        os.rmdir(bad)
    elif os.path.exists(bad):
        os.remove(bad)
    make()
    for settings in ({}, {"stages": 1}):
        for arguments in ([], ["--threads=2"]):
            found, err = filed(**settings).logits(*arguments, *there, code=1)
            check(np.isnan(found[1]).all(), f"{what}: {found}")
            check((found == expected)[[0, 2, 3]].all(), f"{what}: {found}")
            lines = err.decode().splitlines()
            wanted = f"error: {x}[1]: expert file {bad}: "
            check(len(lines) == 1 and lines[0].startswith(wanted), f"{what}: {lines}")
            check(reason in lines[0], f"{what}: expected {reason}, found {lines}")
    files.error("--experts=preload", *there, expected=f"fake_model: expert file {bad}: ")

# A file that comes later is found.
os.remove(bad)
process = subprocess.Popen(
    [own, "--format=json", "--tensor", "-"],
    env=files.env,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
)
with open(x, "rb") as source:
    data = source.read()
head = len(data) - values[0].nbytes * 3
# The input in the middle is the one that lacks its expert.
stream = data[:head] + data[head : head + values[0].nbytes] * 3
process.stdin.write(stream[: head + values[0].nbytes])
process.stdin.flush()
line = process.stderr.readline().decode()
check("[1]: expert file" in line, f"{line}")
write_expert(bad, 6, 2.0**6)
out, err = process.communicate(stream[head + values[0].nbytes :])
names = [line["input"] for line in json_lines(out)]
check(names == ["-[0]", "-[2]", "-[3]"] and err == b"", f"{names} {err!r}")

# A long path is cut from its front, so that the cause is seen.
deep = model.path("/".join(["d" * 100] * 5))
status, _, err = files.run("--experts=file:" + deep, *there)
lines = err.decode().splitlines()
check(status == 1 and len(lines) == 4, f"{lines}")
check(all(l.endswith(": cannot open: No such file or directory") for l in lines), f"{lines}")
print("ok")

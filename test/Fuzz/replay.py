"""Runs moe-opt on each file of a folder, with the passes in its first line, as
fuzz-moe-opt does. Whatever happens, it is no crash.

usage: replay.py MOE_OPT FOLDER"""

import os
import re
import subprocess
import sys

moe_opt, folder = sys.argv[1:]
names = sorted(os.listdir(folder))
if not names:
    sys.exit(f"error: {folder} is empty")
for name in names:
    path = os.path.join(folder, name)
    with open(path, "rb") as file:
        first = file.readline().decode().strip()
    passes = first.removeprefix("// PASSES: ")
    if passes == first:
        passes = ""
    # moe-opt's options find the ops that a pass is for, as the fuzzer does.
    options = [
        f"--{name}={options}" if options else f"--{name}"
        for name, options in re.findall(r"([a-z][a-z0-9-]*)(?:\{([^}]*)\})?", passes)
    ]
    done = subprocess.run(
        [moe_opt, path, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=300
    )
    if done.returncode not in (0, 1):
        error = done.stderr.decode("utf-8", "replace")[-3000:]
        sys.exit(f"error: {path}: moe-opt ends with {done.returncode}: {error}")
print(f"{len(names)} inputs")

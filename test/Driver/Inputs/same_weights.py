"""Fails unless a Mach-O file has the weights of an ELF object: each section's bytes
at the beginning of a page of 16 KiB.

    same_weights.py ELF MACHO
"""

import os
import re
import subprocess
import sys
import tempfile


def dump(path, section):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "bytes")
        option = f"--dump-section={section}={out}"
        subprocess.run(["llvm-objcopy", option, path, os.devnull], check=True)
        with open(out, "rb") as file:
            return file.read()


elf, macho = sys.argv[1:]
text = subprocess.run(
    ["llvm-readelf", "--sections", elf], check=True, stdout=subprocess.PIPE
).stdout.decode()
names = re.findall(r"\] (\.moe\.\S+)", text)
weights = dump(macho, "__TEXT,__moe_weights")
pages = [weights[at:] for at in range(0, len(weights), 1 << 14)]
for name in names:
    expected = dump(elf, name).rstrip(b"\0")
    if not any(page.startswith(expected) for page in pages):
        sys.exit(f"{macho}: no page begins with {name}")
if len(names) < 2:
    sys.exit(f"{elf}: found only {names}")

#!/usr/bin/env python3
"""What one inference reads from disk and holds in memory, by the number of experts.

    bench/expert_memory.py --moe-compile build/bin/moe-compile --output build/bench/experts

Models are 12x192 on 224x224 in patches of 32 with E experts in the last two blocks, of
which the whole image takes one (f32). Ours is measured with each --experts, and
onnxruntime (build/bench/node_modules) with the same weights as `Gather` and as `If`,
with the weights in the .onnx file and in one beside it (external data), of which it
maps what it does not copy.

Before each process its files are dropped from the page cache. After its first answer it
is left waiting, and these are read:

- `read`: read_bytes of /proc/PID/io, what the process had fetched from the disk, the
  kernel's reading ahead included, less what the process had read before it was given
  the model (Node.js itself);
- `resident`: how much of the model's files is in the page cache then (mincore);
- RSS and peak (VmHWM) of /proc/PID/status, RSS also by what backs it: files or nothing.
"""

import argparse
import ctypes
import glob
import io
import json
import mmap
import os
import subprocess
import sys

import numpy as np

import models
from experts import PAGE, drop_from_cache

PEER = os.path.join(models.HERE, "peer.js")


def resident_bytes(path):
    """How much of a file is in the page cache."""
    size = os.path.getsize(path)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    with open(path, "rb") as file:
        with mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE) as mapped:
            begin = ctypes.c_char.from_buffer(mapped)
            pages = (ctypes.c_ubyte * -(-size // PAGE))()
            if libc.mincore(ctypes.addressof(begin), size, pages) != 0:
                raise OSError(ctypes.get_errno(), "mincore")
            count = sum(page & 1 for page in pages)
            del begin
    return min(count * PAGE, size)


def numbers(path, suffix=""):
    """The numbers of a file of /proc with lines `name: number`."""
    found = {}
    with open(path) as file:
        for line in file:
            name, _, value = line.partition(":")
            value = value.removesuffix(suffix + "\n").strip()
            if value.isdigit():
                found[name] = int(value)
    return found


def read_bytes(pid):
    return numbers(f"/proc/{pid}/io")["read_bytes"]


class Process:
    """A process that answers what is written to it, and waits for more."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def ask(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(line)

    def command(self, **fields):
        return self.ask(json.dumps(fields).encode() + b"\n")

    def memory(self):
        status = numbers(f"/proc/{self.process.pid}/status", " kB")
        names = {"rss": "VmRSS", "peak": "VmHWM", "file": "RssFile", "anon": "RssAnon"}
        return {name: 1024 * status[field] for name, field in names.items()}


def measured(process, files, before):
    pid = process.process.pid
    return {
        "files": sum(map(os.path.getsize, files)),
        "read": read_bytes(pid) - before,
        "resident": sum(map(resident_bytes, files)),
        **process.memory(),
    }


def measure_ours(command, files, image):
    """One image of two that are announced, so that the process stays."""
    header = io.BytesIO()
    fields = {"descr": "<f4", "fortran_order": False, "shape": (2, *image.shape)}
    np.lib.format.write_array_header_1_0(header, fields)
    for path in files:
        drop_from_cache(path)
    command = [*command, "--format=json", "--batch=1", "--tensor", "-"]
    with Process(command) as process:
        answer = process.ask(header.getvalue() + image.tobytes())
        return {**measured(process, files, 0), "top": answer["top"][0]["class"]}


def measure_peer(files, image):
    with Process(["node", PEER]) as process:
        process.command(memory=True)
        before = read_bytes(process.process.pid)
        for path in files:
            drop_from_cache(path)
        process.command(load=files[0], threads=1)
        logits = process.command(run=image, times=1)["logits"]
        return {**measured(process, files, before), "top": int(np.argmax(logits))}


def measure_node():
    """What Node.js and onnxruntime's library hold without a model."""
    with Process(["node", PEER]) as process:
        process.command(memory=True)
        return {"files": 0, "read": 0, "resident": 0, **process.memory()}


def compile_ours(args, spec, folder):
    """Ways to run it: name -> command and files."""
    ways = {}
    for mode, where in (("mmap", "mmap"), ("file", "file:experts")):
        binary = os.path.join(folder, mode)
        command = [args.moe_compile, spec, f"--experts={where}", "-o", binary]
        subprocess.run(command, check=True)
        files = [binary]
        if mode == "file":
            files += sorted(glob.glob(os.path.join(folder, "experts", "*.bin")))
        ways[mode] = ([binary], files)
    for mode in ("mmap", "file"):
        command, files = ways[mode]
        ways["preload" if mode == "mmap" else "file, preload"] = (
            [*command, "--experts=preload"],
            files,
        )
    return ways


def export_peer(spec, folder):
    """Forms: name -> files."""
    import onnx  # pylint: disable=import-outside-toplevel

    forms = {}
    for form in models.export_onnx.FORMS["image"]:
        path = os.path.join(folder, form + ".onnx")
        models.export_onnx.export(spec, form, path)
        forms[form] = [path]
        outside = os.path.join(folder, form + "-external.onnx")
        data = os.path.basename(outside) + ".data"
        if os.path.exists(outside + ".data"):
            os.remove(outside + ".data")  # it would be appended to
        onnx.save(
            onnx.load(path), outside, save_as_external_data=True, location=data
        )
        forms[form + ", external data"] = [outside, outside + ".data"]
    return forms


def measure(args, experts):
    folder = os.path.join(args.output, f"e{experts}")
    data = models.specification(models.Size(12, 192), True)
    data["moe"]["num_experts"] = experts
    spec = models.random_model.write_model(folder, data, models.SEED)
    image = models.random_model.random_images(
        models.oracle.load_spec(spec), 1, models.SEED
    )[0]
    path = os.path.join(folder, "image.npy")
    np.save(path, image)
    found = {}
    for mode, (command, files) in compile_ours(args, spec, folder).items():
        found["--experts=" + mode] = measure_ours(command, files, image)
    if not args.no_peer:
        for form, files in export_peer(spec, folder).items():
            found["onnxruntime, " + form] = measure_peer(files, path)
    answers = {name: each.pop("top") for name, each in found.items()}
    if len(set(answers.values())) != 1:
        raise SystemExit(f"{experts} experts: answers differ: {answers}")
    return found


def table(results):
    columns = ("files", "read", "resident", "rss", "file", "anon", "peak")
    head = ["E", "", "files", "read", "resident", "RSS", "of files", "other", "peak"]
    rows = [head, ["---"] * len(head)]
    for experts, found in results.items():
        for name, each in found.items():
            megabytes = (f"{each[column] / 1e6:.1f}" for column in columns)
            rows.append([str(experts or "–"), name, *megabytes])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--moe-compile", default=os.path.join(models.ROOT, "build", "bin", "moe-compile"))
    add("--output", default=os.path.join(models.ROOT, "build", "bench", "experts"))
    add("--experts", type=int, nargs="*", default=(1, 10, 64))
    add("--no-peer", action="store_true", help="without onnxruntime")
    args = parser.parse_args()
    args.output = os.path.abspath(args.output)
    if not args.no_peer:
        modules = os.path.join(models.ROOT, "build", "bench", "node_modules")
        os.environ["NODE_PATH"] = modules
        measure_node()  # Node.js comes into the page cache
    results = {experts: measure(args, experts) for experts in args.experts}
    if not args.no_peer:
        results[0] = {"onnxruntime, no model": measure_node()}
    with open(os.path.join(args.output, "results.json"), "w") as file:
        json.dump(results, file, indent=1)
    text = table(results)
    with open(os.path.join(args.output, "table.md"), "w") as file:
        file.write(text)
    print(text, end="")


if __name__ == "__main__":
    sys.exit(main())

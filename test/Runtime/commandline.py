"""Options, exit codes and what is printed.

usage: commandline.py PROGRAM FOLDER"""

import math
import os
import subprocess
import sys

import numpy as np

from harness import Image, Model, check, json_lines

program, folder = sys.argv[1:]
model = Model(program, folder, channels=1, height=1, width=6)


def save(name, values, to=model):
    path = to.path(name)
    np.save(path, np.float32(values).reshape(to.shape))
    return path


def answer(*arguments, to=model):
    status, out, err = to.run("--format=json", *arguments)
    check(status == 0 and err == b"", f"exit {status}: {arguments} {err!r}")
    return json_lines(out)


scores = [0.5, -3.0, 2.0, 2.0, 80.0, -200.0]
x = save("x.npy", scores)
image = model.path("image.png")
Image.new("L", (6, 1), 128).save(image)

# Wrong usage: exit 2, a message, nothing done.
for arguments, reason in (
    ([], "no input"),
    (["--top", "3"], "no input"),
    (["--top", "0", image], "--top: expected a number from 1"),
    (["--top", "-1", image], "found '-1'"),
    (["--top=3x", image], "found '3x'"),
    (["--top=", image], "found ''"),
    (["--top= 3", image], "found ' 3'"),
    (["--top=99999999999999999999999", image], "--top: expected"),
    ([image, "--top"], "--top needs a value"),
    (["--format=xml", image], "expected 'text' or 'json', found 'xml'"),
    (["--format", image], "--format: expected"),
    ([image, "--tensor"], "--tensor needs a value"),
    ([image, "--logits"], "--logits needs a value"),
    (["--benchmark", "0"], "--benchmark: expected"),
    (["--benchmark", "99999999999"], "--benchmark: expected"),
    (["--threads", "0", image], "--threads: expected"),
    (["--threads=1025", image], "--threads: expected"),
    ([image, "--profile"], "--profile needs a value"),
    (["--batch", "0", image], "--batch: expected a number from 1"),
    (["--experts", "lazy", image], "expected 'mmap', 'preload' or 'file:DIR', found 'lazy'"),
    (["--experts=file:", image], "found 'file:'"),
    (["--experts=file:.", image], "this model's experts are in the executable"),
    (["--unknown", image], "unknown option '--unknown'"),
    (["--topless", image], "unknown option '--topless'"),
    (["-x", image], "unknown option '-x'"),
    (["--info=3"], "unknown option '--info=3'"),
    (["-", "-"], "'-' can be given only once"),
    (["-", "--tensor", "-"], "'-' can be given only once"),
    (["--cpu-variant", "fantastic", image], "this CPU cannot run 'fantastic'"),
    (["--cpu-variant", "bogus", "--info"], "unknown variant 'bogus'"),
    (["--bad\n\x1b[0m"], "unknown option '--bad??[0m'"),
):
    model.error(*arguments, expected=reason, code=2)

# Probabilities, order, ties; --top is cut to the number of classes.
(line,) = answer("--top", "99", "--tensor", x)
check([t["class"] for t in line["top"]] == [4, 2, 3, 0, 1, 5], f"order: {line}")
exact = np.exp(np.float64(scores) - 80)
exact /= exact.sum()
for top in line["top"]:
    wanted = exact[top["class"]]
    check(abs(top["probability"] - wanted) <= 1e-6 * wanted + 1e-45, f"{top} is not {wanted}")
    check(top["label"] is None, f"a label: {top}")
check(line["experts"] == [
    {"layer": 1, "expert": 3, "gate": 0.100000001},
    {"layer": 2, "expert": 1, "gate": 0.75},
    {"layer": 2, "expert": 2, "gate": 0.25},
], f"experts: {line}")  # fmt: skip
check(line["milliseconds"] >= 0, f"milliseconds: {line}")
check(set(line) == {"input", "top", "experts", "milliseconds"}, f"keys: {line}")
check(len(answer("--tensor", x)[0]["top"]) == 5, "five classes by default")
check(len(answer("--top=1", "--top=2", "--tensor", x)[0]["top"]) == 2, "the last one counts")

# exp over its whole range.
wide = Model(program, folder, channels=1, height=1, width=2001)
values = np.linspace(-800, 0, 2001)
(line,) = answer("--top=2001", "--tensor", save("wide.npy", values, wide), to=wide)
exact = np.exp(np.float64(np.float32(values)))
exact /= exact.sum()
for top in line["top"]:
    # Below the smallest float there is a coarser grid, and then 0.
    wanted = float(exact[top["class"]])
    check(abs(top["probability"] - wanted) <= 1e-7 * wanted + 1e-45, f"{top} is not {wanted}")

# Numbers that are not finite: null, NaN last, no crash.
nan, inf = math.nan, math.inf
for values, order in (
    ([nan, 1, nan, 3, 2, nan], [3, 4, 1, 0, 2, 5]),
    ([nan] * 6, [0, 1, 2, 3, 4, 5]),
    ([inf, 1, -inf, inf, 2, nan], [0, 3, 4, 1, 2, 5]),
    ([-inf] * 6, [0, 1, 2, 3, 4, 5]),
):
    path = save("odd.npy", values)
    (line,) = answer("--top=6", "--tensor", path)
    check([t["class"] for t in line["top"]] == order, f"{values}: {line}")
    check(line["top"][0]["probability"] is None, f"{values}: {line}")
    check(model.run("--tensor", path)[0] == 0, f"{values} as text")
(line,) = answer("--top=6", "--tensor", save("odd.npy", [-inf, 0, -inf, -inf, 0, -inf]))
check([t["probability"] for t in line["top"]] == [0.5, 0.5, 0, 0, 0, 0], f"-inf: {line}")

# Routing by patch; a dense model.
patch = Model(program, folder, channels=1, height=1, width=6, per_patch=1)
(line,) = answer("--tensor", x, to=patch)
check([e["tokens"] for e in line["experts"]] == [1, 5, 2], f"tokens: {line}")
dense = Model(program, folder, channels=1, height=1, width=6, routes=0)
check(answer("--tensor", x, to=dense)[0]["experts"] == [], "a dense model")

# Strings of every kind, as labels and as file names.
for text in (
    b"plain", b'quo"te', b"back\\slash", b"new\nline\ttab\rreturn", b"\x01\x1f\x7f",
    "ünï ☃ 🦊".encode(), b"\xff\xfe", b"cut \xe2\x98", b"\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80",
    b"\xf0\x9f\xa6", b"<script>", b"%s%n", b" ",
):  # fmt: skip
    wanted = text.decode("utf-8", "replace")
    labelled = Model(program, folder, channels=1, height=1, width=6)
    labelled.env["FAKE_LABEL"] = text
    name = os.path.join(os.fsencode(folder), b"name-" + text)
    with open(image, "rb") as source, open(name, "wb") as copy:
        copy.write(source.read())
    (line,) = answer(name, to=labelled)
    check(line["top"][0]["label"] == wanted, f"label {text!r}: {line}")
    check(line["input"] == os.fsencode(folder).decode() + "/name-" + wanted, f"name {text!r}: {line}")
    status, out, _ = labelled.run(name)
    check(status == 0 and not any(c < 32 and c != 10 or c == 127 for c in out), f"text {out!r}")
    check(len(out.splitlines()) == 8, f"lines of {out!r}")
    os.remove(name)
    labelled.error(name, expected="No such file or directory")

# Text.
status, out, _ = patch.run("--top=2", "--tensor", x)
lines = out.decode().splitlines()
check(lines[0].startswith(x + "[0]: ") and lines[0].endswith(" ms"), f"{lines}")
check(lines[1:] == [
    "  100.00%  class 4",
    "    0.00%  class 2",
    "  experts of block 1: 3 (gate 0.100, 1 tokens)",
    "  experts of block 2: 1 (gate 0.750, 5 tokens), 2 (gate 0.250, 2 tokens)",
], f"{lines}")  # fmt: skip

# The order of the command line; an error in one input does not stop the others.
missing = model.path("missing.png")
status, out, err = model.run("--format=json", image, missing, "--tensor", x, image)
check(status == 1, f"exit {status}")
check([l["input"] for l in json_lines(out)] == [image, x + "[0]", image], f"{out!r}")
check(err.decode() == f"error: {missing}: cannot open: No such file or directory\n", f"{err!r}")

# "--" ends the options.
done = subprocess.run(
    [program, "--format=json", "--", "--top"], env=model.env, capture_output=True, cwd=folder
)
check(done.returncode == 1 and b"error: --top: cannot open" in done.stderr, f"{done}")

# --info, --help, --benchmark, --cpu-variant.
info = {
    "name": "fake_model", "target": "x86_64-linux-gnu",
    "cpu_variants": ["fantastic", "plain", "plainer"], "cpu_variant": "plain",
    "precision": "f32", "output": "logits", "outputs": 6, "parameters": 1000, "active_parameters": 600,
    "multiply_adds": 5000000000, "weight_bytes": 4000, "workspace_bytes": 192,
}  # fmt: skip
check(json_lines(model.run("--info")[1]) == [info], "--info")
info["cpu_variant"] = "plainer"
check(json_lines(model.run("--info", "--cpu-variant=plainer")[1]) == [info], "--cpu-variant")
status, out, _ = model.run("--help")
for option in ("top", "format", "tensor", "logits", "benchmark", "threads", "info", "cpu-variant",
               "batch", "experts", "profile"):  # fmt: skip
    check(status == 0 and b"--" + option.encode() in out, f"--help lacks {option}")
# On a terminal of 80 by 24, with the prompt; the path of the program is its own.
lines = out.decode().splitlines()[1:]
check(len(lines) <= 22 and max(map(len, lines)) < 80, f"--help is too large: {lines}")
(line,) = answer("--benchmark", "7", "--threads", "1", "--cpu-variant", "plainer")
check(list(line) == ["min_ms", "median_ms", "p95_ms", "runs", "batch", "threads", "cpu"], f"{line}")
check(0 <= line["min_ms"] <= line["median_ms"] <= line["p95_ms"], f"{line}")
check((line["runs"], line["batch"], line["threads"], line["cpu"]) == (7, 1, 1, "plainer"), f"{line}")
# Every part of every task, once, however many threads share them.
for threads in (2, 3, 64):
    team = Model(program, folder, channels=1, height=1, width=6, threads=threads)
    (line,) = answer("--benchmark", "5", "--threads", str(threads), to=team)
    check(line["threads"] == threads, f"{line}")
    (shared,), (alone,) = answer("--tensor", x, "--threads", str(threads), to=team), answer("--tensor", x)
    check(shared["top"] == alone["top"], f"{shared}")
status, out, _ = model.run("--benchmark=2")
check(status == 0 and b"median" in out, f"--benchmark: {out!r}")
# The benchmark is of the last input if that was answered, else of noise.
only = Model(program, folder, channels=1, height=1, width=6, only=scores[0])
check(len(answer("--tensor", x, "--benchmark", "3", to=only)) == 2, "--benchmark of an input")
for arguments in ([], ["--tensor", x, missing]):
    status, out, err = only.run("--format=json", *arguments, "--benchmark", "3")
    check(status == 1 and b"error: benchmark: " in err, f"{arguments}: {err!r}")
    check(b"min_ms" not in out, f"{arguments}: {out!r}")

# A model without a head: its numbers are no classes.
headless = Model(program, folder, channels=1, height=1, width=6, features=1)
(line,) = answer(image, to=headless)
check(line["top"] == [] and len(line["experts"]) == 3, f"{line}")
status, out, _ = headless.run(image)
lines = out.decode().splitlines()
check(status == 0 and lines[1] == "  6 features (--logits FILE.npy writes them)", f"{lines}")
check("%" not in out.decode() and lines[2].startswith("  experts of block 1"), f"{lines}")
status, out, _ = headless.run("--top", "3", "--logits", os.path.join(folder, "f.npy"), image)
check(status == 0 and out.decode().splitlines()[1] == "  6 features", f"{out!r}")
written = np.load(os.path.join(folder, "f.npy"))
check(written.shape == (1, 6) and np.isfinite(written).all(), f"{written}")
(line,) = json_lines(headless.run("--info")[1])
check((line["output"], line["outputs"]) == ("features", 6), f"{line}")

# A model that this machine or this runtime cannot run.
Model(program, folder, variants=1).error("--info", expected="this CPU can run none")
Model(program, folder, abi=1).error("--info", expected="another version of the runtime")

# Output that cannot be written.
with open("/dev/full", "wb") as full:
    done = subprocess.run([program, image], env=model.env, stdout=full, stderr=subprocess.PIPE)
check(done.returncode == 1, f"a full disk: exit {done.returncode}")
check(done.stderr == b"error: standard output: No space left on device\n", f"{done.stderr!r}")
print("ok")

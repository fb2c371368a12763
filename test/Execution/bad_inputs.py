#!/usr/bin/env python3
"""Gives moe-compile specifications and weights that are wrong, one thing at a time.

    bad_inputs.py MOE_COMPILE WORKDIR

Each run must end with the right exit code and, for an error in the input, with
exactly one line `error: FILE: WHERE: ...` that names the place; it must leave
no output, no temporary file, an older output as it was, and no trace of a
crash. Prints `N passed, N failed`; exits 1 if any failed.
"""

import json
import os
import resource
import shutil
import struct
import subprocess
import sys

# ---------------------------------------------------------------------------
# A small valid model
# ---------------------------------------------------------------------------

D, HIDDEN, CLASSES, TOKENS, EXPERTS = 8, 16, 3, 5, 2

SPEC = {
    "image_size": 8, "patch_size": 4, "hidden_size": D,
    "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": HIDDEN, "num_classes": CLASSES,
    "moe": {"layers": [1], "num_experts": EXPERTS},
}

WIDTH = {"F64": 8, "I64": 8, "F32": 4, "F16": 2, "BF16": 2, "U8": 1}


def mlp(name):
    return {f"{name}.fc1.weight": [HIDDEN, D], f"{name}.fc1.bias": [HIDDEN],
            f"{name}.fc2.weight": [D, HIDDEN], f"{name}.fc2.bias": [D]}


def shapes():
    """The tensors of SPEC, written down from the format's description."""
    result = {"cls_token": [1, 1, D], "pos_embed": [1, TOKENS, D],
              "patch_embed.proj.weight": [D, 3, 4, 4],
              "patch_embed.proj.bias": [D], "router.weight": [EXPERTS, D],
              "norm.weight": [D], "norm.bias": [D],
              "head.weight": [CLASSES, D], "head.bias": [CLASSES]}
    for i in range(2):
        block = f"blocks.{i}"
        for part, shape in (("norm1.weight", [D]), ("norm1.bias", [D]),
                            ("attn.qkv.weight", [3 * D, D]),
                            ("attn.qkv.bias", [3 * D]),
                            ("attn.proj.weight", [D, D]),
                            ("attn.proj.bias", [D]),
                            ("norm2.weight", [D]), ("norm2.bias", [D])):
            result[f"{block}.{part}"] = shape
    result.update(mlp("blocks.0.mlp"))
    for e in range(EXPERTS):
        result.update(mlp(f"blocks.1.moe.experts.{e}"))
    return result


def count(shape):
    product = 1
    for dim in shape:
        product *= dim
    return product


class Weights:
    """Tensors that know how to become a safetensors file, an invalid one too."""

    def __init__(self):
        self.tensors = {name: ("F32", shape, struct.pack("<f", 0.25) *
                               count(shape))
                        for name, shape in shapes().items()}
        self.edit_header = lambda header: header  # dict -> dict or JSON text
        self.edit_file = lambda contents: contents

    def set(self, name, dtype, shape, data=None):
        if data is None:
            data = bytes(WIDTH[dtype] * count(shape))
        self.tensors[name] = (dtype, shape, data)

    def contents(self):
        header, data = {}, b""
        for name, (dtype, shape, bytes_) in self.tensors.items():
            header[name] = {"dtype": dtype, "shape": shape,
                            "data_offsets": [len(data),
                                             len(data) + len(bytes_)]}
            data += bytes_
        header = self.edit_header(header)
        if not isinstance(header, bytes):
            header = json.dumps(header).encode()
        return self.edit_file(struct.pack("<Q", len(header)) + header + data)


# ---------------------------------------------------------------------------
# Running
# ---------------------------------------------------------------------------

CRASH = ("Assertion", "assert", "PLEASE submit a bug report", "Stack dump",
         "LLVM ERROR", "terminate called", "Segmentation", "Sanitizer",
         "runtime error:", "UNREACHABLE", "Aborted", "core dumped")


class Run:
    def __init__(self, folder, compiler):
        self.folder, self.compiler = folder, compiler
        self.tmp = os.path.join(folder, "tmp")
        self.out = os.path.join(folder, "out", "model")
        os.makedirs(self.tmp)
        os.makedirs(os.path.dirname(self.out))

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, contents):
        if isinstance(contents, str):
            contents = contents.encode()
        with open(self.path(name), "wb") as file:
            file.write(contents)
        return self.path(name)

    def files(self):
        """Everything below the folder, with the contents of what is small."""
        result = {}
        for root, folders, names in os.walk(self.folder):
            for name in folders:
                result[os.path.join(root, name)] = None
            for name in names:
                path = os.path.join(root, name)
                if os.path.isfile(path) and os.access(path, os.R_OK):
                    with open(path, "rb") as file:
                        result[path] = file.read(1 << 20)
                else:
                    result[path] = None
        return result

    def compile(self, arguments, wrapper=(), largest=None):
        """`wrapper` is put before the command; `largest` limits the size of each
        file that it writes."""
        def limit():
            if largest is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

        process = subprocess.run(
            [*wrapper, self.compiler] + arguments, cwd=self.folder, timeout=300,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=limit,
            stderr=subprocess.PIPE, env=dict(os.environ, TMPDIR=self.tmp))
        # Line breaks as a terminal, and Python's splitlines, see them.
        self.code = process.returncode
        self.stderr = process.stderr.decode("utf-8")
        self.lines = self.stderr.splitlines()
        return process


class Failure(Exception):
    pass


def require(condition, message):
    if not condition:
        raise Failure(message)


def require_no_crash(run):
    for word in CRASH:
        require(word not in run.stderr, f"`{word}` on standard error")


class BadInput:
    """An input with something wrong in it.

    `prepare(run, spec, weights)` makes it; it may write `model.json` itself,
    then it returns "written". `file` and `where` are the error's; `words` must
    all be in its message.
    """

    def __init__(self, name, prepare, where, words=(), file="model.json",
                 arguments=(), keep_out=False):
        self.name, self.prepare, self.where = name, prepare, where
        self.words = [words] if isinstance(words, str) else words
        self.file, self.arguments = file, list(arguments)
        self.keep_out = keep_out

    def __call__(self, run):
        spec, weights = json.loads(json.dumps(SPEC)), Weights()
        if self.prepare(run, spec, weights) != "written":
            run.write("model.json", json.dumps(spec))
        if not os.path.lexists(run.path("model.safetensors")):
            run.write("model.safetensors", weights.contents())
        if self.keep_out:
            run.write("out/model", b"an older model")
        file = run.path(self.file) if self.file else run.folder
        arguments = [a.replace("@", run.folder) for a in self.arguments]
        if "-o" not in arguments:
            arguments += ["-o", run.out]
        spec_path = run.folder if self.file in ("", "config.json") \
            else run.path("model.json")

        before = run.files()
        run.compile([spec_path] + arguments)
        require(run.code == 1, f"expected exit code 1, found {run.code}")
        require_no_crash(run)
        for line in run.lines:
            require(line.startswith(("error: ", "warning: ")),
                    f"a line that is neither error nor warning: {line!r}")
        errors = [l for l in run.lines if l.startswith("error: ")]
        require(len(errors) == 1, f"expected one error, found {len(errors)}")
        start = f"error: {file}: "
        require(errors[0].startswith(start), f"expected {start!r}")
        if self.where is not None:
            start += self.where + ": "
            require(errors[0].startswith(start), f"expected {start!r}")
        require(len(errors[0]) < 8192, "the line is too long to be read")
        for word in self.words:
            require(word in errors[0], f"expected `{word}` in the message")
        require(run.files() == before,
                "files that were left behind, or changed: " +
                ", ".join(sorted(k for k in set(before) | set(run.files())
                                 if before.get(k, 0) != run.files().get(k, 0))))


# Runs "$@" with a file system of size $2 at $1, and then lists what is in it,
# which must be nothing.
SMALL_FILE_SYSTEM = """
folder=$1
mount -t tmpfs -o size="$2" none "$folder" || exit 99
shift 2
"$@"
code=$?
find "$folder" -mindepth 1 >&2
exit $code
"""


def small_file_system(folder, size):
    """What to put before a command so that `folder` holds `size` bytes for it."""
    # Its mounts are its own. The superuser needs no other name to make them.
    options = "-m" if os.geteuid() == 0 else "-rm"
    return ["unshare", options, "sh", "-c", SMALL_FILE_SYSTEM, "sh", folder,
            str(size)]


def can_mount(folder):
    try:
        return subprocess.run(small_file_system(folder, 4096) + ["true"],
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


class NoSpace:
    """A model that compiles where there is space, and not where there is none."""

    def __init__(self, kind):
        self.name, self.kind = f"no space for {kind}", kind

    def __call__(self, run):
        spec = run.write("model.json", json.dumps(SPEC))
        run.write("model.safetensors", Weights().contents())
        arguments = [spec, f"--emit={self.kind}", "-o", run.out]
        run.compile(arguments)
        require(run.code == 0, f"expected exit code 0, found {run.code}")
        size = os.path.getsize(run.out)
        shutil.rmtree(os.path.dirname(run.out))
        os.makedirs(os.path.dirname(run.out))

        self.check(run, arguments, "weights", "a limit for temporary files",
                   largest=1000)
        # The other kinds are smaller than the objects that they are made of.
        self.check(run, arguments, "output" if self.kind == "exe" else None,
                   "a limit for the output", largest=size - 1)
        if not can_mount(run.tmp):
            print(f"{self.name}: no small file systems: they cannot be mounted")
            return
        # From full at once to full at the end.
        for part in (1, 2, 4, 6):
            self.check(run, arguments, None, f"{part}/8 for temporary files",
                       small_file_system(run.tmp, size * part // 8),
                       # Not all of an executable is in temporary files.
                       may_work=part > 1)
            self.check(run, arguments, "output", f"{part}/8 for the output",
                       small_file_system(os.path.dirname(run.out),
                                         size * part // 8))

    def check(self, run, arguments, where, what, wrapper=(), largest=None,
              may_work=False):
        before = run.files()
        run.compile(arguments, wrapper, largest)
        if may_work and run.code == 0:
            shutil.rmtree(os.path.dirname(run.out))
            os.makedirs(os.path.dirname(run.out))
        else:
            require(run.code == 1,
                    f"{what}: expected exit code 1, found {run.code}")
            start = f"error: {run.out}: " + (f"{where}: " if where else "")
            require(len(run.lines) == 1 and run.lines[0].startswith(start),
                    f"{what}: expected one line {start!r}")
        require_no_crash(run)
        require(run.files() == before, f"{what}: files that were left behind")


class Permissions:
    """The output's permissions are those that the user's mask leaves."""

    name = "output: permissions"

    def __call__(self, run):
        spec = run.write("model.json", json.dumps(SPEC))
        run.write("model.safetensors", Weights().contents())
        old = os.umask(0o077)
        try:
            for kind, mode in (("exe", 0o700), ("shared", 0o700),
                               ("obj", 0o600), ("lib", 0o600)):
                run.compile([spec, f"--emit={kind}", "-o", run.out])
                require(run.code == 0, f"expected exit code 0, found {run.code}")
                found = os.stat(run.out).st_mode & 0o777
                require(found == mode, f"{kind}: expected {mode:o}, "
                        f"found {found:o}")
        finally:
            os.umask(old)


class GoodInput:
    """An input that compiles, and gets one warning with all of `words`, or
    none."""

    def __init__(self, name, prepare, words=()):
        self.name, self.prepare, self.words = name, prepare, words

    def __call__(self, run):
        spec, weights = json.loads(json.dumps(SPEC)), Weights()
        self.prepare(run, spec, weights)
        spec = run.write("model.json", json.dumps(spec))
        path = run.write("model.safetensors", weights.contents())
        before = set(run.files())
        run.compile([spec, "-o", run.out])
        require(run.code == 0, f"expected exit code 0, found {run.code}")
        require_no_crash(run)
        require(set(run.files()) == before | {run.out},
                "files other than the output")
        require(os.access(run.out, os.X_OK), "the output is not executable")
        require(len(run.lines) == bool(self.words),
                f"expected {int(bool(self.words))} lines")
        if self.words:
            require(run.lines[0].startswith(f"warning: {path}: "),
                    "expected a warning about the weights")
            for word in self.words:
                require(word in run.lines[0], f"expected `{word}`")


class WrongUsage:
    def __init__(self, name, *arguments):
        self.name, self.arguments = name, arguments

    def __call__(self, run):
        run.write("model.json", json.dumps(SPEC))
        run.write("model.safetensors", Weights().contents())
        before = run.files()
        run.compile([a.replace("@", run.folder) for a in self.arguments])
        require(run.code == 2, f"expected exit code 2, found {run.code}")
        require_no_crash(run)
        require(run.stderr.strip(), "expected a message on standard error")
        require(run.files() == before, "files that were left behind")


# ---------------------------------------------------------------------------
# The inputs
# ---------------------------------------------------------------------------

def field(path, value):
    """Sets the field `a.b.c` of the specification."""
    def prepare(run, spec, weights):
        *outer, last = path.split(".")
        for key in outer:
            spec = spec.setdefault(key, {})
        spec[last] = value
    return prepare


def fields(**values):
    return lambda run, spec, weights: spec.update(values)


def without(path):
    def prepare(run, spec, weights):
        *outer, last = path.split(".")
        for key in outer:
            spec = spec[key]
        del spec[last]
    return prepare


def moe(**values):
    return lambda run, spec, weights: spec["moe"].update(values)


def text(contents):
    """The specification's file as it is."""
    def prepare(run, spec, weights):
        run.write("model.json", contents)
        return "written"
    return prepare


def tensors(edit):
    return lambda run, spec, weights: edit(weights)


def header(edit):
    """Changes the safetensors header: a function from dict to dict or bytes."""
    def prepare(run, spec, weights):
        weights.edit_header = edit
    return prepare


def entry(name, **values):
    def edit(head):
        head[name].update(values)
        return head
    return header(edit)


def raw(edit):
    """Changes the bytes of the safetensors file."""
    def prepare(run, spec, weights):
        weights.edit_file = edit
    return prepare


def spec_cases():
    def bad(name, prepare, where, words=(), **more):
        return BadInput("spec: " + name, prepare, where, words, **more)

    # Not JSON.
    yield bad("empty file", text(""), "line 1, column 1")
    yield bad("cut off", text('{"image_size": 8,\n "patch_size"'),
              "line 2, column 14", keep_out=True)
    yield bad("trailing comma", text('{"image_size": 8,}'),
              "line 1, column 18")
    yield bad("two documents", text(json.dumps(SPEC) + "{}"), None, "JSON")
    yield bad("NUL behind it", text(json.dumps(SPEC) + "\0"), None, "NUL")
    yield bad("not UTF-8", text(b'{"name": "\xff\xfe"}'), "line 1, column 11")
    yield bad("binary", text(bytes(range(256)) * 64), None, "JSON")
    yield bad("huge number", text('{"hidden_size": 1e999}'), None, "JSON")
    yield bad("deep lists", text("[" * 3000000), "top level")
    yield bad("deep objects", text('{"a":' * 2000000), "top level")
    yield bad("a list", text("[]"), "top level", "object")
    yield bad("a field twice", text('{"patch_size": 4, "patch_size": 4}'),
              "patch_size", "twice")
    yield bad("larger than any", text(" " * (17 << 20)), "file", "bytes")

    # Fields.
    for name in ("image_size", "patch_size", "hidden_size",
                 "num_hidden_layers", "num_attention_heads",
                 "intermediate_size", "moe.layers", "moe.num_experts"):
        yield bad(f"no {name}", without(name), name, "missing")
    yield bad("unknown field", field("hiden_size", 8), "hiden_size", "unknown")
    yield bad("unknown field of moe", field("moe.top", 1), "moe.top",
              ("unknown", "top_k"))
    yield bad("unknown field of router", field("moe.router.kind", 1),
              "moe.router.kind", "unknown")
    yield bad("unknown field of preprocess", field("preprocess.crop", 1),
              "preprocess.crop", "unknown")
    yield bad("name of a field with line breaks",
              field("a\nerror: b\u2028c\x1b[0m", 1), None, "\\n")
    yield bad("very long name of a field", field("x" * 1000000, 1), None,
              "unknown")

    # Types.
    yield bad("string for a size", field("hidden_size", "8"), "hidden_size",
              '"8"')
    yield bad("float for a size", field("hidden_size", 8.0), "hidden_size",
              "8.0")
    yield bad("bool for a size", field("num_hidden_layers", True),
              "num_hidden_layers", "true")
    yield bad("null for a size", field("patch_size", None), "patch_size")
    yield bad("three sizes", field("image_size", [8, 8, 8]), "image_size")
    yield bad("int for a bool", field("qkv_bias", 1), "qkv_bias")
    yield bad("string for a bool", field("class_token", "no"), "class_token")
    yield bad("string for a float", field("layer_norm_eps", "small"),
              "layer_norm_eps")
    yield bad("int for a name", field("name", 7), "name")
    yield bad("list for moe", field("moe", []), "moe")
    yield bad("string for router", field("moe.router", "shared"), "moe.router")
    yield bad("int for weights", field("weights", 3), "weights")

    # Sizes.
    for name in ("image_size", "patch_size", "num_channels", "hidden_size",
                 "num_hidden_layers", "num_attention_heads",
                 "intermediate_size", "num_classes", "moe.num_experts"):
        for value in (0, -8, 2**40, 2**64):
            yield bad(f"{name} {value}", field(name, value), name, str(value))
    yield bad("1e300", field("hidden_size", 1e300), "hidden_size")
    yield bad("patches that do not fit", field("patch_size", 3), "image_size",
              "patch_size")
    yield bad("heads that do not divide", field("num_attention_heads", 3),
              "num_attention_heads", "hidden_size")
    yield bad("too many tokens", fields(image_size=4096, patch_size=1),
              "patch_size", "tokens")
    yield bad("too many parameters",
              fields(hidden_size=65536, num_hidden_layers=4096,
                     intermediate_size=262144, num_attention_heads=1,
                     moe={"layers": {"last": 1}, "num_experts": 4096}),
              "top level", "parameters")
    yield bad("too many experts",
              fields(num_hidden_layers=4096,
                     moe={"layers": {"every": 1}, "num_experts": 4096}),
              "moe.num_experts")

    # Values.
    yield bad("empty name", field("name", ""), "name")
    yield bad("activation", field("hidden_act", "swish"), "hidden_act",
              ("gelu", "quick_gelu", "silu"))
    yield bad("negative eps", field("layer_norm_eps", -1e-6),
              "layer_norm_eps")
    yield bad("pool", field("pool", "sum"), "pool", ("cls", "mean"))
    yield bad("cls without a class token",
              fields(pool="cls", class_token=False), "pool", "class token")
    yield bad("distillation without a class token",
              fields(class_token=False, distillation_token=True, pool="mean"),
              "distillation_token", "class token")
    yield bad("too many registers", field("num_register_tokens", 2**40),
              "num_register_tokens", ("0 to 1024", str(2**40)))
    yield bad("a head of a token that is not there",
              field("distillation_head", True), "distillation_head",
              "distillation_token")
    yield bad("classes without a head", field("head", "none"), "num_classes",
              "none")

    # Experts.
    for layers, where in (([], "moe.layers"), ([0, 0], "moe.layers[1]"),
                          ([2], "moe.layers[0]"), ([-1], "moe.layers[0]"),
                          ([0.5], "moe.layers[0]"), (1, "moe.layers"),
                          ({}, "moe.layers"),
                          ({"last": 1, "every": 1}, "moe.layers"),
                          ({"first": 1}, "moe.layers.first"),
                          ({"last": 0}, "moe.layers.last"),
                          ({"last": 3}, "moe.layers.last"),
                          ({"every": 0}, "moe.layers.every"),
                          ({"every": 3}, "moe.layers.every")):
        yield bad(f"layers {json.dumps(layers)}", moe(layers=layers), where)
    yield bad("top_k 0", moe(top_k=0), "moe.top_k")
    yield bad("top_k beyond the experts", moe(top_k=3), "moe.top_k",
              "num_experts")
    yield bad("routing", moe(routing="token"), "moe.routing",
              ("image", "patch"))
    yield bad("placement", moe(router={"placement": "x"}),
              "moe.router.placement", ("shared", "per_layer"))
    yield bad("shared router of patches",
              moe(routing="patch", router={"placement": "shared"}),
              "moe.router.placement", "per_layer")
    yield bad("router input of patches",
              moe(routing="patch", router={"input": "mean"}),
              "moe.router.input", "patch")
    yield bad("router input without a class token",
              fields(class_token=False, moe=dict(SPEC["moe"], router={
                  "input": "cls"})),
              "moe.router.input", "class token")
    yield bad("capacity of images", moe(capacity_factor=1.0),
              "moe.capacity_factor", "image")
    yield bad("capacity 0", moe(routing="patch", capacity_factor=0),
              "moe.capacity_factor")
    yield bad("capacity multiple 0",
              moe(routing="patch", capacity_multiple_of=0),
              "moe.capacity_multiple_of")
    yield bad("priority of images", moe(router={"batch_priority": True}),
              "moe.router.batch_priority", "image")

    # Precision.
    for value, found in (("f16", '"f16"'), ("BF16", '"BF16"'), ("", '""'),
                         (16, "16"), (None, "null"), (True, "true"),
                         (["bf16"], "a list")):
        for name, precision, where in (
                ("", value, "precision"),
                (" of a layer", {"head": value}, "precision.head")):
            yield bad(f"precision {json.dumps(value)}{name}",
                      fields(precision=precision), where,
                      ('"f32", "bf16" or "int8"', "found " + found))
    yield bad("precision in an object of its own",
              fields(precision={"blocks.0": {"attn": "bf16"}}),
              'precision."blocks.0"', "an object")
    # A part of a name, blocks of the other kind or beyond the last, what is no
    # product, a tensor, experts of their own.
    for name in ("blocks", "block", "blocks.0.attn.q", "blocks.0.",
                 "blocks.0.moe", "blocks.1.mlp", "blocks.2", "blocks.-1",
                 "blocks.0.norm1", "norm", "pos_embed", "cls_token", "router",
                 "head.weight", "patch_embed.proj.weight", "", ".",
                 "blocks.1.moe.experts.0", "blocks.1.moe.experts.0.fc1",
                 "a\nerror: b\u2028c\x1b[0m"):
        quoted = name in ("blocks", "block", "norm", "pos_embed", "cls_token",
                          "router")
        where = f"precision.{name}" if quoted else \
            "precision." + json.dumps(name)
        yield bad(f"precision of {name!r}", fields(precision={name: "bf16"}),
                  None if "\n" in name else where, "linear layer")
    yield bad("precision of a router of its own",
              fields(precision={"blocks.1.moe.router": "bf16"},
                     moe=dict(SPEC["moe"], router={"placement": "per_layer"})),
              'precision."blocks.1.moe.router"', "linear layer")
    yield bad("two wrong precisions",
              fields(precision={"head": "f16", "blocks.0": "f16"}), None,
              "f16")
    yield bad("a precision twice",
              text(json.dumps(SPEC)[:-1] +
                   ', "precision": {"head": "bf16", "head": "bf16"}}'),
              "precision.head", "twice")
    yield bad("the precision twice",
              text(json.dumps(SPEC)[:-1] +
                   ', "precision": "bf16", "precision": {}}'),
              "precision", "twice")

    # Preprocessing and labels.
    yield bad("resize below the image", field("preprocess.resize", 7),
              "preprocess.resize", "image_size")
    yield bad("interpolation", field("preprocess.interpolation", "nearest"),
              "preprocess.interpolation", ("bilinear", "bicubic"))
    yield bad("too few means", field("preprocess.mean", [0.5]),
              "preprocess.mean", "num_channels")
    yield bad("std 0", field("preprocess.std", [1, 0, 1]),
              "preprocess.std[1]")
    yield bad("too few labels", field("labels", ["a"]), "labels",
              "num_classes")
    yield bad("a label that is no string", field("labels", ["a", 2, "c"]),
              "labels[1]")

    def labels(contents):
        def prepare(run, spec, weights):
            spec["labels"] = "labels.txt"
            if contents is not None:
                run.write("labels.txt", contents)
        return prepare

    yield bad("no file of labels", labels(None), "file", file="labels.txt")
    yield bad("too many lines of labels", labels("a\nb\nc\nd\n"), "labels",
              "labels.txt")
    yield bad("labels that are not UTF-8", labels(b"a\n\xff\nc\n"), "line 2",
              file="labels.txt")

    # Files.
    def folder_as_spec(run, spec, weights):
        os.mkdir(run.path("model.json"))
        return "written"

    def no_spec(run, spec, weights):
        return "written"

    def unreadable(run, spec, weights):
        os.chmod(run.write("model.json", json.dumps(spec)), 0)
        return "written"

    def bad_config(run, spec, weights):
        run.write("config.json", "{")
        return "written"

    yield bad("a folder without config.json", folder_as_spec, "file",
              "config.json")
    yield bad("the folder itself", no_spec, "file", "config.json", file="")
    yield bad("a folder with a bad config.json", bad_config,
              "line 1, column 2", file="config.json")
    yield bad("no such file", no_spec, "file")
    if os.geteuid() != 0:  # The superuser may read everything.
        yield bad("unreadable", unreadable, "file")


def weights_cases():
    def bad(name, prepare, where, words=(), **more):
        return BadInput("weights: " + name, prepare, where, words,
                        file=more.pop("file", "model.safetensors"), **more)

    def length(value):
        return raw(lambda file: struct.pack("<Q", value) + file[8:])

    # The file.
    def is_folder(run, spec, weights):
        os.mkdir(run.path("model.safetensors"))

    def dangling(run, spec, weights):
        os.symlink("nowhere", run.path("model.safetensors"))

    def elsewhere(run, spec, weights):
        spec["weights"] = "none.safetensors"

    yield bad("a folder", is_folder, "file", "folder")
    yield bad("a dangling link", dangling, "file")
    yield bad("no such file", elsewhere, "file", file="none.safetensors")
    yield bad("no such file by option", lambda *_: None, "file",
              file="other.safetensors",
              arguments=["--weights", "@/other.safetensors"])

    # The header.
    yield bad("empty", raw(lambda file: b""), "header", "8 bytes")
    yield bad("five bytes", raw(lambda file: file[:5]), "header", "8 bytes")
    yield bad("only a length", raw(lambda file: file[:8]), "header")
    yield bad("cut off in the header", raw(lambda file: file[:100]), "header",
              "cut off")
    yield bad("cut off in the data", raw(lambda file: file[:-1]), None,
              "bytes")
    yield bad("bytes behind the data", raw(lambda file: file + b"x"),
              "header", "bytes")
    yield bad("header length 0", length(0), "header")
    yield bad("header length 2^64-1", length(2**64 - 1), "header")
    yield bad("header length 2^63", length(2**63), "header")
    yield bad("header length 10^8", length(10**8), "header", "cut off")
    yield bad("a picture", raw(lambda file: b"\x89PNG\r\n\x1a\n" + file),
              "header")
    yield bad("header is no JSON", header(lambda h: b"{this is not JSON}"),
              "header", "JSON", keep_out=True)
    yield bad("header is a list", header(lambda h: b"[1, 2]"), "header")
    yield bad("deep header",
              header(lambda h: b'{"a":' * 1000000), "a")
    yield bad("a tensor twice",
              header(lambda h: json.dumps(h).encode()[:-1] +
                     b', "norm.bias": ' +
                     json.dumps(h["norm.bias"]).encode() + b"}"),
              "norm.bias", "twice")
    yield bad("tensor is a number",
              header(lambda h: dict(h, **{"norm.bias": 3})), "norm.bias")
    yield bad("metadata of numbers",
              header(lambda h: dict(h, __metadata__={"a": 1})),
              "__metadata__")
    yield bad("name with line breaks",
              header(lambda h: dict(h, **{"a\nerror: x: y\u2028": 3})), None,
              "\\n")

    # Offsets that lie.
    size = 4 * D
    name = "cls_token"  # the first in the data
    yield bad("offsets out of range",
              entry("head.bias", data_offsets=[2**40, 2**40 + 12]),
              "head.bias", "bytes of data")
    yield bad("end 2^63-1", entry(name, data_offsets=[0, 2**63 - 1]), name)
    yield bad("end 2^64", entry(name, data_offsets=[0, 2**64]), name,
              "integers")
    yield bad("backwards", entry(name, data_offsets=[size, 0]), name)
    yield bad("negative", entry(name, data_offsets=[-4, size - 4]), name, "-4")
    yield bad("float offsets", entry(name, data_offsets=[0.0, 32.0]), name)
    yield bad("one offset", entry(name, data_offsets=[0]), name)
    yield bad("overlap", entry("pos_embed", data_offsets=[0, size * TOKENS]),
              "pos_embed", "overlap")
    yield bad("fewer bytes than the shape",
              entry(name, data_offsets=[0, size - 4]), name, str(size))
    yield bad("shape that overflows", entry(name, shape=[2**32, 2**32]), name)
    yield bad("shape 2^61", entry(name, shape=[2**61]), name)
    yield bad("negative shape", entry(name, shape=[-1, -1, 8]), name, "-1")
    yield bad("shape of floats", entry(name, shape=[1, 1, 8.0]), name, "8.0")
    yield bad("shape is a number", entry(name, shape=8), name)
    yield bad("dtype is a number", entry(name, dtype=32), name)
    yield bad("no dtype",
              header(lambda h: {k: {f: v for f, v in t.items()
                                    if f != "dtype" or k != name}
                                for k, t in h.items()}),
              name, "dtype")

    # The tensors of the model.
    for missing in ("cls_token", "pos_embed", "patch_embed.proj.bias",
                    "blocks.0.attn.qkv.bias", "blocks.0.mlp.fc2.weight",
                    "blocks.1.moe.experts.1.fc1.weight", "router.weight",
                    "norm.weight", "head.bias"):
        yield bad(f"no {missing}",
                  tensors(lambda w, name=missing: w.tensors.pop(name)),
                  missing, "missing",
                  keep_out=missing == "head.bias")
    yield bad("transposed",
              tensors(lambda w: w.set("head.weight", "F32", [D, CLASSES])),
              "head.weight", ("[3, 8]", "[8, 3]"))
    yield bad("flat class token",
              tensors(lambda w: w.set("cls_token", "F32", [D])), "cls_token",
              ("[1, 1, 8]", "[8]"))
    yield bad("positions without the class token",
              tensors(lambda w: w.set("pos_embed", "F32",
                                      [1, TOKENS - 1, D])),
              "pos_embed", ("[1, 5, 8]", "[1, 4, 8]"))
    yield bad("empty tensor",
              tensors(lambda w: w.set("norm.bias", "F32", [0])), "norm.bias",
              "[0]")
    yield bad("f64",
              tensors(lambda w: w.set("norm.bias", "F64", [D])), "norm.bias",
              ("F64", "F32", "BF16"))
    yield bad("integers",
              tensors(lambda w: w.set("norm.bias", "I64", [D])), "norm.bias",
              "I64")
    yield bad("unknown dtype", entry("norm.bias", dtype="F31"), "norm.bias",
              "F31")


def output_cases():
    def bad(name, out, prepare=lambda *_: None):
        return BadInput("output: " + name, prepare, None, file=out,
                        arguments=["-o", "@/" + out])

    def read_only(run, spec, weights):
        os.mkdir(run.path("locked"), 0o555)

    yield bad("in no folder", "none/model")
    yield bad("in a file", "model.json/model")
    yield bad("a folder", "out")
    if os.geteuid() != 0:
        yield bad("in a folder that is read-only", "locked/model", read_only)
    for kind in ("exe", "shared", "obj", "lib"):
        yield NoSpace(kind)
    yield Permissions()


def nan(value):
    def edit(weights):
        dtype, shape, data = weights.tensors["head.weight"]
        weights.tensors["head.weight"] = (
            dtype, shape, data[:20] + struct.pack("<f", value) + data[24:])
    return tensors(edit)


def good_cases():
    yield GoodInput("good: as it is", lambda *_: None)
    yield GoodInput("good: precisions of all layers that can have one",
                    fields(precision={name: precision for name, precision in zip(
                        ("patch_embed", "patch_embed.proj", "blocks.0",
                         "blocks.0.attn", "blocks.0.attn.qkv",
                         "blocks.0.attn.proj", "blocks.0.mlp",
                         "blocks.0.mlp.fc1", "blocks.0.mlp.fc2", "blocks.1",
                         "blocks.1.moe", "blocks.1.moe.experts", "head"),
                        ["f32", "bf16", "int8"] * 5)}))
    yield GoodInput("good: no precisions", fields(precision={}))
    yield GoodInput("good: NaN in the weights", nan(float("nan")),
                    ["NaN", "head.weight"])
    yield GoodInput("good: infinity in the weights", nan(float("-inf")),
                    ["infinite", "head.weight"])
    yield GoodInput("good: unused tensors",
                    tensors(lambda w: (w.set("blocks.1.mlp.fc1.bias", "F32",
                                             [HIDDEN]),
                                       w.set("step", "I64", []))),
                    ["blocks.1.mlp.fc1.bias", "step"])


def usage_cases():
    def wrong(name, *arguments):
        return WrongUsage("usage: " + name, *arguments)

    yield wrong("nothing")
    yield wrong("unknown option", "@/model.json", "--no-such-option")
    yield wrong("unknown kind", "@/model.json", "--emit=nothing")
    yield wrong("unknown precision", "@/model.json", "--precision=f7")
    yield wrong("no value", "@/model.json", "-o")
    yield wrong("two specifications", "@/model.json", "@/model.json")


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    compiler, work = map(os.path.abspath, sys.argv[1:])
    if not os.access(compiler, os.X_OK):
        print(f"{compiler} cannot be run", file=sys.stderr)
        return 2
    shutil.rmtree(work, ignore_errors=True)

    passed = failed = 0
    cases = [case for cases in (spec_cases, weights_cases, output_cases,
                                good_cases, usage_cases) for case in cases()]
    for number, case in enumerate(cases):
        run = Run(os.path.join(work, f"{number:03}"), compiler)
        run.stderr = ""
        try:
            case(run)
            passed += 1
        except (Failure, subprocess.TimeoutExpired, UnicodeDecodeError) as e:
            failed += 1
            print(f"FAILED {case.name}: {e}\n  in {run.folder}")
            for line in run.stderr.splitlines()[:5]:
                print("  | " + line[:300])

    # Nothing here justifies more, whatever a header or a size may say.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    if peak > 2048:
        failed += 1
        print(f"FAILED memory: expected at most 2048 MB, found {peak}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

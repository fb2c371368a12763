#!/usr/bin/env python3
"""Runs C and C++ programs with models under the sanitizers and beside guard pages.

    sanitizers.py --moe-compile build/bin/moe-compile --cc clang --cxx clang++ \\
        --objcopy llvm-objcopy --opt opt --work DIR [sanitizers|guards]

`sanitizers`: not only the programs are instrumented, the model's code is too: its
LLVM IR goes through Clang, and only the weights come from moe-compile's object.
Every sanitizer must also find a mistake that a program makes on purpose.

`guards`: moe-compile's own objects, for every precision and CPU variant that this
machine, or an emulated CPU (--target, --runner), can run, with buffers between pages
that cannot be touched.
"""

import argparse
import functools
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np

import harness
import random_model

INPUTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs")
# Has the threads that run_with.c brings along.
EXAMPLE = os.path.join(INPUTS, "..", "..", "..", "examples", "embed-c")
IMAGES = 3

# Sizes are odd, so that no buffer ends where a vector does.
SHAPE = {
    "image_size": [10, 15],
    "patch_size": [2, 5],
    "num_channels": 3,
    "hidden_size": 28,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 51,
    "num_classes": 11,
}
MODELS = {
    "image": dict(SHAPE, moe={"layers": {"last": 1}, "num_experts": 5, "top_k": 2}),
    "patch": dict(
        SHAPE,
        moe={
            "layers": [0],
            "num_experts": 3,
            "top_k": 2,
            "routing": "patch",
            "capacity_factor": 0.7,
        },
    ),
    # Large enough that its kernels are shared among threads.
    "shared": {
        "image_size": [28, 60],
        "patch_size": [4, 12],
        "num_channels": 3,
        "hidden_size": 180,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 601,
        "num_classes": 11,
        "moe": {
            "layers": [0],
            "num_experts": 3,
            "top_k": 2,
            "routing": "patch",
            "capacity_factor": 1.0,
        },
    },
    # To ask which variants there are.
    "small": {
        "image_size": 8,
        "patch_size": 4,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 16,
        "num_classes": 3,
    },
}
# What a CPU of the kind at least has.
BASELINE = {"x86_64": "x86-64", "aarch64": "armv8-a"}
CANNOT_RUN = 77

# Clang's name, its attribute of functions, what it says of an error, and the
# mistakes that it must find, as arguments of a program.
SANITIZERS = {
    "address": (
        "sanitize_address",
        "AddressSanitizer: heap-buffer-overflow",
        [
            ("run_heap.c", "short-input"),
            ("run_heap.c", "short-logits"),
            ("run_heap.c", "short-workspace"),
        ],
    ),
    "thread": (
        "sanitize_thread",
        "ThreadSanitizer: data race",
        [("run_threads.cpp", "shared-workspace"), ("run_with.c", "in-two-threads")],
    ),
    "memory": (
        "sanitize_memory",
        "MemorySanitizer: use-of-uninitialized-value",
        [("run_heap.c", "unwritten-input")],
    ),
    # A matter of C's source, so of the programs and the header alone.
    "undefined": (None, "runtime error", []),
}

# At the first error, and by itself: while several threads have errors,
# ThreadSanitizer can wait for its symbolizer for ever.
STOP_AT_ERROR = dict(
    os.environ,
    ASAN_OPTIONS="symbolize=0",
    MSAN_OPTIONS="symbolize=0",
    TSAN_OPTIONS="symbolize=0:halt_on_error=1",
)


def instrument(text, attribute):
    """LLVM IR whose functions a sanitizer may change."""
    text, count = re.subn(
        r"^(define [^\n]*?)( #\d+)", rf"\1 {attribute}\2", text, flags=re.M
    )
    if count == 0 or count != len(re.findall(r"^define ", text, re.M)):
        raise harness.Failure(f"cannot mark all functions of the IR, only {count}")
    return text


class Tests:
    def __init__(self, args):
        self.args = args
        self.target = harness.Target(args)
        self.work = os.path.abspath(args.work)
        self.compiler = os.path.abspath(args.moe_compile)
        self.specs, self.images = {}, {}
        for seed, (name, data) in enumerate(MODELS.items()):
            self.specs[name] = random_model.write_model(
                self.work, data, seed, stem=name
            )
            spec = random_model.oracle.parse_spec(data)
            images = random_model.random_images(spec, IMAGES, 5).astype(np.float32)
            self.images[name] = os.path.join(self.work, name + ".in")
            images.tofile(self.images[name])

    def emit(self, name, kind, precision, cpu, out):
        harness.run(
            [
                self.compiler,
                self.specs[name],
                f"--emit={kind}",
                f"--precision={precision}",
                *([f"--cpu={cpu}"] if cpu else []),
                *self.target.options,
                "-o",
                out,
            ]
        )

    def link(self, source, name, folder, objects, flags):
        """A program that runs the model; a warning is an error."""
        isCxx = source.endswith(".cpp")
        stem = os.path.splitext(source)[0]
        out = os.path.join(folder, stem)
        command = [self.args.cxx, "-std=c++11"] if isCxx else [self.args.cc, "-std=c99"]
        command += ["-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-g", *flags]
        command += [f'-DHEADER="{name}.h"', f"-DMODEL={name}"]
        sources = [os.path.join(INPUTS, source)]
        if source == "run_with.c":
            command.append("-I" + EXAMPLE)
            sources.append(os.path.join(EXAMPLE, "team.c"))
        harness.run([*command, *sources, *objects, "-pthread", "-o", out])
        return out

    # Sanitizers

    @functools.lru_cache(maxsize=None)
    def parts(self, name, precision, cpu):
        """The folder of a model's header, its object, an object with nothing but the
        weights, and the LLVM IR of the code."""
        folder = os.path.join(self.work, f"{name}-{precision}")
        os.makedirs(folder)
        model = os.path.join(folder, name + ".o")
        self.emit(name, "obj", precision, cpu, model)
        weights = os.path.join(folder, "weights.o")
        only = ["--only-section=.moe.*", "--only-section=.note.GNU-stack"]
        harness.run([self.args.objcopy, "--wildcard", *only, model, weights])
        ir = os.path.join(folder, name + ".ll")
        self.emit(name, "llvm", precision, cpu, ir)
        with open(ir) as file:
            return folder, model, weights, file.read()

    def sanitized_programs(self, sanitizer, name, precision, cpu, sources):
        """Programs with the model, all of it instrumented: source -> path."""
        headers, model, weights, ir = self.parts(name, precision, cpu)
        folder = os.path.join(headers, sanitizer)
        os.makedirs(folder)
        flags = [f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
        objects = [model]
        attribute = SANITIZERS[sanitizer][0]
        if attribute:
            source = os.path.join(folder, name + ".ll")
            with open(source, "w") as file:
                file.write(instrument(ir, attribute))
            if sanitizer == "thread":
                # It does not look at vectors of more than 16 bytes, so at hardly a
                # store of a matrix product.
                scalars = source + ".scalars"
                passes = "-passes=scalarizer<load-store>"
                harness.run([self.args.opt, passes, "-S", source, "-o", scalars])
                source = scalars
            code = os.path.join(folder, "code.o")
            command = [self.args.cc, "-O1", "-fPIC", *flags, "-x", "ir"]
            harness.run([*command, "-c", source, "-o", code])
            objects = [code, weights]
        flags.append("-I" + headers)
        return {
            source: self.link(source, name, folder, objects, flags)
            for source in sources
        }

    def test_sanitizers(self):
        cpus = ("native", BASELINE[self.target.machine])
        configurations = [
            ("image", "f32", cpus[1], ("run_heap.c", "run_threads.cpp")),
            ("shared", "f32", cpus[1], ("run_heap.c", "run_with.c")),
            ("patch", "f32", cpus[0], ("run_heap.c", "run_threads.cpp")),
            ("patch", "bf16", cpus[1], ("run_heap.c", "run_threads.cpp")),
            ("image", "int8", cpus[0], ("run_heap.c", "run_threads.cpp")),
        ]
        for sanitizer, (attribute, message, mistakes) in SANITIZERS.items():
            unfound = {}
            for source, mistake in mistakes:
                unfound.setdefault(source, []).append(mistake)
            if not attribute:
                configurations = configurations[:2]
            for name, precision, cpu, sources in configurations:
                programs = self.sanitized_programs(
                    sanitizer, name, precision, cpu, sources
                )
                for source, program in programs.items():
                    # MemorySanitizer does not know what libstdc++ writes.
                    if sanitizer == "memory" and source.endswith(".cpp"):
                        continue
                    done = harness.run([program, self.images[name]], env=STOP_AT_ERROR)
                    if done.stderr:
                        raise harness.Failure(done.stderr.decode())
                    if source == "run_with.c" and int(done.stdout) == 0:
                        raise harness.Failure(f"{name}: no kernel is shared")
                    for mistake in unfound.pop(source, []):
                        self.check_found(program, name, mistake, message)
                print(f"{sanitizer}: {name}, {precision}, {cpu}: ok", flush=True)
            if unfound:
                raise harness.Failure(f"{sanitizer}: not tried: {unfound}")

    def test_team(self):
        """The threads of examples/embed-c."""
        for sanitizer in ("address", "thread", "undefined"):
            out = os.path.join(self.work, "team-" + sanitizer)
            command = [self.args.cc, "-std=c99", "-Wall", "-Wextra", "-Werror"]
            command += ["-pedantic", "-O1", "-g", f"-fsanitize={sanitizer}"]
            command += ["-fno-sanitize-recover=all", "-I" + EXAMPLE, "-pthread"]
            sources = [os.path.join(EXAMPLE, "team.c"), os.path.join(INPUTS, "run_team.c")]
            harness.run([*command, *sources, "-o", out])
            harness.run([out], env=STOP_AT_ERROR)

    def check_found(self, program, name, mistake, message):
        done = subprocess.run(
            [program, self.images[name], mistake],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            env=STOP_AT_ERROR,
        )
        text = done.stdout.decode(errors="replace")
        if done.returncode == 0 or message not in text:
            raise harness.Failure(f"{mistake}: expected {message}, found {text[:2000]}")
        print(f"found {mistake}", flush=True)

    # Guard pages

    def variants(self, precision):
        """The CPU variants of a precision, and those that each CPU takes by default."""
        out = os.path.join(self.work, precision)
        self.emit("small", "exe", precision, None, out)
        infos = [executable.info() for executable in self.target.executables(out)]
        return infos[0]["cpu_variants"], {info["cpu_variant"] for info in infos}

    def test_guards(self):
        for name, precision in (
            ("image", "f32"),
            ("patch", "f32"),
            ("patch", "bf16"),
            ("shared", "int8"),
            ("image", "int8"),
        ):
            variants, wanted = self.variants(precision)
            ran = []
            for variant in variants:
                program = self.guarded_program(name, precision, variant)
                ran += [variant] * self.run_guarded(program, name)
            if not wanted <= set(ran):
                raise harness.Failure(f"{precision}: expected {wanted}, ran {ran}")
            print(f"{name}, {precision}: {', '.join(ran)}", flush=True)
        self.check_overrun(program, name)

    def guarded_program(self, name, precision, variant):
        folder = os.path.join(self.work, f"{name}-{precision}-{variant}")
        os.makedirs(folder)
        model = os.path.join(folder, name + ".o")
        self.emit(name, "obj", precision, variant, model)
        flags = ["-I" + folder, *(["-static"] if self.args.target else [])]
        return self.link("run_guarded.c", name, folder, [model], flags)

    def run_guarded(self, program, name):
        """Whether a CPU has the variant; all that do give the same answer."""
        answers = set()
        for runner in self.target.runners:
            target = program + ".out"
            command = [*runner, program, self.images[name], target]
            if harness.run(command, (0, CANNOT_RUN)).returncode == 0:
                with open(target, "rb") as file:
                    answers.add(file.read())
        if len(answers) > 1:
            raise harness.Failure(f"{program}: the answers differ")
        return bool(answers)

    def check_overrun(self, program, name):
        """A workspace that is too small ends in the forbidden page."""
        command = [*self.target.runners[-1], program, self.images[name]]
        done = subprocess.run(
            [*command, os.path.join(self.work, "overrun"), "overrun"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # An emulator's own signal is its exit code.
        if done.returncode not in (-signal.SIGSEGV, 128 + signal.SIGSEGV):
            raise harness.Failure(f"overrun: expected SIGSEGV, found {done.returncode}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True, metavar="PATH")
    parser.add_argument("--work", required=True, metavar="DIR")
    parser.add_argument("--cc", default="clang")
    parser.add_argument("--cxx", default="clang++")
    parser.add_argument("--objcopy", default="llvm-objcopy")
    parser.add_argument("--opt", default="opt")
    parser.add_argument("test", choices=("sanitizers", "guards", "team"))
    harness.add_target_options(parser)
    args = parser.parse_args()
    start = time.monotonic()
    getattr(Tests(args), "test_" + args.test)()
    print(f"ok, {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    try:
        main()
    except harness.Failure as failure:
        sys.exit(f"error: {failure}")

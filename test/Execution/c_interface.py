#!/usr/bin/env python3
"""Checks what moe-compile emits: objects, libraries, executables, stages.

    c_interface.py --moe-compile build/bin/moe-compile --work DIR

For another --target, --cc, --cxx and --nm are the cross compiler's.
"""

import argparse
import functools
import itertools
import os
import re
import shutil
import sys

import numpy as np

import harness
import oracle
import random_model

INPUTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs")
KINDS = {"obj": ".o", "lib": ".a", "shared": ".so"}

# The weights' sizes are odd, so that nothing is aligned by luck.
SPECS = {
    "Routed": {
        "image_size": [10, 15],
        "patch_size": [2, 5],
        "num_channels": 3,
        "hidden_size": 28,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 51,
        "num_classes": 11,
        "moe": {"layers": {"last": 2}, "num_experts": 5, "top_k": 2},
    },
    "plain": {
        "image_size": 8,
        "patch_size": 4,
        "num_channels": 1,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 33,
        "num_classes": 3,
        "hidden_act": "silu",
    },
}

# What the generated code may take from the C library, besides what the linker
# adds to every shared library.
ALLOWED_UNDEFINED = {"memcpy", "memmove", "memset"}
# On AArch64 only the kernel, through getauxval, tells the CPU's features.
ALLOWED_ON = {"aarch64": {"getauxval"}}
LINKER_SYMBOLS = {
    "_GLOBAL_OFFSET_TABLE_",
    "_ITM_deregisterTMCloneTable",
    "_ITM_registerTMCloneTable",
    "__cxa_finalize",
    "__gmon_start__",
}
LIBM = re.compile(
    r"\b(?:call[a-z]*|jmp|bl?)\s+_?"
    r"((?:exp|exp2|exp10|expm1|log|log2|erf|erfc|tanh|pow|fma|fmin|fmax|sqrt|"
    r"floor|ceil|round|rint|nearbyint|trunc|fmod|sin|cos)[fl]?)\b"
)


def expect(condition, message):
    if not condition:
        raise harness.Failure(message)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Tests:
    """Each method named test_* is one test."""

    def __init__(self, args):
        self.args = args
        self.target = harness.Target(args)
        self.work = os.path.abspath(args.work)
        self.compiler = os.path.abspath(args.moe_compile)
        self.specs = {}
        for seed, (name, data) in enumerate(SPECS.items()):
            self.specs[name] = random_model.write_model(
                self.work, data, seed, stem=name
            )

    def folder(self, name):
        path = os.path.join(self.work, name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def compile(self, spec, out, *options, **more):
        command = [self.compiler, spec, "-o", out, *self.target.options, *options]
        done = harness.run(command, **more)
        expect(not done.stderr, f"unexpected: {done.stderr.decode()}")
        return out

    @functools.lru_cache(maxsize=None)
    def emit(self, name, kind):
        """Path of the model's object or library."""
        folder = self.folder(f"emit-{name}-{kind}")
        out = os.path.join(folder, name + KINDS[kind])
        self.compile(self.specs[name], out, f"--emit={kind}")
        expect(os.path.isfile(os.path.join(folder, name + ".h")), "no header")
        return out

    def cc(self, source, out, flags, cxx=False):
        """Compiles and links a program; a warning is an error."""
        strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
        command = [self.args.cxx if cxx else self.args.cc]
        command += ["-std=c++11" if cxx else "-std=c99", *strict]
        done = harness.run([*command, source, "-o", out, *flags])
        expect(not done.stderr, f"linker: {done.stderr.decode()}")
        return out

    @functools.lru_cache(maxsize=None)
    def emulator_environment(self):
        """Where the emulator finds the target's shared libraries."""
        command = [self.args.cc, "-print-file-name=libc.so.6"]
        libc = harness.run(command).stdout.decode().strip()
        prefix = os.path.dirname(os.path.dirname(os.path.realpath(libc)))
        return dict(os.environ, QEMU_LD_PREFIX=prefix)

    def run_linked(self, *command, check=lambda: None):
        """Runs a program on each CPU, and `check`s what it left."""
        for runner in self.target.runners:
            environment = self.emulator_environment() if runner else None
            harness.run([*runner, *command], env=environment)
            check()

    def model_flags(self, name, kind, suffix=""):
        path = self.emit(name, kind)
        flags = [
            f'-DHEADER{suffix}="{name}.h"',
            f"-DMODEL{suffix}={name}",
            "-I" + os.path.dirname(path),
            path,
        ]
        if kind == "shared":
            flags.append("-Wl,-rpath," + os.path.dirname(path))
        return flags

    def images(self, name, count=1):
        model = oracle.Model.load(self.specs[name])
        return model, random_model.random_images(model.spec, count, 5)

    def check_logits(self, name, path):
        """`path` holds the raw logits of the model's first image."""
        model, images = self.images(name)
        expected = model.run(images[0]).logits
        found = np.fromfile(path, dtype=np.float32)
        expect(found.shape == expected.shape, f"found {found.shape} logits")
        error = np.abs(found - expected).max() / max(1, np.abs(expected).max())
        expect(error <= harness.TOLERANCE["f32"], f"logits differ by {error:.3g}")

    def run_c(self, kind):
        folder = self.folder("c-" + kind)
        for name in SPECS:
            program = os.path.join(folder, name)
            source = os.path.join(INPUTS, "run_model.c")
            self.cc(source, program, self.model_flags(name, kind))
            self.images(name)[1].tofile(program + ".in")
            self.run_linked(
                program,
                program + ".in",
                program + ".out",
                check=lambda: self.check_logits(name, program + ".out"),
            )

    def test_c_program_with_object(self):
        self.run_c("obj")

    def test_c_program_with_static_library(self):
        self.run_c("lib")

    def test_c_program_with_shared_library(self):
        self.run_c("shared")

    def run_threads(self, kind):
        program = os.path.join(self.folder("threads-" + kind), "run")
        flags = [*self.model_flags("Routed", kind), "-pthread"]
        self.cc(os.path.join(INPUTS, "run_threads.cpp"), program, flags, cxx=True)
        self.images("Routed", 4)[1].tofile(program + ".in")
        self.run_linked(program, program + ".in")

    def test_threads_with_static_library(self):
        self.run_threads("lib")

    def test_threads_with_shared_library(self):
        self.run_threads("shared")

    def test_two_models_in_one_program(self):
        for kinds in (("obj", "obj"), ("lib", "lib"), ("shared", "lib")):
            program = os.path.join(self.folder("two-" + "-".join(kinds)), "run")
            flags, files = [], []
            for name, kind, suffix in zip(SPECS, kinds, ("_A", "_B")):
                flags += self.model_flags(name, kind, suffix)
                files += [program + suffix + ".in", program + suffix + ".out"]
                self.images(name)[1].tofile(files[-2])
            self.cc(os.path.join(INPUTS, "run_two_models.c"), program, flags)

            def check():
                for name, target in zip(SPECS, files[1::2]):
                    self.check_logits(name, target)

            self.run_linked(program, *files, check=check)

    def test_libraries_loaded_at_run_time(self):
        """Of one structure, so that all of their inner names are equal too."""
        folder = self.folder("loaded")
        program = self.cc(
            os.path.join(INPUTS, "run_loaded.c"), os.path.join(folder, "run"), ["-ldl"]
        )
        twins, arguments = ("twin_a", "twin_b"), []
        for seed, name in enumerate(twins):
            self.specs[name] = random_model.write_model(
                self.work, SPECS["Routed"], seed + 7, stem=name
            )
            model, images = self.images(name)
            source, target = (os.path.join(folder, name + s) for s in (".in", ".out"))
            images[0].tofile(source)
            arguments += [self.emit(name, "shared"), name, source, target]
            arguments += [images[0].size, model.spec.classes]

        def check():
            for name in twins:
                self.check_logits(name, os.path.join(folder, name + ".out"))

        self.run_linked(program, *arguments, check=check)

    def test_header_in_every_language(self):
        folder = os.path.dirname(self.emit("Routed", "obj"))
        use = (
            '#include "Routed.h"\n#include "Routed.h"\n'
            "size_t use(const float *input, float *logits, void *workspace);\n"
            "size_t use(const float *input, float *logits, void *workspace) {\n"
            "  int status = Routed_run(input, logits, workspace);\n"
            "  return status ? Routed_CLASSES : Routed_workspace_size();\n"
            "}\n"
        )
        languages = {
            "c": (["c99", "c11", "gnu17"], [self.args.cc, "gcc"]),
            "cpp": (["c++98", "c++11", "c++17"], [self.args.cxx, "g++"]),
        }
        for suffix, (standards, compilers) in languages.items():
            source = os.path.join(self.folder("header-" + suffix), "use." + suffix)
            with open(source, "w") as file:
                file.write(use)
            flags = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
            if suffix == "c":
                flags += ["-Wc++-compat", "-Wstrict-prototypes"]
            for compiler, standard in itertools.product(compilers, standards):
                if not shutil.which(compiler):
                    continue
                command = [compiler, "-std=" + standard, *flags, "-fsyntax-only"]
                harness.run([*command, "-I" + folder, source])

    def nm(self, path, *options):
        """(type, name) of each symbol."""
        lines = harness.run([self.args.nm, *options, path]).stdout.decode().splitlines()
        fields = [line.split() for line in lines]
        return [tuple(f[-2:]) for f in fields if len(f) >= 2]

    def test_exported_symbols(self):
        for name in SPECS:
            for kind in KINDS:
                path = self.emit(name, kind)
                dynamic = ["-D"] if kind == "shared" else []
                found = self.nm(path, "--defined-only", "-g", *dynamic)
                names = {symbol for _, symbol in found}
                wanted = {name + "_run", name + "_workspace_size"}
                expect(wanted <= names, f"{path}: lacks {wanted - names}")
                foreign = [n for n in names if not n.startswith(name + "_")]
                expect(not foreign, f"{path}: exports {foreign}")

    def test_undefined_symbols(self):
        """No heap, locks, or mathematical library."""
        for kind in KINDS:
            path = self.emit("Routed", kind)
            dynamic = ["-D"] if kind == "shared" else []
            undefined = {
                symbol.split("@")[0]
                for _, symbol in self.nm(path, "--undefined-only", *dynamic)
            }
            own = {s for _, s in self.nm(path, "--defined-only", *dynamic)}
            allowed = ALLOWED_UNDEFINED | ALLOWED_ON.get(self.target.machine, set())
            extra = undefined - own - allowed - LINKER_SYMBOLS
            expect(not extra, f"{path}: needs {sorted(extra)}")

    def test_mutable_data(self):
        """At most one word can be written."""
        path = self.emit("Routed", "obj")
        text = harness.run(["readelf", "-SW", path]).stdout.decode()
        sections = re.findall(
            r"\] (\S+)\s+(?:PROGBITS|NOBITS)\s+\w+ \w+ (\w+) \w+\s+(\w*)", text
        )
        expect(len(sections) > 1, f"cannot read the sections:\n{text}")
        writable = {
            name: int(size, 16)
            for name, size, flags in sections
            if "W" in flags and not name.startswith(".data.rel.ro")
        }
        expect(sum(writable.values()) <= 8, f"{path}: writable {writable}")

    def test_stack_is_not_executable(self):
        for path in (self.emit("Routed", "shared"), self.executable()):
            text = harness.run(["readelf", "-lW", path]).stdout.decode()
            stack = re.search(r"GNU_STACK(.*)", text)
            expect(stack and "RWE" not in stack[1], f"{path}: executable stack")

    @functools.lru_cache(maxsize=None)
    def executable(self):
        out = os.path.join(self.folder("exe"), "model")
        return self.compile(self.specs["Routed"], out)

    def test_executable_is_static(self):
        path = self.executable()
        text = harness.run(["readelf", "-lW", path]).stdout.decode()
        expect("INTERP" not in text, "the executable has an interpreter")
        text = harness.run(["readelf", "-dW", path]).stdout.decode()
        expect("NEEDED" not in text, "the executable needs a shared library")

    def test_executable_needs_nothing(self):
        """Another folder, no environment, the model's files out of reach."""
        folder = self.folder("alone")
        program = os.path.join(folder, "moved")
        shutil.copy(self.executable(), program)
        model, images = self.images("Routed", 2)
        expected = np.array([model.run(image).logits for image in images])
        scale = np.maximum(1, np.abs(expected).max(axis=1, keepdims=True))
        np.save(os.path.join(folder, "x.npy"), images)
        files = [self.specs["Routed"], model.spec.weights]
        for path in files:
            os.rename(path, path + ".away")
        try:
            command = ["./moved", "--tensor", "x.npy", "--logits", "y.npy"]
            for runner in self.target.runners:
                harness.run([*runner, *command], cwd=folder, env={})
                found = np.load(os.path.join(folder, "y.npy"))
                error = (np.abs(found - expected) / scale).max()
                expect(error <= harness.TOLERANCE["f32"], f"logits differ by {error}")
        finally:
            for path in files:
                os.rename(path + ".away", path)

    def test_assembly_calls_no_libm(self):
        for name in SPECS:
            out = os.path.join(self.folder("asm-" + name), "model.s")
            self.compile(self.specs[name], out, "--emit=asm")
            text = read(out).decode()
            expect(name + "_run" in text, f"{out}: no {name}_run")
            calls = sorted(set(LIBM.findall(text)))
            expect(not calls, f"{out}: calls {calls}")

    def test_compiling_twice_gives_the_same_bytes(self):
        for kind in ("exe", *KINDS, "asm", "llvm"):
            outputs = []
            for turn in ("first", "second"):
                # A shared library holds its own file's name.
                out = os.path.join(self.folder(f"same-{kind}-{turn}"), "same")
                self.compile(self.specs["Routed"], out, f"--emit={kind}")
                outputs.append(read(out))
            expect(outputs[0] == outputs[1], f"--emit={kind}: the bytes differ")

    def test_every_listed_stage(self):
        done = harness.run([self.compiler, "--emit=help"])
        lines = re.findall(r"^\s*([a-z][\w-]*)\s+(\S.*)$", done.stdout.decode(), re.M)
        stages = [name for name, _ in lines]
        missing = {"exe", "obj", "lib", "shared", "asm", "llvm"} - set(stages)
        expect(not missing, f"--emit=help: lacks {missing}")
        expect(len(stages) > 6, "--emit=help: lists no IR stage")
        folder = self.folder("stages")
        for stage in stages:
            out = os.path.join(folder, stage + ".out")
            self.compile(self.specs["Routed"], out, f"--emit={stage}")
            expect(os.path.getsize(out) > 0, f"--emit={stage}: empty")

    def test_unknown_stage_is_wrong_usage(self):
        out = os.path.join(self.folder("unknown"), "out")
        command = [self.compiler, self.specs["plain"], "-o", out, "--emit=no-such"]
        harness.run(command, expect=(2,))
        expect(not os.path.exists(out), "an output is left")

    def test_default_output_names(self):
        folder = self.folder("default")
        suffixes = {"exe": "", **KINDS}
        for kind, suffix in suffixes.items():
            command = [self.compiler, self.specs["Routed"], f"--emit={kind}"]
            harness.run([*command, *self.target.options], cwd=folder)
            path = os.path.join(folder, "Routed" + suffix)
            expect(os.path.isfile(path), f"--emit={kind}: found {os.listdir(folder)}")
        expect(os.access(os.path.join(folder, "Routed"), os.X_OK), "not executable")
        expect(os.path.isfile(os.path.join(folder, "Routed.h")), "no header")

    def test_names_become_identifiers(self):
        names = {"2-part net.v1": "_2_part_net_v1", "int": "_int"}
        for number, (name, identifier) in enumerate(names.items()):
            folder = self.folder(f"name{number}")
            data = dict(SPECS["plain"], name=name)
            spec = random_model.write_model(folder, data, 1)
            out = os.path.join(folder, "out.o")
            self.compile(spec, out, "--emit=obj")
            header = read(os.path.join(folder, "out.h")).decode()
            macros = re.findall(r"#define (\w+)_CLASSES\b", header)
            expect(macros == [identifier], f"{name}: found {macros}")
            program = os.path.join(folder, "run")
            source = os.path.join(INPUTS, "run_model.c")
            flags = ['-DHEADER="out.h"', f"-DMODEL={identifier}", "-I" + folder, out]
            self.cc(source, program, flags)

    def test_header_values(self):
        for name, data in SPECS.items():
            spec = oracle.parse_spec(data)
            path = os.path.join(os.path.dirname(self.emit(name, "obj")), name + ".h")
            header = read(path).decode()
            macros = dict(re.findall(r"#define (\w+) (\d+)$", header, re.M))
            expected = {
                "CHANNELS": spec.channels,
                "HEIGHT": spec.image[0],
                "WIDTH": spec.image[1],
                "CLASSES": spec.classes,
            }
            for macro, value in expected.items():
                found = macros.get(f"{name}_{macro}")
                expect(found == str(value), f"{name}_{macro}: found {found}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True, metavar="PATH")
    parser.add_argument("--work", required=True, metavar="DIR")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cxx", default="c++")
    parser.add_argument("--nm", default="nm")
    harness.add_target_options(parser)
    parser.add_argument("--only", help="run the tests whose names contain this")
    args = parser.parse_args()
    tests = Tests(args)
    return harness.run_tests(tests, "test_", args.only)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Installs the project, moves the folder, and builds users' projects with it.

    package.py --build build --source . --work DIR [--cross]

With --cross, a project for AArch64, which qemu runs.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [
    os.path.join(HERE, "..", "Execution"),
    os.path.join(HERE, "..", "reference"),
]
import harness  # noqa: E402
import random_model  # noqa: E402
import safetensors  # noqa: E402

# Where the package is: what a shell, Make or Ninja would take for its own. CMake
# copes with that in the paths of tools, with spaces only where it is a project.
MOVED = "moved $x #1"
GENERATORS = {"ninja": "Ninja", "make": "Unix Makefiles"}
TINY = {
    "name": "tiny",
    "image_size": 8,
    "patch_size": 4,
    "num_channels": 1,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 33,
    "num_classes": 3,
    "labels": "labels.txt",
}
AARCH64_TOOLCHAIN = """\
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
# As toolchains do: packages are the target's only.
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_EXE_LINKER_FLAGS -static)
"""
# A project without a language: CMake knows nothing of the system but this.
SYSTEM_PROJECT = """\
cmake_minimum_required(VERSION 3.20)
project(p LANGUAGES NONE)
find_package(MoECompile REQUIRED)
{settings}
moe_add_model({arguments})
"""
# The system as CMake's variables say it, and what is passed to moe-compile.
TARGETS = [
    ("Linux x86_64", {}, "x86_64-linux-gnu"),
    ("Linux AMD64", {}, "x86_64-linux-gnu"),
    ("Linux aarch64", {}, "aarch64-linux-gnu"),
    ("Linux arm64", {}, "aarch64-linux-gnu"),
    (
        "Android aarch64",
        {"CMAKE_ANDROID_ARCH_ABI": "arm64-v8a", "CMAKE_SYSTEM_VERSION": "24"},
        "aarch64-linux-android24",
    ),
    (
        # As the NDK's own toolchain file has it.
        "Android aarch64",
        {
            "ANDROID": "TRUE",
            "ANDROID_ABI": "arm64-v8a",
            "ANDROID_PLATFORM": "android-21",
            "CMAKE_SYSTEM_VERSION": "1",
        },
        "aarch64-linux-android21",
    ),
    ("Android x86_64", {"ANDROID_ABI": "x86_64"}, "x86_64-linux-android"),
    ("Darwin arm64", {}, "arm64-apple-macosx"),
    (
        "Darwin x86_64",
        {"CMAKE_OSX_ARCHITECTURES": "arm64", "CMAKE_OSX_DEPLOYMENT_TARGET": "12.1"},
        "arm64-apple-macosx12.1",
    ),
    ("iOS arm64", {"CMAKE_OSX_DEPLOYMENT_TARGET": "15"}, "arm64-apple-ios15"),
    (
        "iOS arm64",
        {"CMAKE_OSX_SYSROOT": "iphonesimulator"},
        "arm64-apple-ios-simulator",
    ),
]
# The system, other variables, the arguments, and the error that they are.
ERRORS = [
    ("Linux x86_64", {}, "m", r"moe_add_model\(m\): no SPEC"),
    ("Linux x86_64", {}, "m SPEC", r"no value after SPEC"),
    ("Linux x86_64", {}, "m SPEC none.json", r"SPEC: there is no .*/none\.json"),
    ("Linux x86_64", {}, "m SPEC .", r"SPEC: there is no config\.json in "),
    ("Linux x86_64", {}, '"a b" SPEC tiny.json', r"expected the name of a target"),
    (
        "Linux x86_64",
        {},
        "MoECompile::moe-compile SPEC tiny.json",
        r"expected the name of a target",
    ),
    ("Linux x86_64", {}, "m tiny.json", r'unknown argument "tiny\.json"'),
    (
        "Linux x86_64",
        {},
        "m SPEC tiny.json KIND exe",
        r'KIND: expected lib, shared or obj, found "exe"',
    ),
    (
        "Linux x86_64",
        {},
        "m SPEC tiny.json PRECISION f16",
        r'PRECISION: expected f32, bf16 or int8, found "f16"',
    ),
    (
        "Linux x86_64",
        {},
        "m SPEC tiny.json PRECISION bf16 CALIBRATE tiny.json",
        r"CALIBRATE is for PRECISION int8, found bf16",
    ),
    (
        "Linux x86_64",
        {},
        "m SPEC tiny.json CALIBRATE a.npy",
        r"CALIBRATE: there is no .*/a\.npy",
    ),
    (
        "Linux x86_64",
        {},
        "m SPEC tiny.json WEIGHTS w",
        r"WEIGHTS: there is no .*/w",
    ),
    (
        "Linux x86_64",
        {},
        "m SPEC tiny.json OPTIONS --emit=exe",
        r"OPTIONS: --emit=exe is this function's business",
    ),
    (
        "Linux x86_64",
        {},
        "m SPEC tiny.json OPTIONS --cpu=native",
        r"OPTIONS: --cpu=native has an argument of its own here",
    ),
    (
        "Linux riscv64",
        {},
        "m SPEC tiny.json",
        r'no code for the processor "riscv64", only for x86_64 and aarch64',
    ),
    (
        "Linux x86_64",
        {"CMAKE_SIZEOF_VOID_P": "4"},
        "m SPEC tiny.json",
        r"no code for programs of 32 bits",
    ),
    (
        "Android armv7-a",
        {"ANDROID_ABI": "armeabi-v7a"},
        "m SPEC tiny.json",
        r'no code for Android\'s ABI "armeabi-v7a"',
    ),
    (
        "Darwin arm64",
        {"CMAKE_OSX_ARCHITECTURES": "arm64\\;x86_64"},
        "m SPEC tiny.json",
        r'no code for "arm64;x86_64" on Apple\'s systems',
    ),
    (
        "iOS arm64",
        {},
        "m SPEC tiny.json KIND shared",
        r"KIND: a shared library for arm64-apple-ios needs Apple's SDK",
    ),
    (
        "Windows AMD64",
        {},
        "m SPEC tiny.json",
        r'no code for the system "Windows"',
    ),
]


def expect(condition, message):
    if not condition:
        raise harness.Failure(message)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class Tests:
    """Each method named test_* is one test; cross_* are those of --cross."""

    def __init__(self, args):
        self.args = args
        self.build_folder = os.path.abspath(args.build)
        self.examples = os.path.join(os.path.abspath(args.source), "examples")
        self.work = os.path.join(os.path.abspath(args.work), "of a user")
        os.makedirs(self.work)
        first = os.path.join(self.work, "first")
        harness.run(["cmake", "--install", self.build_folder, "--prefix", first])
        self.prefix = os.path.join(self.work, MOVED)
        os.rename(first, self.prefix)
        self.compiler = os.path.join(self.prefix, "bin", "moe-compile")

    def configure(self, source, build, *options, generator="Ninja", **more):
        command = ["cmake", "-G", generator, "-S", source, "-B", build]
        command += ["-DCMAKE_PREFIX_PATH=" + self.prefix, *options]
        return harness.run(command, **more)

    def make(self, build, *options, **more):
        """Builds; returns what the build tool printed."""
        done = harness.run(["cmake", "--build", build, *options], **more)
        return (done.stdout + done.stderr).decode()

    def folder(self, name):
        path = os.path.join(self.work, name)
        os.makedirs(path)
        return path

    def write_tiny(self, folder):
        """A specification with labels and weights in two files and, beside them,
        the weights in one file. Returns the tensors."""
        path = random_model.write_model(folder, TINY, 1, stem="tiny")
        whole = os.path.join(folder, "whole.safetensors")
        os.rename(os.path.join(folder, "tiny.safetensors"), whole)
        tensors = safetensors.load(whole)
        self.write_shards(folder, tensors)
        with open(path) as file:
            spec = json.load(file)
        spec["weights"] = "tiny.safetensors.index.json"
        write(path, json.dumps(spec))
        write(os.path.join(folder, "labels.txt"), "one\ntwo\nthree\n")
        return tensors

    def write_shards(self, folder, tensors):
        files = {
            name: "shard-2.safetensors" if "head" in name else "shard-1.safetensors"
            for name in tensors
        }
        for file in set(files.values()):
            part = {n: t for n, t in tensors.items() if files[n] == file}
            safetensors.save(os.path.join(folder, file), part)
        index = os.path.join(folder, "tiny.safetensors.index.json")
        write(index, json.dumps({"weight_map": files}))

    def test_example_in_c(self):
        source = os.path.join(self.examples, "embed-c")
        build = self.folder("embed-c")
        self.configure(source, build, f"-DCMAKE_C_COMPILER={self.args.cc}")
        self.make(build)
        self.check_example(source, [os.path.join(build, "classify")])
        program = os.path.join(build, "classify")
        done = harness.run([program, __file__], expect=(1,))
        expect(b"expected a binary PGM" in done.stderr, done.stderr)
        harness.run([program], expect=(2,))

    def check_example(self, source, command):
        with open(
            os.path.join(self.examples, "fashion-mnist", "samples", "expected.json")
        ) as file:
            expected = json.load(file)["mobile-vmoe"]
        for image, sample in (
            ("trouser.pgm", "00002-trouser.png"),
            ("sandal.pgm", "00008-sandal.png"),
        ):
            path = os.path.join(source, image)
            text = harness.run([*command, path]).stdout.decode()
            found = re.fullmatch(r"(.*): (\w+) \(([\d.]+)\)\n", text)
            expect(found and found[1] == path, f"found {text}")
            expect(found[2].lower() == image[:-4], f"{image}: found {found[2]}")
            logit = max(expected[sample]["logits"])
            difference = abs(float(found[3]) - logit) / max(1, logit)
            expect(difference <= harness.TOLERANCE["f32"], f"{image}: found {text}")

    def test_example_in_python(self):
        folder = self.folder("python")
        example = os.path.join(self.examples, "fashion-mnist")
        spec = os.path.join(example, "mobile-vmoe.json")
        library = os.path.join(folder, "libfashion.so")
        program = os.path.join(folder, "fashion")
        native = "--cpu=native"
        harness.run([self.compiler, spec, native, "--emit=shared", "-o", library])
        harness.run([self.compiler, spec, native, "-o", program])
        samples = os.path.join(example, "samples")
        images = sorted(f for f in os.listdir(samples) if f.endswith(".png"))
        script = os.path.join(self.examples, "python", "classify.py")
        command = [sys.executable, script, library, "--spec", spec]
        command += ["--compare", program]
        outputs = set()
        for threads in (1, 3):
            done = harness.run(
                [*command, "--threads", threads, *images], cwd=samples
            )
            outputs.add(done.stdout.decode())
        expect(len(outputs) == 1, "threads give other answers")
        lines = outputs.pop().splitlines()
        expect(
            lines[-1] == f"{len(images)} rows of logits are the executable's, to the bit",
            f"found {lines[-1]}",
        )
        with open(os.path.join(example, "labels.txt")) as file:
            labels = file.read().splitlines()
        with open(os.path.join(samples, "expected.json")) as file:
            expected = json.load(file)["mobile-vmoe"]
        for image, line in zip(images, lines):
            label = labels[int(np.argmax(expected[image]["logits"]))]
            expect(line.startswith(f"{image}: {label} ("), f"found {line}")
        # Another model's answers are not the same.
        other = os.path.join(example, "dense.json")
        harness.run([self.compiler, other, native, "-o", program])
        harness.run([*command, *images], expect=(1,), cwd=samples)

    def user_project(self, generator):
        """A copy of Inputs/project, configured for a model in another folder.
        Returns the folders of project, model and build, and the model's tensors."""
        source = os.path.join(self.work, generator)
        models = source + " models"
        build = source + " build"
        shutil.copytree(os.path.join(HERE, "Inputs", "project"), source)
        tensors = self.write_tiny(models)
        self.configure(
            source,
            build,
            "-DMODELS=" + models,
            f"-DCMAKE_C_COMPILER={self.args.cc}",
            generator=GENERATORS[generator],
        )
        return source, models, build, tensors

    def run_user(self, build, kind):
        return harness.run([os.path.join(build, "run-" + kind)]).stdout

    def builds(self, generator):
        """Each kind of library gives the same answer. A model is compiled again
        when something that it was read from changes, and only then."""
        source, models, build, tensors = self.user_project(generator)
        self.make(build, "--parallel", "2")
        kinds = ("lib", "shared", "obj", "made")
        outputs = {self.run_user(build, kind) for kind in kinds}
        expect(len(outputs) == 1, f"expected one answer, found {outputs}")
        again = self.make(build)
        expect("Compiling model" not in again, f"compiled again:\n{again}")

        def compiles():
            return "Compiling model" in self.make(build, "--target", "run-lib")

        before = self.run_user(build, "lib")
        os.utime(os.path.join(source, "main.c"))
        expect(not compiles(), "compiled again for the program")
        names = [
            "tiny.json",
            "labels.txt",
            "tiny.safetensors.index.json",
            "shard-1.safetensors",
            "shard-2.safetensors",
        ]
        # Make reads the same list of files.
        for name in names if generator == "ninja" else names[-1:]:
            os.utime(os.path.join(models, name))
            expect(compiles(), f"{name}: not compiled again")
            expect(not compiles(), f"{name}: compiled again for nothing")
        expect(self.run_user(build, "lib") == before, "the same model differs")

        # Other weights, another answer.
        tensors["head.bias"] = tensors["head.bias"] + 1
        self.write_shards(models, tensors)
        expect(compiles(), "other weights: not compiled again")
        expect(self.run_user(build, "lib") != before, "the answer is an old one")

        # What is wrong fails the build with the compiler's message.
        os.rename(
            os.path.join(models, "shard-2.safetensors"),
            os.path.join(models, "away"),
        )
        command = ["cmake", "--build", build, "--target", "run-lib"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = done.stdout.decode()
        expect(done.returncode != 0, "built without its weights")
        expect(
            re.search(r"error: .*shard-2\.safetensors: file: cannot open", text),
            f"found {text}",
        )
        os.rename(
            os.path.join(models, "away"),
            os.path.join(models, "shard-2.safetensors"),
        )
        self.make(build, "--target", "run-lib")

    def test_builds_with_ninja(self):
        self.builds("ninja")

    def test_builds_with_make(self):
        self.builds("make")

    def system_project(self, name, system, variables, arguments):
        source = self.folder(name)
        self.write_tiny(source)
        system_name, processor = system.split()
        settings = {
            "CMAKE_SYSTEM_NAME": system_name,
            "CMAKE_SYSTEM_PROCESSOR": processor,
            **variables,
        }
        lines = [f'set({key} "{value}")' for key, value in settings.items()]
        text = SYSTEM_PROJECT.format(settings="\n".join(lines), arguments=arguments)
        write(os.path.join(source, "CMakeLists.txt"), text)
        return source, os.path.join(source, "build")

    def test_targets(self):
        for number, (system, variables, triple) in enumerate(TARGETS):
            source, build = self.system_project(
                f"target-{number}", system, variables, "m SPEC tiny.json KIND obj"
            )
            self.configure(source, build)
            with open(os.path.join(build, "build.ninja")) as file:
                found = re.findall(r"--target=(\S+)", file.read())
            expect(found == [triple], f"{system} {variables}: found {found}")
        # The last one is built too.
        self.make(build, "--target", "m-compile")
        with open(os.path.join(build, "m.model", "m.o"), "rb") as file:
            magic = file.read(4)
        expect(magic == b"\xcf\xfa\xed\xfe", f"expected Mach-O, found {magic}")

    def test_errors(self):
        for number, (system, variables, arguments, message) in enumerate(ERRORS):
            source, build = self.system_project(
                f"error-{number}", system, variables, arguments
            )
            done = self.configure(source, build, expect=(1,))
            # CMake breaks long lines.
            text = " ".join(done.stderr.decode().split())
            expect(re.search(message, text), f"{arguments}: found {text}")

    def test_target_exists(self):
        source, build = self.system_project(
            "twice", "Linux x86_64", {"x": "x"}, "m SPEC tiny.json"
        )
        with open(os.path.join(source, "CMakeLists.txt"), "a") as file:
            file.write("moe_add_model(m SPEC tiny.json)\n")
        text = self.configure(source, build, expect=(1,)).stderr.decode()
        expect("a target of this name already" in text, f"found {text}")

    def test_calibration(self):
        """Files of CALIBRATE are among those that the library depends on."""
        arguments = "m SPEC tiny.json PRECISION int8 CALIBRATE a.npy b.npy CPU native"
        system = f"Linux {os.uname().machine}"
        source, build = self.system_project("calibrate", system, {}, arguments)
        images = np.random.default_rng(1).standard_normal((2, 1, 8, 8))
        for name, image in zip("ab", images.astype(np.float32)):
            np.save(os.path.join(source, name + ".npy"), image)
        self.configure(source, build)
        library = os.path.join(build, "m.model", "libm.a")
        self.make(build, "--target", "m-compile")
        first = os.stat(library).st_mtime_ns
        os.utime(os.path.join(source, "b.npy"))
        self.make(build, "--target", "m-compile")
        expect(os.stat(library).st_mtime_ns != first, "not compiled again")

    def test_versions(self):
        source = self.folder("versions")
        for number, (version, found) in enumerate(
            (("", True), ("0.1", True), ("0.1.0 EXACT", True), ("0.2", False), ("1", False))
        ):
            write(
                os.path.join(source, "CMakeLists.txt"),
                "cmake_minimum_required(VERSION 3.20)\nproject(p LANGUAGES NONE)\n"
                f"find_package(MoECompile {version} REQUIRED)\n",
            )
            self.configure(
                source, os.path.join(source, str(number)), expect=(0 if found else 1,)
            )

    def test_build_folder(self):
        """What is not installed is found in the build folder."""
        source, build = self.system_project(
            "from-build", "Linux x86_64", {}, "m SPEC tiny.json KIND obj"
        )
        package = "-DCMAKE_PREFIX_PATH=" + self.build_folder
        self.configure(source, build, package)
        self.make(build, "--target", "m-compile")
        compiler = os.path.join(self.build_folder, "bin", "moe-compile")
        with open(os.path.join(build, "build.ninja")) as file:
            expect(compiler in file.read(), "another compiler was found")

    def test_without_the_tool(self):
        """Half a package is not found, and says why."""
        prefix = os.path.join(self.folder("half"), "prefix")
        package = os.path.join("lib", "cmake")
        shutil.copytree(
            os.path.join(self.prefix, package), os.path.join(prefix, package)
        )
        source, build = self.system_project("half-project", "Linux x86_64", {}, "m")
        text = self.configure(
            source, build, "-DCMAKE_PREFIX_PATH=" + prefix, expect=(1,)
        ).stderr.decode()
        expect("move the folder as a whole" in " ".join(text.split()), f"found {text}")

    def cross_example(self):
        source = os.path.join(self.examples, "embed-c")
        build = self.folder("cross")
        toolchain = os.path.join(self.work, "aarch64.cmake")
        write(toolchain, AARCH64_TOOLCHAIN)
        self.configure(
            source,
            build,
            "-DCMAKE_TOOLCHAIN_FILE=" + toolchain,
            "-DMoECompile_DIR=" + os.path.join(self.prefix, "lib", "cmake", "MoECompile"),
        )
        self.make(build)
        program = os.path.join(build, "classify")
        self.check_example(source, ["qemu-aarch64", program])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, metavar="DIR")
    parser.add_argument("--source", required=True, metavar="DIR")
    parser.add_argument("--work", required=True, metavar="DIR")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cross", action="store_true")
    parser.add_argument("--only", help="run the tests whose names contain this")
    args = parser.parse_args()
    tests = Tests(args)
    prefix = "cross_" if args.cross else "test_"
    return harness.run_tests(tests, prefix, args.only)


if __name__ == "__main__":
    sys.exit(main())

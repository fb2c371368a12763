"""Links functions that moe-opt has lowered into programs, and calls them."""

import os

import numpy as np

import harness

DRIVER = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "Inputs", "call_function.c"
)

# The levels that differ in f32, with what Linux calls the last feature of each.
LEVELS = {
    "x86_64": {"x86-64": "sse2", "x86-64-v3": "fma", "x86-64-v4": "avx512dq"},
    "aarch64": {"armv8-a": "asimd"},
}


def levels(target):
    """The levels of the target, without those that this machine cannot run if it is
    to run them itself; says which."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        features = set(file.read().split())
    for level, feature in LEVELS[target.machine].items():
        if target.options or feature in features:
            yield level
        else:
            print(f"{level}: skipped, this CPU lacks it")


def pipeline(text, *commands):
    """What the last of the tools says that read each other's output."""
    for command in commands:
        text = harness.run(command, given=text.encode()).stdout.decode()
    return text


class Program:
    """The function `name` of a module in the LLVM dialect, which takes the places of
    its input, its result and its workspace and returns 0."""

    def __init__(self, target, level, name, module, stem, sources=()):
        self.target, self.stem = target, stem
        with open(stem + ".ll", "w", encoding="utf-8") as file:
            file.write(pipeline(module, ["mlir-translate", "--mlir-to-llvmir"]))
        # Nothing is linked but the C library: no libm.
        command = ["clang", "-O2", "-static", "-Wno-override-module"]
        command += ["-march=" + level, f"-DFUNCTION={name}", *target.options]
        harness.run([*command, DRIVER, stem + ".ll", *sources, "-o", stem])

    def __call__(self, array, shape, workspace=0):
        """The float32 result on each CPU."""
        array.tofile(self.stem + ".in")
        size = 4 * int(np.prod(shape))
        for runner in self.target.runners:
            command = [*runner, os.path.abspath(self.stem), self.stem + ".in"]
            harness.run([*command, self.stem + ".out", size, workspace])
            yield np.fromfile(self.stem + ".out", np.float32).reshape(shape)

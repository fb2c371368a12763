"""The programs that are counted: compiled models, and onnxruntime."""

import bisect
import json
import os
import re
import sys

import numpy as np

from emulator import CROSS_CC, HERE, llvm_tool, run

BENCH = os.path.dirname(HERE)
sys.path.insert(0, BENCH)
import profile as timed_profile  # noqa: E402  Its own profile.py, not Python's.

TARGET = "--target=aarch64-linux-gnu"
BUILD = os.path.join(os.path.dirname(BENCH), "build")
MOE_COMPILE = os.path.join(BUILD, "bin", "moe-compile")
PEER = os.path.join(BUILD, "bench", "node_modules", "onnxruntime-node")
LIBRARY = os.path.join(PEER, "bin", "napi-v6", "linux", "arm64", "libonnxruntime.so.1")


class Symbols:
    """The functions of a linked program or an object."""

    def __init__(self, path):
        self.addresses, self.sizes, lines = {}, {}, []
        for line in run(llvm_tool("llvm-nm"), "--print-size", path).splitlines():
            match = re.match(r"(\w+) (?:(\w+) )?[tT] ([^$]\S*)$", line)
            if match:
                address, size, name = match.groups()
                self.addresses[name] = int(address, 16)
                self.sizes[name] = int(size or "0", 16)
                # Labels and the like have no size.
                if self.sizes[name]:
                    lines.append((int(address, 16), name))
        self.starts, self.names = zip(*sorted(lines))

    def function(self, address):
        return self.names[max(0, bisect.bisect_right(self.starts, address) - 1)]


class Object:
    """A model compiled for one CPU, as an object with a loop around it. It has
    symbols, which the executable has not; its kernels do not take threads, so
    their code differs a little."""

    def __init__(self, moe_compile, spec, precision, cpu, work):
        self.work = os.path.join(work, "object")
        os.makedirs(self.work, exist_ok=True)
        self.compiler = [moe_compile, spec, TARGET]
        self.compiler += ["--precision", precision, "--cpu", cpu]
        model = os.path.join(self.work, "model.o")
        run(*self.compiler, "--emit=obj", "-o", model)
        with open(os.path.join(self.work, "model.h"), encoding="utf-8") as file:
            self.name = re.search(r"(\w+)_CHANNELS", file.read()).group(1)
        self.program = os.path.join(self.work, "model")
        run(
            *[CROSS_CC, "-static", "-O2", f"-DNAME={self.name}", "-I", self.work],
            *[os.path.join(HERE, "model.c"), model, "-o", self.program],
        )
        self.symbols = Symbols(self.program)

    def emit(self, kind):
        return run(*self.compiler, f"--emit={kind}", "-o", "-")

    def kernels(self):
        """Kernel -> (calls, the types of its arguments)."""
        return timed_profile.kernels(self.emit("bufferized"))


class Binary:
    """The executable that moe-compile makes by default, with all variants."""

    def __init__(self, moe_compile, spec, precision, emulator):
        self.emulator = emulator
        self.path = os.path.join(emulator.work, "binary")
        run(moe_compile, spec, TARGET, "--precision", precision, "-o", self.path)
        self.info = json.loads(emulator.run(self.path, "--info"))

    def per_inference(self, image):
        """The logits, instructions, and multiply-adds by kind of one inference.

        Reading images is no part of it, which --benchmark leaves out. How often
        it runs depends on the clock, but its multiply-adds tell: --tensor says how
        many there are in one.
        """
        logits = os.path.join(self.emulator.work, "logits.npy")
        command = [self.path, "--logits", logits]
        _, one = self.emulator.count(*command, "--tensor", image)
        _, three = self.emulator.count(*command, *3 * ["--tensor", image])
        before = one.kinds()
        kinds = {k: (n - before.get(k, 0)) / 2 for k, n in three.kinds().items()}
        counted = {}
        for times in (1, 3, 5, 7):
            _, counts = self.emulator.count(self.path, "--benchmark", str(times))
            runs = counts.multiply_adds / sum(kinds.values())
            if abs(runs - round(runs)) > 1e-3:
                raise RuntimeError(f"--benchmark {times}: {runs:.3f} inferences")
            counted[round(runs)] = counts.instructions
            if len(counted) == 2:
                break
        else:
            raise RuntimeError("--benchmark: always as many inferences")
        (few, first), (many, last) = sorted(counted.items())
        return np.load(logits)[0], (last - first) / (many - few), kinds


def peer_version():
    with open(os.path.join(PEER, "package.json"), encoding="utf-8") as file:
        return json.load(file)["version"]


class Peer:
    """onnxruntime's library for AArch64, as onnxruntime-node has it."""

    def __init__(self, work):
        if not os.path.exists(LIBRARY):
            raise RuntimeError(f"{LIBRARY} not found: bench/arm.sh installs it")
        self.program = os.path.join(work, "onnxruntime")
        run(
            *[CROSS_CC, "-O2", os.path.join(HERE, "onnxruntime.c"), LIBRARY],
            *["-Wl,--allow-shlib-undefined", f"-Wl,-rpath,{os.path.dirname(LIBRARY)}"],
            *["-o", self.program],
        )

"""Counting executed instructions under qemu-aarch64."""

import dataclasses
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace

HERE = os.path.dirname(os.path.abspath(__file__))
CROSS_CC = "aarch64-linux-gnu-gcc"

# What qemu 7.2 calls a CPU, or what comes closest, and its implementer, part, variant
# and revision, as Linux writes them of MIDR_EL1. Neoverse V1 has SVE of 256 bits, V2
# of 128, neither has SME.
CPUS = {
    "cortex-a57": ("cortex-a57", 0x41, 0xD07, 1, 0),
    "cortex-a72": ("cortex-a72", 0x41, 0xD08, 0, 3),
    "cortex-a76": ("cortex-a76", 0x41, 0xD0B, 4, 1),
    "neoverse-n1": ("neoverse-n1", 0x41, 0xD0C, 4, 1),
    "neoverse-v1": ("max,sme=off,sve-max-vq=2", 0x41, 0xD40, 1, 1),
    "neoverse-v2": ("max,sme=off,sve-max-vq=1", 0x41, 0xD4F, 0, 1),
    "max": ("max", 0, 0, 0, 0),
}
DEFAULT_CPU = "cortex-a76"


@dataclasses.dataclass
class Row:
    """A translated block, and how often it was executed."""

    address: int
    instructions: int
    executed: float
    kinds: dict  # multiply-adds in it, by kind

    @property
    def end(self):
        return self.address + 4 * self.instructions

    @property
    def multiply_adds(self):
        return sum(self.kinds.values())


@dataclasses.dataclass
class Counts:
    rows: list

    @property
    def instructions(self):
        return sum(row.instructions * row.executed for row in self.rows)

    @property
    def multiply_adds(self):
        return sum(row.multiply_adds * row.executed for row in self.rows)

    def kinds(self):
        """How many multiply-adds of each kind there are."""
        found = {}
        for row in self.rows:
            for kind, count in row.kinds.items():
                found[kind] = found.get(kind, 0) + count * row.executed
        return {kind: count for kind, count in found.items() if count}

    def executed(self, address):
        """How often the instruction there was."""
        return sum(r.executed for r in self.rows if r.address <= address < r.end)


def read(path):
    """What count.c writes."""
    with open(path, encoding="utf-8") as file:
        lines = [line.split() for line in file]
    if not lines or lines[-1][0] != "total":
        raise RuntimeError(f"{path}: no counts, or only some")
    kinds = lines[0][3:]
    return Counts(
        [
            Row(int(a, 16), int(n), int(executed), dict(zip(kinds, map(int, rest))))
            for a, n, executed, *rest in lines[1:-1]
        ]
    )


def run(*command, **options):
    """The standard output of a command that must succeed."""
    try:
        done = subprocess.run(command, capture_output=True, check=False, **options)
    except FileNotFoundError:
        raise RuntimeError(f"{command[0]} not found") from None
    if done.returncode:
        text = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{text}")
    return done.stdout.decode()


def llvm_tool(name):
    """A tool of LLVM 22, whether its name has the version or not."""
    for candidate in (f"{name}-22", name):
        if path := shutil.which(candidate):
            return path
    raise RuntimeError(f"{name}-22 and {name} not found: LLVM 22's tools are needed")


class Emulator:
    """One kind of CPU. Files go below `work`."""

    def __init__(self, cpu, work):
        self.work = work
        self.cpu, *self.midr = CPUS[cpu]
        self.plugin = os.path.join(work, "count.so")
        source = os.path.join(HERE, "count.c")
        compiler = os.environ.get("CC", "cc")
        run(compiler, "-O2", "-shared", "-fPIC", source, "-o", self.plugin)
        self.root = os.path.join(work, "root-" + cpu)
        self.make_root()

    def make_root(self):
        """What qemu -L shows a program instead of this machine's files: the C
        library, and what onnxruntime reads to learn about the CPU, which makes it
        crash where it finds another architecture's."""
        implementer, part, variant, revision = self.midr
        files = {
            "proc/cpuinfo": "processor\t: 0\n"
            "Features\t: fp asimd\n"
            f"CPU implementer\t: {implementer:#04x}\n"
            "CPU architecture: 8\n"
            f"CPU variant\t: {variant:#x}\n"
            f"CPU part\t: {part:#05x}\n"
            f"CPU revision\t: {revision}\n",
            "sys/devices/system/cpu/possible": "0\n",
            "sys/devices/system/cpu/present": "0\n",
        }
        for name, text in files.items():
            path = os.path.join(self.root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        loader = run(CROSS_CC, "-print-file-name=ld-linux-aarch64.so.1").strip()
        link = os.path.join(self.root, "lib")
        if not os.path.islink(link):
            os.symlink(os.path.dirname(os.path.realpath(loader)), link)

    def run(self, *command, options=()):
        with tempfile.TemporaryDirectory() as home:
            return run(
                *["qemu-aarch64", "-cpu", self.cpu, "-L", self.root, *options],
                *command,
                env=dict(os.environ, HOME=home),
            )

    def count(self, *command):
        """The standard output, and the counts."""
        with tempfile.NamedTemporaryFile(dir=self.work) as file:
            options = ["-plugin", f"{self.plugin},out={file.name}"]
            output = self.run(*command, options=options)
            return output, read(file.name)

    def per_inference(self, *command):
        """The logits, and the counts of one inference, of a program whose last
        argument is how many it does: half of what three take more than one."""
        _, one = self.count(*command, "1")
        output, three = self.count(*command, "3")
        rows = three.rows + [replace(row, executed=-row.executed) for row in one.rows]
        counts = Counts([replace(row, executed=row.executed / 2) for row in rows])
        return [float(line) for line in output.split()], counts

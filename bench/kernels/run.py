#!/usr/bin/env python3
"""Times the compiler's matrix products against libxsmm and oneDNN.

    run.py [--cpu LEVEL] [--shapes 50x192x768,...] [--modes hot,cold]
           [--rounds N] [--json FILE]

Each distinct product of the models is lowered by moe-opt's pipelines, compiled
as moe-compile does, and run on one core in turn with the libraries and with a
loop of nothing but multiply-adds. Hot: one copy of the weight. Cold: so many
that they fill --working-set megabytes. The libraries' weights are packed
beforehand; of libxsmm's forms the best in a trial is taken. All results are
checked against float64. Prints Markdown; exits 1 if a result is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Optional

import kernels
from kernels import Kernel

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

TOLERANCE = 1e-5
"""Greatest error, relative to the greatest value of the result."""

MODES = ("hot", "cold")


@dataclasses.dataclass(frozen=True)
class Level:
    """What a CPU level is to the others."""
    flags: tuple[str, ...]
    """Of /proc/cpuinfo, needed to run it."""
    options: tuple[str, ...]
    """Of the C++ compiler, for the loop of multiply-adds."""
    environment: dict[str, str]
    """That keeps the libraries to the same instructions."""


LEVELS = {
    "x86-64-v4": Level(
        ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
        ("-mavx512f", "-mprefer-vector-width=512"),
        {"LIBXSMM_TARGET": "skx", "DNNL_MAX_CPU_ISA": "AVX512_CORE"}),
    "x86-64-v3": Level(
        ("avx2", "fma", "bmi2"), ("-mavx2", "-mfma"),
        {"LIBXSMM_TARGET": "hsw", "DNNL_MAX_CPU_ISA": "AVX2"}),
    "x86-64": Level(
        (), (), {"LIBXSMM_TARGET": "sse3", "DNNL_MAX_CPU_ISA": "SSE41"}),
}


@dataclasses.dataclass(frozen=True)
class Library:
    """A library to compare with."""
    name: str
    header: str
    package: str
    source: str
    macro: str
    link: tuple[str, ...]


LIBRARIES = [
    Library("libxsmm", "libxsmm.h", "libxsmm-dev", "libxsmm.cpp",
            "MOE_BENCH_LIBXSMM", ("-lxsmm", "-lxsmmnoblas", "-ldl")),
    Library("onednn", "oneapi/dnnl/dnnl.hpp", "libdnnl-dev", "onednn.cpp",
            "MOE_BENCH_ONEDNN", ("-ldnnl",)),
]

# ---------------------------------------------------------------------------
# Build
# ---------------------------------------------------------------------------


def llvm_tool(name: str) -> str:
    """A tool of LLVM 22, whether its name has the version or not."""
    for candidate in (f"{name}-22", name):
        if path := shutil.which(candidate):
            return path
    sys.exit(f"{name}-22 and {name} not found: LLVM 22's tools are needed")


def run_tool(*command: object, text: str = "") -> str:
    """The standard output of a command that must succeed."""
    words = [str(word) for word in command]
    result = subprocess.run(words, input=text, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"failed: {' '.join(words)}\n{result.stderr}")
    return result.stdout


def best_level() -> str:
    """The most able level that runs here."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    flags = next(line for line in text.splitlines()
                 if line.startswith("flags")).split()
    return next(name for name, level in LEVELS.items()
                if set(level.flags) <= set(flags))


def find_libraries(compiler: str) -> list[Library]:
    """Those whose headers are there; says which are not."""
    found = []
    for library in LIBRARIES:
        probe = subprocess.run(
            [compiler, "-x", "c++", "-E", "-o", os.devnull, "-"],
            input=f"#include <{library.header}>\n", text=True,
            stderr=subprocess.DEVNULL)
        if probe.returncode == 0:
            found.append(library)
        else:
            print(f"{library.name} is left out: no header <{library.header}> "
                  f"(Debian: {library.package})", file=sys.stderr)
    return found


def compile_kernels(chosen: list[Kernel], cpu: str, moe_opt: Path,
                    work: Path) -> Path:
    """An object file of the kernels, made as moe-compile makes code."""
    source = work / "kernels.mlir"
    source.write_text(kernels.module(chosen, cpu), encoding="utf-8")
    lowered = run_tool(moe_opt, source, f"--moe-to-vector=cpu={cpu}",
                       "--moe-bufferize", f"--moe-to-llvm=cpu={cpu}")
    code = "".join(line for line in lowered.splitlines(keepends=True)
                   if not line.lstrip().startswith("moe.param"))
    llvm = run_tool(llvm_tool("mlir-translate"), "--mlir-to-llvmir", text=code)
    # The addresses of the weights are the driver's, to be changed.
    llvm = run_tool(llvm_tool("llvm-extract"), "--delete",
                    "--rglob=.*_addresses$", "-S", text=llvm)
    llvm = run_tool(llvm_tool("opt"), "-mtriple=x86_64-unknown-linux-gnu",
                    "-passes=default<O2>", "-S", text=llvm)
    optimized = work / "kernels.ll"
    optimized.write_text(llvm, encoding="utf-8")
    target = work / "kernels.o"
    run_tool(llvm_tool("llc"), "-O3", "-relocation-model=pic",
             "-filetype=obj", optimized, "-o", target)
    return target


def build(chosen: list[Kernel], cpu: str, moe_opt: Path,
          libraries: list[Library], compiler: str, work: Path) -> Path:
    """The driver with the kernels and the libraries."""
    objects = [compile_kernels(chosen, cpu, moe_opt, work)]
    (work / "kernels.inc").write_text(kernels.table(chosen), encoding="utf-8")
    options = ["-std=c++17", "-O2", f"-I{work}"]
    options += [f"-D{library.macro}" for library in libraries]
    for source in ["driver.cpp", "peak.cpp"] + [l.source for l in libraries]:
        target = work / f"{source}.o"
        extra = LEVELS[cpu].options if source == "peak.cpp" else ()
        run_tool(compiler, *options, *extra, "-c", HERE / source, "-o", target)
        objects.append(target)
    driver = work / "driver"
    link = [word for library in libraries for word in library.link]
    run_tool(compiler, *objects, "-o", driver, *link, "-lpthread")
    return driver


def run_driver(driver: Path, arguments: argparse.Namespace) -> list[dict]:
    """What the driver prints, by kernel and mode."""
    bytes_of = {"hot": 0, "cold": arguments.working_set * 10**6}
    command = [str(driver), str(arguments.rounds),
               str(arguments.microseconds)]
    command += [str(bytes_of[mode]) for mode in arguments.modes]
    environment = {**os.environ, "OMP_NUM_THREADS": "1",
                   **LEVELS[arguments.cpu].environment}
    with subprocess.Popen(command, env=environment, text=True,
                          stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        results = [json.loads(line) for line in process.stdout]
    if process.returncode != 0:
        sys.exit(f"the driver failed with status {process.returncode}")
    return results


# ---------------------------------------------------------------------------
# Results
# ---------------------------------------------------------------------------


@dataclasses.dataclass
class Row:
    """A kernel in a mode: medians of the rounds."""
    kernel: Kernel
    mode: str
    nanoseconds: dict[str, float]
    forms: dict[str, str]
    errors: dict[str, float]
    ratios: dict[str, float]
    """Speed of ours over that of each library, median of the rounds' ratios."""
    peak: float
    """Billions of operations a second of the loop of multiply-adds."""

    def speed(self, name: str) -> float:
        """Billions of operations a second."""
        kernel = self.kernel
        operations = 2 * kernel.m * kernel.k * kernel.n
        return operations / self.nanoseconds[name]


def summarize(result: dict, kernel: Kernel) -> Row:
    """The row of a line of the driver's output."""
    methods = result["methods"]
    ours = methods["ours"]["ns"]
    return Row(
        kernel, "cold" if result["working_set"] else "hot",
        {name: statistics.median(m["ns"]) for name, m in methods.items()},
        {name: m["form"] for name, m in methods.items()},
        {name: m["error"] for name, m in methods.items()},
        {name: statistics.median(t / o for t, o in zip(m["ns"], ours))
         for name, m in methods.items() if name != "ours"},
        statistics.median(result["peak"]))


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """A Markdown table; the first column is text, the others numbers."""
    rule = [":--"] + ["--:"] * (len(header) - 1)
    for cells in [header, rule] + rows:
        print("| " + " | ".join(cells) + " |")
    print()


def number(value: Optional[float], digits: int) -> str:
    """The number, or a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"


def print_kernels(rows: list[Row], libraries: list[str]) -> None:
    """The table of one mode."""
    header = ["kernel", "ours us", "GFLOP/s", "% of peak"] + libraries
    if "libxsmm" in libraries:
        header += ["ours/libxsmm"]
    if libraries:
        header += ["ours/best"]
    if "libxsmm" in libraries:
        header += ["libxsmm's form"]
    lines = []
    for row in rows:
        speed = row.speed("ours")
        cells = [row.kernel.name, number(row.nanoseconds["ours"] / 1e3, 2),
                 number(speed, 1), number(100 * speed / row.peak, 0)]
        cells += [number(row.speed(name) if name in row.ratios else None, 1)
                  for name in libraries]
        if "libxsmm" in libraries:
            cells += [number(row.ratios.get("libxsmm"), 2)]
        if libraries:
            cells += [number(min(row.ratios.values(), default=None), 2)]
        if "libxsmm" in libraries:
            cells += [row.forms.get("libxsmm", "-")]
        lines.append(cells)
    print_table(header, lines)


def model_time(model: kernels.Model, rows: dict[Kernel, Row],
               name: str) -> Optional[float]:
    """Milliseconds of all products of a model, if each was timed."""
    total = 0.0
    for kernel, count in model.kernels().items():
        if kernel not in rows or name not in rows[kernel].nanoseconds:
            return None
        total += count * rows[kernel].nanoseconds[name]
    return total / 1e6


def print_models(rows: list[Row], libraries: list[str], mode: str) -> None:
    """The sums over the models whose kernels were all timed."""
    # What is no weight is the same in both modes.
    known = {row.kernel: row for row in rows
             if row.mode == mode or not row.kernel.is_weight}
    lines = []
    for model in kernels.MODELS:
        ours = model_time(model, known, "ours")
        if ours is None:
            continue
        cells = [model.name, number(ours, 3)]
        for name in libraries:
            time = model_time(model, known, name)
            cells += [number(time, 3), number(time and time / ours, 2)]
        lines.append(cells)
    if not lines:
        return
    print(f"All products of a model, {mode}, in milliseconds:\n")
    header = ["layers x width/patch", "ours"]
    for name in libraries:
        header += [name, f"ours/{name}"]
    print_table(header, lines)


def report(rows: list[Row], arguments: argparse.Namespace,
           libraries: list[str]) -> bool:
    """Prints all tables; returns whether all results were right."""
    print(f"{arguments.cpu}, one core, multiply-add peak "
          f"{statistics.median(r.peak for r in rows):.1f} GFLOP/s. Columns of "
          "libraries are GFLOP/s;\nours/x is ours' speed over x's.\n")
    for mode in arguments.modes:
        print(f"## {mode.capitalize()}\n")
        print_kernels([r for r in rows if r.mode == mode], libraries)
        print_models(rows, libraries, mode)
    right = True
    for row in rows:
        for name, error in row.errors.items():
            if error > TOLERANCE:
                print(f"{row.kernel.name}, {row.mode}: {name} is wrong, "
                      f"relative error {error:.1e}", file=sys.stderr)
                right = False
    return right


def write_json(rows: list[Row], arguments: argparse.Namespace) -> None:
    """All that the tables are made of."""
    data = {"cpu": arguments.cpu, "rounds": arguments.rounds,
            "working_set_mb": arguments.working_set,
            "results": [{"name": row.kernel.name, **dataclasses.asdict(row)}
                        for row in rows]}
    text = json.dumps(data, indent=1) + "\n"
    arguments.json.write_text(text, encoding="utf-8")


# ---------------------------------------------------------------------------
# Command line
# ---------------------------------------------------------------------------


def modes_of(text: str) -> list[str]:
    """The modes in a list with commas."""
    names = text.split(",")
    if not set(names) <= set(MODES):
        raise argparse.ArgumentTypeError(f"expected some of {MODES}")
    return names


def parse_arguments() -> argparse.Namespace:
    """The options; the CPU level is one that runs here."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    best = best_level()
    levels = list(LEVELS)
    parser.add_argument("--cpu", default=best,
                        choices=levels[levels.index(best):],
                        help=f"CPU level (default: {best})")
    parser.add_argument("--shapes", type=lambda text: text.split(","),
                        help="only these, as MxKxN (default: all)")
    parser.add_argument("--modes", type=modes_of, default=list(MODES),
                        help="hot, cold or both (default)")
    parser.add_argument("--working-set", type=int, default=40, metavar="MB",
                        help="of the copies of a weight in cold mode (40)")
    parser.add_argument("--rounds", type=int, default=9,
                        help="samples of each (9)")
    parser.add_argument("--microseconds", type=int, default=1500, metavar="US",
                        help="that a sample takes, about (1500)")
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="write the numbers there too")
    parser.add_argument("--work", type=Path, metavar="DIR",
                        help="keep the generated files there")
    parser.add_argument("--moe-opt", type=Path, metavar="PATH",
                        default=ROOT / "build" / "bin" / "moe-opt",
                        help="(default: build/bin/moe-opt)")
    return parser.parse_args()


def choose_kernels(shapes: Optional[list[str]]) -> list[Kernel]:
    """The kernels of these shapes, or all."""
    known = kernels.all_kernels()
    if shapes is None:
        return known
    unknown = set(shapes) - {kernel.shape for kernel in known}
    if unknown:
        sys.exit(f"no such shape in the models: {', '.join(sorted(unknown))}")
    return [kernel for kernel in known if kernel.shape in shapes]


def main() -> None:
    """Builds, runs, reports."""
    arguments = parse_arguments()
    if not arguments.moe_opt.exists():
        sys.exit(f"{arguments.moe_opt} not found: build the project first")
    compiler = os.environ.get("CXX", "c++")
    if not shutil.which(compiler):
        sys.exit(f"{compiler} not found: a C++ compiler is needed")
    chosen = choose_kernels(arguments.shapes)
    libraries = find_libraries(compiler)
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        driver = build(chosen, arguments.cpu, arguments.moe_opt, libraries,
                       compiler, work)
        results = run_driver(driver, arguments)
    by_name = {kernel.name: kernel for kernel in chosen}
    rows = [summarize(r, by_name[r["name"]]) for r in results]
    if arguments.json:
        write_json(rows, arguments)
    right = report(rows, arguments, [library.name for library in libraries])
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()

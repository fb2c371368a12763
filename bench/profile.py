#!/usr/bin/env python3
"""Where the time of an inference goes, kernel by kernel.

    profile.py SPEC.json [--cpu LEVEL] [--seconds S] [--tensor X.npy]

Compiles the model as an object, links it with a loop over its run function, and
samples that with perf (Debian: linux-perf; no hardware counters needed). Prints
for each kernel its share, how often it runs, and the memory that it works on,
by which one tells what it is: 48x192x16 is the packed weight of a layer with 192
inputs and 768 outputs. The input is the first of X.npy, or noise: with patch
routing it decides how many tokens go to which expert.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.path.dirname(HERE), "build")

DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "model.h"
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define COUNT (JOIN(NAME, _CHANNELS) * JOIN(NAME, _HEIGHT) * JOIN(NAME, _WIDTH))
int main(int argc, char **argv) {
  static float input[COUNT], logits[JOIN(NAME, _CLASSES)];
  size_t size = (JOIN(NAME, _workspace_size)() + 63) / 64 * 64;
  void *workspace = aligned_alloc(64, size);
  unsigned state = 1;
  for (int i = 0; i < COUNT; ++i) {
    state = state * 1664525u + 1013904223u;
    input[i] = (state >> 8) / 8388608.0f - 1.0f;
  }
  if (argc > 2) {
    FILE *file = fopen(argv[2], "rb");
    if (!file || fread(input, sizeof(float), COUNT, file) != COUNT)
      return 1;
    fclose(file);
  }
  time_t end = time(NULL) + atoi(argv[1]);
  while (time(NULL) < end)
    if (JOIN(NAME, _run)(input, logits, workspace))
      return 1;
  return 0;
}
"""


def kernels(bufferized):
    """Kernel -> (calls, the types of its arguments)."""
    calls = re.findall(r"call @(kernel_\d+)\(", bufferized)
    pattern = r"func\.func private @(kernel_\d+)\((.*)\) (?:attributes .*)?{"
    return {
        name: (calls.count(name), re.findall(r"memref<([\dx]*x(?:bf|[fi])\d+)", arguments))
        for name, arguments in re.findall(pattern, bufferized)
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec")
    parser.add_argument("--cpu", default="native")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--tensor", metavar="X.npy")
    args = parser.parse_args()
    if not shutil.which("perf"):
        sys.exit("perf not found: it is in Debian's package linux-perf")
    compiler = [os.path.join(BUILD, "bin", "moe-compile"), args.spec, "--cpu", args.cpu]
    with tempfile.TemporaryDirectory() as work:

        def run(*command, **options):
            return subprocess.run(command, check=True, cwd=work, **options)

        model = os.path.join(work, "model.o")
        subprocess.run([*compiler, "--emit=obj", "-o", model], check=True)
        text = subprocess.check_output(
            [*compiler, "--emit=bufferized", "-o", "-"], text=True
        )
        with open(os.path.join(work, "model.h"), encoding="utf-8") as file:
            name = re.search(r"(\w+)_CHANNELS", file.read()).group(1)
        with open(os.path.join(work, "driver.c"), "w", encoding="utf-8") as file:
            file.write(DRIVER)
        run("cc", "-O1", f"-DNAME={name}", "driver.c", model, "-o", "driver")
        # Twice a millisecond: more would slow down what it looks at.
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "2000", "-o", "data"]
        driver = ["./driver", str(args.seconds)]
        if args.tensor:
            values = np.load(args.tensor).astype(np.float32)
            values.tofile(os.path.join(work, "input"))
            driver.append("input")
        run(*record, *driver)
        report = run(
            *["perf", "report", "-i", "data", "--stdio", "--sort", "symbol"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ).stdout
    known = kernels(text)
    for share, symbol in re.findall(r"^\s*([\d.]+)%\s+\[.\] (\S+)", report, re.M):
        if float(share) >= 0.1:
            calls, types = known.get(symbol, ("", []))
            print(f"{share:>6} %  {symbol:24} {calls!s:>3}  {', '.join(types)}")


if __name__ == "__main__":
    main()

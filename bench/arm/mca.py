#!/usr/bin/env python3
"""How well the hot loops of our AArch64 code use each CPU, by LLVM's models of them.

    mca.py [--sizes 12x192,12x64] [--kinds moe,dense] [--precision f32,bf16,int8]
           [--cpus CPU,…] [--moe-compile PATH] [--json FILE]

See README.md, one folder up.
"""

import argparse
import json
import os
import re
import sys
import tempfile

import loops
import programs
from counts import add_options, each_model
from emulator import Emulator, llvm_tool, run

# Those that decide, and those that are only looked at: of most of these LLVM has no
# model and takes another core's.
DECIDING = ("neoverse-n1", "neoverse-v1", "neoverse-v2")
OTHERS = ("cortex-a55", "cortex-a76", "cortex-x1", "apple-m1")
# The level that a fat binary takes there.
ARMV8_6 = ("neoverse-v1", "neoverse-v2")
# Loops with so much of all multiply-adds that are in loops are shown.
SHOWN = 0.95
# Of the bound, what a loop should reach.
GOAL = 0.9
ITERATIONS = 1000
# More than any of these CPUs has multiply-adds under way.
STREAM = 24


def cpu_list(text):
    """An option's list of CPUs, whose levels are known here."""
    wanted = text.split(",")
    if unknown := set(wanted) - {*DECIDING, *OTHERS}:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return wanted


def level(cpu, precision):
    if precision != "f32" and cpu in ARMV8_6:
        return "armv8.6-a"
    return "armv8-a+dotprod" if precision == "int8" else "armv8-a"


def form(multiply_add):
    """A multiply-add without its registers' numbers."""
    return re.sub(r"\bv\d+", "v", re.sub(r"\s+", " ", multiply_add))


def stream(multiply_add):
    """Nothing but independent ones of the same form. Some forms by element only
    have v0 to v15 there."""
    registers = iter(["v0", "v1", "v2"])
    text = re.sub(r"\bv\d+", lambda _: next(registers), multiply_add)
    return "\n".join(re.sub(r"\bv0\b", f"v{8 + i}", text) for i in range(STREAM))


def analyze(cpu, regions, work):
    """What llvm-mca says of each piece of assembly: the cycles of an iteration, and
    the least that they are by the number of micro-operations."""
    source = os.path.join(work, "mca.s")
    with open(source, "w", encoding="utf-8") as file:
        for index, text in enumerate(regions):
            file.write(f"// LLVM-MCA-BEGIN {index}\n{text}\n// LLVM-MCA-END\n")
    output = run(
        *[llvm_tool("llvm-mca"), "-mtriple=aarch64", f"-mcpu={cpu}", "-json"],
        *[f"-iterations={ITERATIONS}", "-instruction-info=false"],
        *["-resource-pressure=false", source],
    )
    found = {}
    for region in json.loads(output)["CodeRegions"]:
        view = region["SummaryView"]
        found[int(region["Name"])] = (
            view["TotalCycles"] / ITERATIONS,
            view["TotaluOps"] / view["DispatchWidth"] / ITERATIONS,
        )
    return [found[index] for index in range(len(regions))]


def on_cpu(shown, cpu, work):
    """For each loop its cycles an iteration, and the least that its multiply-adds
    and its micro-operations take."""
    forms = {form(m): m for loop in shown for m in loop.multiply_adds}
    regions = [loop.text() for loop in shown] + [stream(m) for m in forms.values()]
    found = analyze(cpu, regions, work)
    streams = zip(forms, found[len(shown) :])
    cost = {name: taken / STREAM for name, (taken, _) in streams}
    return [
        {
            "cycles": taken,
            "bound": sum(cost[form(m)] for m in loop.multiply_adds),
            "dispatch": dispatch,
        }
        for loop, (taken, dispatch) in zip(shown, found)
    ]


def look(ours, emulator, model, cpus):
    """The loops of a model, the most important first, on each CPU."""
    assembly = ours.emit("asm")
    known = ours.kernels()
    _, counts = emulator.per_inference(ours.program, model.image)
    every = loops.find(assembly)
    times = loops.executed(every, ours, assembly, counts)
    weighed = [(len(l.multiply_adds) * n, n, l) for l, n in zip(every, times)]
    weighed.sort(key=lambda entry: -entry[0])
    total, in_loops = counts.multiply_adds, sum(entry[0] for entry in weighed)
    shown, result, so_far = [], [], 0
    for weight, iterations, loop in weighed:
        if so_far >= SHOWN * in_loops:
            break
        so_far += weight
        shown.append(loop)
        result.append(
            {
                "kernel": loop.function,
                "label": loop.label,
                "arguments": known.get(loop.function, (0, []))[1],
                "share": weight / total,
                "iterations": iterations,
                "instructions": len(loop.instructions),
                "multiply_adds": len(loop.multiply_adds),
                "accumulators": len(loop.accumulators),
                "stack_accesses": loop.stack_accesses,
                "cpus": {},
            }
        )
    for cpu in cpus:
        for entry, found in zip(result, on_cpu(shown, cpu, emulator.work)):
            entry["cpus"][cpu] = found
    return {"loops": result, "in_loops": in_loops / total}


def mean(loop_results, cpu):
    """Of the time that all these loops take, the share that their bounds do."""

    def total(key):
        return sum(e["iterations"] * e["cpus"][cpu][key] for e in loop_results)

    return total("bound") / total("cycles")


def percent(value):
    text = f"{100 * value:.1f} %"
    return text if value >= GOAL else f"**{text}**"


def cell(found):
    # An instruction's micro-operations are dispatched together, which leaves gaps.
    mark = " d" if found["dispatch"] >= 0.95 * found["cycles"] else ""
    return f"{found['cycles']:.1f}{mark}, {percent(found['bound'] / found['cycles'])}"


def table(result):
    cpus = list(result["loops"][0]["cpus"])
    columns = ["loop", "works on", "multiply-adds %", "instructions", "multiply-adds"]
    columns += ["accumulators", "stack", *cpus]
    yield "| " + " | ".join(columns) + " |"
    yield "|---|---|" + "---:|" * (len(columns) - 2)
    entries = result["loops"]
    for entry in entries:
        cells = [f"{entry['kernel']} {entry['label']}"]
        cells.append(", ".join(entry["arguments"]) or "–")
        cells.append(f"{100 * entry['share']:.1f}")
        for key in ("instructions", "multiply_adds", "accumulators", "stack_accesses"):
            cells.append(str(entry[key]))
        cells += [cell(entry["cpus"][cpu]) for cpu in cpus]
        yield "| " + " | ".join(cells) + " |"
    share = sum(entry["share"] for entry in entries)
    cells = ["all of these", "", f"{100 * share:.1f}", "", "", "", ""]
    yield "| " + " | ".join(cells + [percent(mean(entries, c)) for c in cpus]) + " |"


def builds(cpus, precision):
    """What to compile for -> the CPUs to look at with that."""
    found = {}
    for cpu in cpus:
        found.setdefault(level(cpu, precision), []).append(cpu)
    return found


def look_at_models(args):
    with tempfile.TemporaryDirectory() as work:
        # It can do whatever a CPU's level needs.
        emulator = Emulator("max", work)
        for title, _, model in each_model(args, work):
            for precision in args.precision:
                for target, those in builds(args.cpus, precision).items():
                    ours = programs.Object(
                        args.moe_compile, model.spec, precision, target, work
                    )
                    result = {"model": title, "precision": precision, "cpu": target}
                    yield result | look(ours, emulator, model, those)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    add_options(parser)
    parser.add_argument("--cpus", type=cpu_list, default=",".join(DECIDING + OTHERS))
    args = parser.parse_args()
    results = []
    try:
        for result in look_at_models(args):
            results.append(result)
            print(f"{result['model']}, {result['precision']}, --cpu={result['cpu']}:\n")
            print("\n".join(table(result)))
            outside = 100 * (1 - result["in_loops"])
            print(f"\nIn no such loop: {outside:.1f} % of the multiply-adds.\n")
    except RuntimeError as error:
        sys.exit(str(error))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()

"""Innermost loops with multiply-adds, in a model's assembly."""

import dataclasses
import os
import re

from emulator import llvm_tool, run
from programs import Symbols

# The same that count.c counts.
MULTIPLY_ADD = re.compile(
    r"(fmla\s+v\d+\.[24]s"
    r"|([su]dot|usdot|sudot|[su]mmla|usmmla|bfdot|bfmmla|[su]mull2?|[su]mlal2?)\s+v)"
)
BACK_BRANCH = re.compile(r"(?:b|b\.\w+|cbn?z|tbn?z)\s+(?:.*,\s*)?(\.LBB\w+)$")
VECTOR = re.compile(r"\b[vqdshb](\d+)\b")
FRAME = re.compile(r"(?:mov\s+x29, sp|add\s+x29, sp,)")


def accumulates(instruction):
    """Whether it adds to its destination: not smull, but what adds its products."""
    if MULTIPLY_ADD.match(instruction):
        return not re.match("[su]mull", instruction)
    return bool(re.match("[su]adalp", instruction))


def written(instruction):
    """The vector registers that it writes."""
    name, _, operands = instruction.partition("\t")
    if name.startswith(("st", "fcmp")):
        return set()
    if "{" in operands:
        targets = operands[operands.index("{") : operands.index("}")]
    else:
        targets = ",".join(operands.split(",")[: 2 if name == "ldp" else 1])
    return set(VECTOR.findall(targets))


@dataclasses.dataclass
class Loop:
    function: str
    label: str
    line: int  # of the branch back, in the assembly
    body: list  # its lines from the label to the branch, labels too
    has_frame: bool  # whether x29 points into the stack

    @property
    def instructions(self):
        return [line.strip() for line in self.body if not line.endswith(":")]

    @property
    def multiply_adds(self):
        return [i for i in self.instructions if MULTIPLY_ADD.match(i)]

    @property
    def accumulators(self):
        """The registers that nothing but multiply-adds writes."""
        adds, others = set(), set()
        for instruction in self.instructions:
            target = written(instruction)
            (adds if accumulates(instruction) else others).update(target)
        return adds - others

    @property
    def stack_accesses(self):
        pattern = r"\[(?:sp|x29)\b" if self.has_frame else r"\[sp\b"
        return sum(bool(re.search(pattern, i)) for i in self.instructions)

    def text(self):
        return "\n".join(self.body)


def code(lines):
    """Number and text of the lines that are labels or instructions."""
    for number, line in enumerate(lines):
        text = line.split("//")[0].rstrip()
        if re.match(r"[A-Za-z_.][\w.$]*:$", text) or re.match(r"\t[a-z]", text):
            yield number, text


def find(assembly):
    """What is between a label and a branch back to it, with no such pair within."""
    found = []
    function, has_frame, labels = None, False, {}
    block = []  # of the function, up to here
    for number, text in code(assembly.splitlines()):
        if text.endswith(":") and not text.startswith("."):
            function, has_frame, labels, block = text[:-1], False, {}, []
            continue
        has_frame = has_frame or bool(FRAME.match(text.strip()))
        block.append(text)
        if text.endswith(":"):
            labels[text[:-1]] = len(block) - 1
            continue
        branch = BACK_BRANCH.match(text.strip())
        if branch and branch.group(1) in labels:
            start = labels[branch.group(1)]
            label, body = branch.group(1), block[start:]
            found.append(Loop(function, label, number, body, has_frame))
            # An outer loop's label is before this one: it is no innermost loop.
            labels = {k: v for k, v in labels.items() if v > start}
    return [loop for loop in found if loop.multiply_adds]


def executed(found, ours, assembly, counts):
    """How often each loop's branch is.

    Weights are not in the assembly, so it cannot be linked: it is assembled with a
    symbol at each of these branches, whose place in its function is the same in the
    program that was counted.
    """
    lines = assembly.splitlines()
    for index, loop in enumerate(found):
        lines[loop.line] = f"moe_loop_{index}:\n{lines[loop.line]}"
    source = os.path.join(ours.work, "loops.s")
    with open(source, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    target = ["-triple=aarch64", "-mattr=+dotprod,+bf16,+i8mm", "-filetype=obj"]
    run(llvm_tool("llvm-mc"), *target, source, "-o", source + ".o")
    labels = Symbols(source + ".o")
    times = []
    for index, loop in enumerate(found):
        function = loop.function
        if labels.sizes[function] != ours.symbols.sizes[function]:
            raise RuntimeError(f"{function}: the assembly is not what the object has")
        offset = labels.addresses[f"moe_loop_{index}"] - labels.addresses[function]
        times.append(counts.executed(ours.symbols.addresses[function] + offset))
    return times

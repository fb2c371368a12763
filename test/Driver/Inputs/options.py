"""Checks that everything that lists options has them all: options.py README.

The options are those that moe-compile's parser knows. Prints how many it found.
"""

import re
import subprocess
import sys

problems = []


def check(condition, message):
    if not condition:
        problems.append(message)


def output(*arguments):
    run = subprocess.run(["moe-compile", *arguments], capture_output=True, text=True)
    check(run.returncode == 0 and not run.stderr, f"{arguments}: {run.returncode} {run.stderr}")
    return run.stdout


# LLVM's own general options, and MLIR's, are not in the table.
general = {"help-hidden", "help-list", "help-list-hidden", "print-all-options", "print-options"}
options = {
    name
    for name, text in re.findall(r"^  --?([\w-]+)(?:=\S*| <\S*)? +- (.*)$", output("--help-hidden"), re.M)
    if name not in general and not name.startswith("mlir-") and not text.startswith("Alias")
}
check({"o", "emit", "calibrate", "time-passes", "man"} <= options, f"found only {sorted(options)}")


def spelled(name):
    return ("-" if len(name) == 1 else "--") + name


def check_all(what, text, pattern):
    """`pattern` finds an option in place of its {}."""
    for name in sorted(options):
        check(re.search(pattern.format(re.escape(name)), text, re.M), f"{what} lacks {spelled(name)}")


help_all = output("--help-all")
check_all("--help-all", help_all, r"^  --?{}[ =\n]")
check("--mlir-" in help_all, "--help-all lacks MLIR's options")
manual = output("--man").replace("\\-", "-")
check_all("the manual page", manual, r"^\.TP\n\\fB--?{}\\fR")
check("\\fB--mlir-" in manual, "the manual page lacks MLIR's options")
check_all("bash's completion", output("--completion=bash"), r"compgen -W '(?:.* )?--?{}[= '].*\$cur")
check_all("zsh's completion", output("--completion=zsh"), r"^  '\*?--?{}=?\[")
check_all("fish's completion", output("--completion=fish"), r"^complete -c moe-compile -[ls] {} ")
readme = open(sys.argv[1], encoding="utf-8").read()
section = re.search(r"^### moe-compile$(.*?)^### ", readme, re.M | re.S).group(1)
check_all("README's table", section, r"^\| (?:`.*`, )?`--?{}[ =`]")

# Every value too, where it can be listed.
for option in re.findall(r"^  (--\S+)=[A-Z]", help_all, re.M):
    block = help_all.split(f"\n  {option}=")[1].split("\n\n")[0]
    for value in re.findall(r"^        (\S+)", block, re.M):
        for shell in ("bash", "zsh", "fish"):
            name = value.replace("DIR", "")
            check(name in output(f"--completion={shell}").replace("\\", ""), f"{shell}: {option} lacks {value}")

# The everyday ones fit a screen.
short = output("--help")
lines = short.splitlines()
check(len(lines) < 24, f"--help has {len(lines)} lines")
for line in lines + help_all.splitlines():
    check(len(line) < 80, f"too long: {line}")
for name in ("o", "weights", "emit", "target", "cpu", "precision", "experts", "report", "help-all"):
    check(re.search(rf"^  --?{name}[ =]", short, re.M), f"--help lacks {spelled(name)}")
for name in ("activations", "report-precision", "profile-data", "time-passes", "man"):
    check(spelled(name) not in short, f"--help has {spelled(name)}")
check(output("-h") == short, "-h is not --help")

for problem in problems:
    print("options.py: " + problem)
if problems:
    sys.exit(1)
print(f"{len(options)} options")

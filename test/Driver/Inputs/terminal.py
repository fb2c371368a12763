"""Runs moe-compile on a pseudo-terminal: terminal.py FOLDER, which it fills.

A run lasts longer than a second if it is calibrated with a pipe that nobody
writes to; so no test here depends on how fast the machine is.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

here = os.path.dirname(os.path.abspath(__file__))
folder = sys.argv[1]
ERASE = b"\r\x1b[K"


def check(condition, message):
    if not condition:
        sys.exit("terminal.py: " + message)


def make_model(name, *options):
    script = os.path.join(here, "../../reference/random_model.py")
    path = os.path.join(folder, name)
    subprocess.run(
        [sys.executable, script, "--out", path, "--name", name, "--classes", "4", *options],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return os.path.join(path, name + ".json")


class Run:
    """A run of moe-compile with standard error, and output if asked, on a
    terminal; what the terminal gets is `seen`."""

    def __init__(self, *arguments, term="xterm", columns=80, stdout=subprocess.PIPE):
        self.terminal, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            ["moe-compile", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=side if stdout is None else stdout,
            stderr=side,
            env={**os.environ, "TERM": term},
        )
        os.close(side)
        self.seen = b""
        self.first = None

    def read(self):
        """Reads some more; false at the end."""
        check(select.select([self.terminal], [], [], 120)[0], f"hangs after {self.seen!r}")
        try:
            data = os.read(self.terminal, 65536)
        except OSError:  # Linux' way to say that the other side is closed
            data = b""
        if data and self.first is None:
            self.first = time.monotonic() - self.start
        self.seen += data
        return bool(data)

    def wait_for(self, text):
        while text not in self.seen:
            check(self.read(), f"did not show {text}, but {self.seen!r}")

    def finish(self):
        while self.read():
            pass
        os.close(self.terminal)
        out = self.process.stdout.read() if self.process.stdout else b""
        self.status = self.process.wait()
        self.seconds = time.monotonic() - self.start
        return out

    def drawn(self):
        """What the line said, one after the other."""
        return [text.decode() for text in re.findall(rb"\r([^\r\n\x1b]+)\x1b\[K", self.seen)]

    def screen(self):
        """What a terminal that is large enough shows in the end."""
        lines = [""]
        for piece in re.split(r"(\r\n|\n|\r|\x1b\[K)", self.seen.decode()):
            if piece in ("\r\n", "\n"):
                lines.append("")
                column = 0
            elif piece == "\r":
                column = 0
            elif piece == "\x1b[K":
                lines[-1] = lines[-1][:column]
            else:
                column = column if lines[-1] else 0
                lines[-1] = lines[-1][:column] + piece + lines[-1][column + len(piece) :]
                column += len(piece)
        return "\n".join(lines)


tiny = make_model(
    *("tiny", "--image-size", "32", "--patch-size", "16", "--hidden-size", "32", "--layers", "1"),
    *("--heads", "2", "--intermediate-size", "48", "--images", "2"),
)
with open(os.path.join(folder, "tiny", "images.npy"), "rb") as file:
    images = file.read()
held = os.path.join(folder, "held.npy")
os.mkfifo(held)


def feed(data=images):
    with open(held, "wb") as pipe:
        pipe.write(data)


waiting = b"calibration: run on files, 0 of 1"
calibrate = [tiny, "--precision=int8", "--calibrate", held]
out = ["-o", os.path.join(folder, "out")]

# Less than a second: nothing. A machine that is slow today may have another try.
for _ in range(5):
    run = Run(tiny, "--emit=moe", *out)
    run.finish()
    check(run.status == 0, f"a stage: exit {run.status}")
    if run.seconds < 1:
        check(run.seen == b"", f"shown in less than a second: {run.seen!r}")
        break

# A model that takes longer, by whatever it takes for that.
steps = r"import|optimisation|optimisation of the model|to linalg|weights, \d+ of \d+ MB \(\d+%\)|code generation|link"
steps += r"|for [\w.+-]+ \(\d of \d\): to (vector|bufferized|llvm-dialect)|for [\w.+-]+ \(\d of \d\)"
for layers in (2, 4, 8, 16, 32, 64):
    slow = make_model(
        *("slow", "--image-size", "224", "--patch-size", "16", "--hidden-size", "192", "--heads", "3"),
        *("--intermediate-size", "384", "--layers", str(layers)),
    )
    run = Run(slow, *out)
    run.finish()
    check(run.status == 0, f"a model: exit {run.status}")
    if run.seconds > 1.7:
        break
check(run.drawn(), f"nothing shown in {run.seconds} seconds: {run.seen!r}")
check(run.first >= 1, f"shown after {run.first} seconds")
for line in run.drawn():
    check(re.fullmatch(rf" *\d+ s  ({steps})", line), f"the line says {line!r}")
check(run.seen.endswith(ERASE) and run.screen() == "", f"left on the screen: {run.screen()!r}")

# On a narrow terminal the line is cut.
run = Run(*calibrate, *out, columns=24)
run.wait_for(b" s  calibration: r")
feed()
run.finish()
check(run.status == 0 and run.screen() == "", f"narrow: exit {run.status}, {run.screen()!r}")
check(max(map(len, run.drawn())) == 23, f"too wide for 24 columns: {run.drawn()}")

# Nothing on a terminal that has no way to erase, or that is not one.
for term in ("dumb", ""):
    run = Run(*calibrate, *out, term=term)
    time.sleep(1.2)
    feed()
    run.finish()
    check(run.status == 0 and run.seen == b"", f"TERM={term}: {run.seen!r}")

# An error replaces the line, also one that the model has written.
run = Run(*calibrate, *out)
run.wait_for(waiting)
feed(b"nonsense")
run.finish()
check(run.status == 1, f"exit {run.status}")
check(re.fullmatch(r"error: \S*held.npy: .*\n", run.screen()), f"an error: {run.screen()!r}")

# So does IR on standard output, and what passes say on standard error.
run = Run(*calibrate, "--emit=moe", "-o", "-", stdout=None)
run.wait_for(waiting)
feed()
run.finish()
text = subprocess.run(["moe-compile", tiny, "--emit=moe", "-o", "-"], stdout=subprocess.PIPE, check=True).stdout
check(run.screen() == text.decode(), f"IR: {run.screen()!r}")

run = Run(*calibrate, "--emit=moe-optimized", "--mlir-timing", "--mlir-timing-display=list", *out)
run.wait_for(waiting)
feed()
run.finish()
check(run.status == 0 and run.seen.count(b"Total") > 2, f"timing: exit {run.status}, {run.seen!r}")
check(not re.search(r"\d s  |calibration", run.screen()), f"mixed with the line: {run.screen()!r}")

# A report runs several models.
run = Run(tiny, "--precision=int8", "--report-precision", held)
layers = ["patch_embed", "blocks.0.attn.qkv", "blocks.0.attn.proj", "blocks.0.mlp", "head"]
for number, what in enumerate(["f32", *layers, "as specified"], start=1):
    run.wait_for(f" s  model {number} of 7, {what}: run on files, 0 of 1 (0%)".encode())
    feed()
table = run.finish()
check(run.status == 0 and run.screen() == "", f"report: exit {run.status}, {run.screen()!r}")
check(len(table.splitlines()) == 7, f"report: {table!r}")
print("as expected")

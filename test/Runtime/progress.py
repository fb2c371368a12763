"""The line that shows progress on a terminal.

usage: progress.py PROGRAM FOLDER"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading

import numpy as np

from harness import Model, check

program, folder = sys.argv[1:]
ERASE = "\r\x1b[K"


def on_terminal(model, *arguments, width=60, out_too=False):
    """Exit code and what a terminal of that width gets."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    shown = []

    def collect():
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # the other side is closed
                return
            if not data:
                return
            shown.append(data)

    reader = threading.Thread(target=collect)
    reader.start()
    process = subprocess.Popen(
        [program, *arguments],
        env=model.env,
        stdin=subprocess.DEVNULL,
        stdout=slave if out_too else subprocess.DEVNULL,
        stderr=slave,
    )
    os.close(slave)
    status = process.wait(120)
    reader.join()
    os.close(master)
    # The terminal makes "\r\n" of the program's "\n".
    return status, b"".join(shown).decode().replace("\r\n", "\n")


def arguments(model, count):
    """`count` inputs, in two files."""
    values = np.zeros((count,) + model.shape, np.float32)
    values[count - 5, 0, 0, 0] = 9
    result = []
    for i, rows in enumerate((values[: count // 2], values[count // 2 :])):
        result += ["--tensor", model.path(f"{count}-{i}.npy")]
        np.save(result[-1], rows)
    return result


# Three waits of 5 ms for each input: 1.5 seconds and more in all.
slow = Model(program, folder, microseconds=5000, refused=9)
inputs = arguments(slow, 100)
for width in (60, 22):
    status, text = on_terminal(slow, *inputs, "missing.png", width=width)
    check(status == 1, f"exit {status}: {text!r}")
    # Errors have lines of their own, with nothing of the progress in them.
    lines = text.split("\n")
    errors = [line.split(ERASE)[-1] for line in lines[:-1]]
    check(errors == [f"error: {inputs[3]}[45]: the model failed with status 8",
                     "error: missing.png: cannot open: No such file or directory"],
          f"{width}: {errors}")  # fmt: skip
    # It is erased before each of them, and at the end.
    check(text.endswith(ERASE), f"{width}: {text!r}")
    states = [s for line in lines for s in line.split(ERASE) if s and not s.startswith("error: ")]
    check(states, f"{width}: no progress in {text!r}")
    for state in states:
        check(len(state) < width, f"{width}: too wide: {state!r}")
        if width == 22:
            check(re.match(r"\d+/101  [\d.]+/s", state), f"{width}: {state!r}")
            continue
        found = re.fullmatch(r"\[(=*)( *)\]  (\d+)/101  [\d.]+/s(  \d failed)?  0:\d\d left", state)
        check(found, f"{width}: {state!r}")
        full, rest, done = len(found[1]), len(found[2]), int(found[3])
        check(full + rest <= 40 and full == done * (full + rest) // 101, f"{width}: {state!r}")
        check((found[4] is not None) == (done > 95), f"{width}: {state!r}")

# None where answers are on the terminal, in a short run, and without a terminal.
status, text = on_terminal(slow, "--format=json", *inputs, out_too=True)
check(status == 1 and ERASE not in text and text.count("\n") == 100, f"{text!r}")
fast = Model(program, folder, refused=8)
status, text = on_terminal(fast, *inputs)
check(status == 0 and text == "", f"{text!r}")
status, out, err = slow.run(*inputs)
check(status == 1 and b"\x1b" not in out + err, f"{err!r}")

# The number of inputs in a pipe is not known: no bar.
with open(inputs[1], "rb") as source:
    data = source.read()
fifo = slow.path("fifo")
os.mkfifo(fifo)


def feed():
    with open(fifo, "wb") as out:
        out.write(data)


feeder = threading.Thread(target=feed)
feeder.start()
status, text = on_terminal(slow, "--tensor", fifo, *inputs)
feeder.join()
states = [s for line in text.split("\n") for s in line.split(ERASE) if s and "error: " not in s]
check(status == 1 and states, f"{text!r}")
check(all(re.fullmatch(r"\d+  [\d.]+/s(  1 failed)?", s) for s in states), f"{states}")
print("ok")

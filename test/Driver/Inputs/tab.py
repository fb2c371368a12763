"""Types command lines into an interactive bash: tab.py SCRIPT TEXT...

Presses Tab after each TEXT and prints the line that comes of it.
"""

import os
import pty
import select
import sys

script, texts = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    environment = {**os.environ, "PS1": "", "TERM": "dumb", "INPUTRC": "/dev/null"}
    os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
seen = b""


def read_until(end):
    global seen
    while end not in seen:
        if not select.select([terminal], [], [], 60)[0]:
            sys.exit(f"tab.py: bash does not answer, said {seen!r}")
        seen += os.read(terminal, 4096)
    found, seen = seen.split(end, 1)
    return found


os.write(terminal, f"PS1=; bind 'set bell-style none'; source '{script}'; echo rea''dy\n".encode())
read_until(b"ready\r\n")
for text in texts:
    # To the line's begin, where printf makes its words visible.
    os.write(terminal, text.encode() + b"\t\x01printf '<%s>' \x05; echo d''one\n")
    line = read_until(b"done\r\n").decode()
    print("<" + line.split("\r\n")[-1].split("<", 1)[1])
os.write(terminal, b"exit\n")
os.waitpid(pid, 0)

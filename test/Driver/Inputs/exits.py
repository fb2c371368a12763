"""Runs a command and checks its exit code: exits.py CODE COMMAND..."""

import subprocess
import sys

code = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL).returncode
if code != int(sys.argv[1]):
    sys.exit(f"exits.py: expected exit {sys.argv[1]}, found {code}")

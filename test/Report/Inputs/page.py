"""Reading a report's page: the data in it, and what a browser draws of it."""

import json
import re
import subprocess
import tempfile

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr",
]


def page_data(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', text, re.S).group(1))


def chromium(path, *flags, dark=False):
    """Opens the page at the absolute `path`. Returns what is printed, and the
    lines of the browser's console."""
    with tempfile.TemporaryDirectory() as profile:
        result = subprocess.run(
            ["chromium", *FLAGS, f"--user-data-dir={profile}",
             f"--blink-settings=preferredColorScheme={0 if dark else 1}", *flags,
             "file://" + path],
            capture_output=True, text=True, timeout=60, check=True)
    return result.stdout, [line for line in result.stderr.splitlines() if ":CONSOLE" in line]

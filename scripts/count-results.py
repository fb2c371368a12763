#!/usr/bin/env python3
"""Prints how many tests passed, failed and were skipped, from the JSON that
lit's --output writes. Fails if it holds no test that ran."""

import collections
import json
import sys

PASSED = {"PASS", "FLAKYPASS", "XFAIL"}
SKIPPED = {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}

if len(sys.argv) != 2:
    sys.exit(f"usage: {sys.argv[0]} RESULTS.json")
with open(sys.argv[1], encoding="utf-8") as file:
    codes = collections.Counter(test["code"] for test in json.load(file)["tests"])
passed = sum(codes[code] for code in PASSED)
skipped = sum(codes[code] for code in SKIPPED)
# Whatever else there may be is no success.
failed = sum(codes.values()) - passed - skipped
if not passed + failed:
    sys.exit(f"{sys.argv[1]}: no test ran")
print(passed, failed, skipped)

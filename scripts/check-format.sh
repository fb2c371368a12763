#!/usr/bin/env bash
# Fails if a C or C++ file is not formatted as .clang-format says.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

find . \( -path './build*' -o -path './.git' \) -prune -o \
  \( -name '*.h' -o -name '*.c' -o -name '*.cpp' \) -print0 |
  xargs -0r clang-format-22 --dry-run -Werror

#!/usr/bin/env bash
# Fails if a C or C++ file is not formatted as .clang-format says. Only in the
# project's own folders: who tries the README has models, and headers that the
# compiler made, beside them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

find bench examples include lib test tools \
  \( -name '*.h' -o -name '*.c' -o -name '*.cpp' \) -print0 |
  xargs -0r clang-format-22 --dry-run -Werror

#!/usr/bin/env bash
# Configures and builds into build/. Options go to `cmake --build`, such as
# `--target moe-compile`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! cmake --preset release >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
cmake --build --preset release --parallel "$(nproc)" "$@"

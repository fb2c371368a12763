#!/usr/bin/env bash
# Sets up, builds, checks the format and runs all tests. The last line counts
# them; the exit code is not 0 if one failed or none ran.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
results=$root/build/test-results.json

"$root/scripts/setup.sh" || exit 1

passed=0 failed=0 skipped=0
count() { if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi; }

count "$root/scripts/check-format.sh"
rm -f "$results"
if "$root/scripts/build.sh" --target all moe-test-depends; then
  # The counts come from lit's own record of each test. An exit code other than
  # 0 without one there (lit itself failed) counts as a failure too.
  LIT_OPTS="${LIT_OPTS:-} --output=$results" \
    cmake --build "$root/build" --target check-moe
  status=$?
  counts=$("$root/scripts/count-results.py" "$results") || counts="0 1 0"
  read -r p f s <<<"$counts"
  [ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
else
  echo "test: the build failed" >&2
  failed=$((failed + 1))
fi

tail=
[ "$skipped" -eq 0 ] || tail=", $skipped skipped"
echo "$passed passed, $failed failed$tail"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

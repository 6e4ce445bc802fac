#!/bin/bash
# tests/run.sh: installs, builds and runs every test, those under mpirun included. The last line counts them.
# Run it as root or as a user with sudo; running it again is safe.
set -euo pipefail
cd "$(dirname "$0")/.."

launch/packages.sh build
cmake --preset release
cmake --build --preset release

result=$PWD/build/release/tests.xml
rm -f "$result"
status=0
ctest --test-dir build/release --output-on-failure --no-tests=error -j 2 --output-junit "$result" || status=$?

# <testsuite name="…" tests="9" failures="0" disabled="0" skipped="0" …>, an attribute a line.
count() {
  local number
  number=$(grep -o -m 1 "\b$1=\"[0-9]*\"" "$result" 2>/dev/null | grep -o '[0-9]*' | head -n 1)
  echo "${number:-0}"
}
failed=$(count failures)
not_run=$(($(count skipped) + $(count disabled)))
passed=$(($(count tests) - failed - not_run))
if ((not_run > 0)); then echo "$not_run not run"; fi
echo "$passed passed, $failed failed"
((status == 0 && passed > 0 && failed == 0))

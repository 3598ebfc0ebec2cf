#!/usr/bin/env bash
# Builds the torch-free part with AddressSanitizer and UBSan in build/asan and runs its tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Without a number, ctest runs one test at a time.
export CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-$(nproc)}
cmake --preset asan
cmake --build --preset asan
ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
  ctest --test-dir build/asan --output-on-failure --no-tests=error

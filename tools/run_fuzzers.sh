#!/usr/bin/env bash
# Builds the libFuzzer targets in build/fuzz and runs each for a bounded time, or for a number of
# inputs as in a long run, from the seeds in fuzz/corpus/<name>/. New inputs go to
# build/fuzz/corpus/<name>/, a crashing one to build/fuzz/artifacts/. Exit 77 (skipped) where clang
# or its fuzzer runtime is missing.
#   usage: tools/run_fuzzers.sh [SECONDS_PER_TARGET | --runs COUNT] [TARGET...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bound=-max_total_time=20
if [ "${1:-}" = --runs ]; then
  bound=-runs=$2
  shift 2
elif [ $# -gt 0 ]; then
  bound=-max_total_time=$1
  shift
fi

probe=$(mktemp)
trap 'rm -f "$probe"' EXIT
if ! echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
  clang++-19 -fsanitize=fuzzer,address -x c++ - -o "$probe" 2>/dev/null; then
  echo "skipped: clang++-19 with libclang-rt-19-dev is needed to fuzz"
  exit 77
fi

# The compiler's words are shown only when it fails, so that a finding is not lost among them.
quietly() {
  local log=build/fuzz/artifacts/build.log
  if ! "$@" >"$log" 2>&1; then
    tail -n 60 "$log"
    exit 1
  fi
}

mkdir -p build/fuzz/artifacts
quietly cmake --preset fuzz
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < build/fuzz/fuzz/targets.txt
fi
quietly cmake --build --preset fuzz --target "${targets[@]/%/_fuzz}"

# The limits catch hangs and hostile sizes, and leave room for a machine that is busy with other
# work: time is wall-clock time, and the memory includes what the sanitizer keeps in quarantine.
run_target() {
  local name=$1 seeds=() log="build/fuzz/artifacts/$1.log"
  mkdir -p "build/fuzz/corpus/$name"
  if [ -d "fuzz/corpus/$name" ]; then
    seeds=("fuzz/corpus/$name")
  fi
  if UBSAN_OPTIONS=print_stacktrace=1 "build/fuzz/fuzz/${name}_fuzz" \
    -seed=1 "$bound" -timeout=100 -rss_limit_mb=3072 -malloc_limit_mb=1024 \
    -max_len=65536 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/artifacts/$name-" "build/fuzz/corpus/$name" "${seeds[@]}" \
    >"$log" 2>&1; then
    echo "$name: clean after $(sed -n 's/^stat::number_of_executed_units: //p' "$log") inputs," \
      "$(sed -n 's/.*DONE *cov: \([0-9]*\) .*/\1/p' "$log") edges covered"
  else
    tail -n 60 "$log"
    echo "$name: FAILED, the input is in build/fuzz/artifacts/"
    return 1
  fi
}

# One per core at a time: waits for the oldest before another starts.
failed=0
running=()
for name in "${targets[@]}"; do
  if [ ${#running[@]} -ge "$(nproc)" ]; then
    wait "${running[0]}" || failed=1
    running=("${running[@]:1}")
  fi
  run_target "$name" &
  running+=($!)
done
for pid in "${running[@]}"; do
  wait "$pid" || failed=1
done
exit "$failed"

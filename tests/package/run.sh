#!/usr/bin/env bash
# Installs svtune from a build folder, moves the installation, and uses it there: the program
# runs, the package is free of build paths, and a consumer project builds against it and runs.
#   usage: tests/package/run.sh BUILD_DIR        (SVTUNE_TORCH_DIR names the torch package)
set -euo pipefail
build=$(cd "$1" && pwd)
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf 'package test: %s\n' "$*" >&2
  exit 1
}

cmake --install "$build" --prefix "$work/first" >"$work/install.log" ||
  { cat "$work/install.log"; fail "cmake --install failed"; }
prefix="$work/moved here"
mv "$work/first" "$prefix"

torch_dir=$(cd "$SVTUNE_TORCH_DIR" && pwd -P)
for path in "$build" "$source_dir" "$torch_dir" "$work/first"; do
  if grep -rlF -- "$path" "$prefix"/lib/cmake "$prefix"/include; then
    fail "the files above name $path"
  fi
done

for header in "$source_dir"/include/svtune/*.h; do
  [ -f "$prefix/include/svtune/$(basename "$header")" ] || fail "$(basename "$header") is missing"
  grep -qF "#include <svtune/$(basename "$header")>" "$source_dir/tests/package/consumer/main.cpp" ||
    fail "consumer/main.cpp does not include $(basename "$header")"
done

if [ -x "$build/bin/svtune" ]; then
  program="$prefix/bin/svtune"
  # shellcheck disable=SC2016  # the loader, not the shell, expands $ORIGIN
  python3 "$source_dir/tools/check_binary.py" "$program" --runpath '$ORIGIN/../lib/svtune'
  [ "$("$program" --version)" = "$("$build/bin/svtune" --version)" ] || fail "--version differs"
  grep -q '^\.TH SVTUNE 1' "$prefix/share/man/man1/svtune.1" || fail "the man page has no title"
  bash -n "$prefix/share/bash-completion/completions/svtune" || fail "bash rejects its completion"
  grep -q '^#compdef svtune' "$prefix/share/zsh/site-functions/_svtune" ||
    fail "the zsh completion does not start with #compdef"
fi

cmake -S "$source_dir/tests/package/consumer" -B "$work/consumer" -G Ninja \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log" 2>&1 ||
  { cat "$work/configure.log"; fail "the consumer does not configure"; }
cmake --build "$work/consumer" >"$work/build.log" ||
  { cat "$work/build.log"; fail "the consumer does not build"; }

# A model and an adapter to use it on, made by the installed program.
model="$work/model"
PYTHONPATH="$source_dir/tests/cli" PYTHONDONTWRITEBYTECODE=1 \
  python3 -c 'import fixture, sys; fixture.write_model(sys.argv[1])' "$model"
echo '{"text": "How do you add two numbers?"}' >"$work/data.jsonl"
"$prefix/bin/svtune" train --model "$model" --data "$work/data.jsonl" --output "$work/run" \
  --template raw --method lora --rank 2 --epochs 8 --gradient-accumulation 1 \
  --learning-rate 0.1 --samples 0 >"$work/train.log" 2>&1 ||
  { cat "$work/train.log"; fail "the installed program does not train"; }
"$work/consumer/consumer" "$model" "$work/run/adapter" "$work/merged" "$work/data.jsonl" \
  "$work/own-run" || fail "the consumer does not run"
"$build/examples/minimal" "$model" "$work/run/adapter" | grep -aq 'log-probability of a sentence: -' ||
  fail "examples/minimal.cpp does not run"
"$build/examples/fine_tune" "$model" "$work/data.jsonl" "$work/example-run" template=raw rank=2 \
  samples=0 >"$work/example.log" || { cat "$work/example.log"; fail "examples/fine_tune.cpp does not run"; }
[ -f "$work/example-run/adapter/adapter_model.safetensors" ] ||
  fail "examples/fine_tune.cpp leaves no adapter"

#!/usr/bin/env bash
# The benchmarks behind `make bench`: both sides of each comparison in one run.
#   usage: bench/run.sh BUILD_DIR
# The figures are compared with the newest of this machine in bench/results/ (bench/figures.py).
# The peers come from the virtual environment that tools/setup.sh fills; the data lie in the folder
# that SVTUNE_TEST_DATA names, and what needs them is left out where they are absent.
set -euo pipefail
build=$(cd "$1" && pwd)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${SVTUNE_ORACLE_PYTHON:-$root/.venv/bin/python}
data=${SVTUNE_TEST_DATA:-}

export SVTUNE_BENCH_FIGURES=$build/bench/figures.json
"$python" "$root/bench/figures.py" start "$SVTUNE_BENCH_FIGURES"

if [ -f "$data/math/gsm8k_train.jsonl" ]; then
  echo "== Training: LoRA on Qwen2.5-0.5B's shape beside transformers + PEFT"
  "$python" "$root/bench/train_bench.py" "$build/bin/svtune" \
    --data "$data/math/gsm8k_train.jsonl" --tokenizer "$data/tokenizers/qwen2"
else
  echo "== Training: left out, SVTUNE_TEST_DATA names no folder with math/gsm8k_train.jsonl"
fi

echo
if [ -d "$data/text" ]; then
  echo "== Tokenizers: encoding beside the Rust package tokenizers, one thread each"
  cmake --build "$build" --target svtune_tokenizer_bench >/dev/null
  "$python" "$root/bench/tokenizer_bench.py" "$build/src/text/svtune_tokenizer_bench" "$data"
else
  echo "== Tokenizers: left out, SVTUNE_TEST_DATA names no folder with text/"
fi

echo
echo "== SVD: PiSSA's start and full decompositions beside PEFT and torch.linalg.svd"
cmake --build "$build" --target svtune_svd_bench >/dev/null
"$python" "$root/bench/svd_bench.py" "$build/src/linalg/svtune_svd_bench"

echo
echo "== NF4: quantising and dequantising beside bitsandbytes"
cmake --build "$build" --target svtune_nf4_bench >/dev/null
"$python" "$root/bench/nf4_bench.py" "$build/src/quant/svtune_nf4_bench"

echo
echo "== LoftQ and QPiSSA: a whole model of Qwen2.5-0.5B's shape"
cmake --build "$build" --target svtune_low_rank_quant_bench >/dev/null
"$build/src/quant/svtune_low_rank_quant_bench" "$(nproc)" 16,64 |
  "$python" "$root/bench/figures.py" table "$SVTUNE_BENCH_FIGURES" "quantise a model"

echo
if [ -f "$data/math/gsm8k_train.jsonl" ]; then
  echo "== Training on a 4-bit base beside bf16, and where its starts stand"
  # The starts need a real model: the one that `make demo` leaves.
  real=()
  [ ! -d "$root/demo/model" ] || real=(--model "$root/demo/model")
  "$python" "$root/bench/quantized_bench.py" "$build/bin/svtune" \
    --data "$data/math/gsm8k_train.jsonl" --tokenizer "$data/tokenizers/qwen2" "${real[@]}"
else
  echo "== Training on a 4-bit base: left out, as above"
fi

echo
if [ -f "$data/math/gsm8k_train.jsonl" ] && [ -d "$root/demo/model" ]; then
  echo "== On a machine that is not idle: training, answers and SVD beside other programs"
  "$python" "$root/bench/contention_bench.py" "$build/bin/svtune" --model "$root/demo/model" \
    --data "$data/math/gsm8k_train.jsonl"
else
  echo "== On a machine that is not idle: left out, it needs the data and the model of make demo"
fi

echo
if [ -f "$data/math/gsm8k_train.jsonl" ] && [ -d "$root/demo/model" ]; then
  echo "== Methods: a step of each beside LoRA's and PEFT's, on the model of make demo"
  "$python" "$root/bench/method_bench.py" "$build/bin/svtune" --model "$root/demo/model" --peft \
    --data "$data/math/gsm8k_train.jsonl"
else
  echo "== Methods: left out, as above"
fi

echo
"$python" "$root/bench/figures.py" compare "$SVTUNE_BENCH_FIGURES" "$root/bench/results"

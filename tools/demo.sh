#!/usr/bin/env bash
# The demo behind `make demo`: fine-tunes SmolLM2-135M-Instruct on arithmetic word problems with
# PiSSA, SVFT, LoRA and in full, with the same data, batches and steps; measures exact-match
# accuracy on held-out problems before and after; draws all curves into one report; merges the
# PiSSA adapter and lets the merged model answer. Says beforehand how long that takes, and ends with
# a table. Everything is written below demo/.
#   usage: [QUICK=1] [MODEL=DIR] tools/demo.sh PROGRAM
set -euo pipefail
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/demo_common.sh
source tools/demo_common.sh

readonly kOut=demo
readonly kMethods=(pissa svft lora full) answers_together=50
# The peak rates differ because the scales of the methods' parameters do.
declare -rA kMethodOptions=(
  [pissa]="--svd exact --rank 16 --learning-rate 1e-3"
  [svft]="--basis-rank 192 --learning-rate 1e-2"
  [lora]="--rank 16 --learning-rate 2e-3"
  [full]="--learning-rate 1e-4"
)
if [ -n "${QUICK:-}" ] && [ "$QUICK" != 0 ]; then
  steps=8 batch=4 questions=20 samples=1
else
  steps=48 batch=8 questions=100 samples=2
fi

# accuracy NAME OPTIONS...: prints the percentage and keeps every answer in answers/NAME.jsonl.
accuracy() {
  local name=$1
  shift
  svtune eval --task exact-match --data $kOut/data/test.jsonl --limit $questions \
    --batch-size $answers_together --max-new-tokens 64 --answers "$kOut/answers/$name.jsonl" "$@" |
    tee "$kOut/logs/eval-$name.txt"
}
percent_of() { sed -n 's/^exact match \([0-9.]*\) %.*/\1/p' "$kOut/logs/eval-$1.txt"; }

# train_options METHOD: fills `options`.
train_options() {
  local own
  read -ra own <<<"${kMethodOptions[$1]}"
  options=(--model "$model" --data "$kOut/data/train.jsonl" --method "$1" "${own[@]}"
    --max-steps "$steps" --batch-size "$batch" --gradient-accumulation 1 --seed 1
    --samples "$samples" --output "$kOut/$1")
}

rm -rf $kOut
mkdir -p $kOut/answers $kOut/logs

if [ -n "${MODEL:-}" ]; then
  model=$MODEL
else
  say "Model: SmolLM2-135M-Instruct"
  gguf=$(tools/fetch_demo_model.sh)
  model=$kOut/model
  svtune convert "$gguf" $model
fi

say "Data: arithmetic word problems, made from a seed"
svtune demo-data --output $kOut/data --train $((steps * batch)) --test 200 --seed 1
head -n 1 $kOut/data/train.jsonl

say "How long this will take"
begin=$(clock)
rehearsed=$((questions < answers_together ? questions : answers_together))
"$program" eval --task exact-match --data $kOut/data/test.jsonl --limit $rehearsed \
  --batch-size $answers_together --max-new-tokens 64 --model "$model" >/dev/null 2>&1
estimate="($(clock) - $begin) * (1 + ${#kMethods[@]}) * $questions / $rehearsed"
for method in "${kMethods[@]}"; do
  begin=$(clock)
  a_step=$(rehearse "$method")
  # Loading and starting a run takes about as long as its rehearsal.
  estimate="$estimate + $a_step * $steps + $(clock) - $begin"
done
about "$estimate" "from here"

say "Before training"
accuracy base --model "$model"

declare -A seconds
for method in "${kMethods[@]}"; do
  say "Training: $method"
  begin=$SECONDS
  train_options "$method"
  svtune train "${options[@]}"
  seconds[$method]=$((SECONDS - begin))
  if [ "$method" = full ]; then
    accuracy full --model $kOut/full/model
  else
    accuracy "$method" --model "$model" --adapter "$kOut/$method/adapter"
  fi
done

say "One report for the four runs"
answers=("${kMethods[@]/#/$kOut/answers/}")
svtune report "${kMethods[@]/#/$kOut/}" --answers "$(IFS=, && echo "${answers[*]/%/.jsonl}")" \
  --output $kOut/report.html --title "Four ways to fine-tune SmolLM2-135M"

say "The PiSSA adapter merged into the model"
svtune merge --model "$model" --adapter $kOut/pissa/adapter --output $kOut/merged
question=$(sed -n '1s/^{"query": "\(.*\)", "response".*/\1/p' $kOut/data/test.jsonl)
svtune generate --model $kOut/merged --max-new-tokens 64 --prompt "$question"

printf '\nThe whole demo took %d min %d s. Open %s/report.html for the curves.\n' \
  $((SECONDS / 60)) $((SECONDS % 60)) "$kOut"

say "Exact match on $questions held-out questions"
# The loss needs few steps to fall; exact answers need all of the full demo.
loss_of() { sed -n 's/.*"loss": \([0-9.]*\).*/\1/p' "$kOut/$1/metrics.jsonl" | sed -n "$2"; }
printf '%-8s %20s %9s %9s %10s %10s %8s\n' \
  method "trainable parameters" "loss at 1" "at $steps" "before" after seconds
for method in "${kMethods[@]}"; do
  trainable=$(trainable_of "$method")
  printf '%-8s %20s %9.2f %9.2f %8s %% %8s %% %8s\n' "$method" "$trainable" \
    "$(loss_of "$method" 1p)" "$(loss_of "$method" \$p)" "$(percent_of base)" \
    "$(percent_of "$method")" "${seconds[$method]}"
done

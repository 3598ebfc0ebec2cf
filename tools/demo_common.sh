# shellcheck shell=bash disable=SC2154  # the demos set what is read here
# What the demos share. Sourced from the project's root with `program`, `kOut` and a function
# train_options METHOD that fills `options`.

say() { printf '\n== %s\n' "$*"; }
svtune() {
  printf '$ svtune %s\n' "$*"
  "$program" "$@"
}
clock() { date +%s.%N; }

# rehearse METHOD: plans its run and prints the seconds that a step will take.
rehearse() {
  train_options "$1"
  "$program" train "${options[@]}" --dry-run >"$kOut/logs/plan-$1.txt" 2>/dev/null || return
  sed -n 's/^Time (predicted): .*, \([0-9.e+-]*\) s a step.*/\1/p' "$kOut/logs/plan-$1.txt"
}
# trainable_of METHOD: the number of trained parameters, of a run that was rehearsed.
trainable_of() { sed -n 's/^Trainable: \([0-9,]*\) of.*/\1/p' "$kOut/logs/plan-$1.txt"; }

# about EXPRESSION WORDS: says how long that many seconds are.
about() {
  awk "BEGIN { t = $1; printf \"About %d min %02d s $2, on %d threads.\\n\", t / 60, t % 60, $(nproc) }"
}

#!/usr/bin/env bash
# Checks what needs no compiler: format of the C++ files, shell scripts, Python syntax, layers,
# sizes. With --fix the C++ files are formatted in place instead of checked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mapfile -t sources < <(find src include tests fuzz bench examples -name '*.h' -o -name '*.cpp' | sort)
if [ "${1:-}" = --fix ]; then
  clang-format-19 -i "${sources[@]}"
  exit 0
fi

status=0
clang-format-19 --dry-run --Werror "${sources[@]}" || status=1
mapfile -t scripts < <(find tools tests bench .ci -name '*.sh' -o -path .ci/run | sort)
shellcheck "${scripts[@]}" || status=1
mapfile -t python < <(find tools tests bench -name '*.py' | sort)
python3 -m py_compile "${python[@]}" || status=1
for check in layers methods names sizes tests text; do
  python3 "tools/check_$check.py" || status=1
done
exit "$status"

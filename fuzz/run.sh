#!/usr/bin/env bash
# Runs one fuzz target until it finds something or is stopped, under the address sanitizer.
#
#     fuzz/run.sh target [libFuzzer option…]        for example: fuzz/run.sh cell_up -fork=8
#     fuzz/run.sh target file…                      only these inputs, once
#
# Starts from the committed seeds and from fuzz/corpus/<target>/, which keeps what it learns.
# SANITIZER=none runs about five times faster, with debug assertions and overflow checks alone.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:?which target? See the names in fuzz/seeds/}
shift
[[ -d fuzz/seeds/$target ]] || { echo "no target is called $target; see fuzz/seeds/" >&2; exit 1; }

# libFuzzer's coverage needs an unstable compiler flag, which a stable compiler then accepts.
export RUSTC_BOOTSTRAP=1
export CARGO_PROFILE_RELEASE_LTO=off
options=(-timeout=20 -rss_limit_mb=4096)
[[ -f fuzz/dictionaries/$target.dict ]] && options+=("-dict=fuzz/dictionaries/$target.dict")
inputs=("fuzz/corpus/$target" "fuzz/seeds/$target")
mkdir -p "${inputs[0]}"
if [[ -f ${1-} ]]; then
    inputs=("$@")
    set --
fi
exec cargo fuzz run --features libfuzzer --sanitizer "${SANITIZER:-address}" \
    --codegen-units 16 --target-dir "${CARGO_TARGET_DIR:-target}/fuzz" \
    "$target" "${inputs[@]}" -- "${options[@]}" "$@"

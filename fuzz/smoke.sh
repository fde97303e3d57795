#!/usr/bin/env bash
# Builds every fuzz target and runs each for some seconds from the committed seeds.
#
#     fuzz/smoke.sh [seconds] [target…]
#
# Exits 1 if a target finds something; the input is then in fuzz/artifacts/<target>/.
# SANITIZER=address (or another that cargo-fuzz knows) builds with a sanitizer: a third longer to
# build, five times slower to run. Debug assertions and overflow checks are on either way.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-5}
shift || true
if (($#)); then targets=("$@"); else mapfile -t targets < <(ls fuzz/seeds); fi

# libFuzzer's coverage needs an unstable compiler flag, which a stable compiler then accepts.
export RUSTC_BOOTSTRAP=1
# The release profile is made for speed; here the build's own time counts.
export CARGO_PROFILE_RELEASE_LTO=off
export target_dir=${CARGO_TARGET_DIR:-target}/fuzz
cargo fuzz build --features libfuzzer --sanitizer "${SANITIZER:-none}" --codegen-units 16 \
    --target-dir "$target_dir"

host=$(rustc -vV | sed -n 's/^host: //p')
export seconds bin=$target_dir/$host/release
work=$(mktemp -d)
export work
trap 'rm -rf "$work"' EXIT

run() {
    local target=$1 options=(-timeout=20 -rss_limit_mb=2048 -print_final_stats=1)
    mkdir -p "$work/$target" "fuzz/artifacts/$target"
    cp fuzz/seeds/"$target"/* "$work/$target"
    [[ -f fuzz/dictionaries/$target.dict ]] && options+=("-dict=fuzz/dictionaries/$target.dict")
    if ! "$bin/$target" "${options[@]}" "-max_total_time=$seconds" \
        "-artifact_prefix=fuzz/artifacts/$target/" "$work/$target" >"$work/$target.log" 2>&1; then
        echo "$target: FAILED"
        grep -av -e REDUCE -e NEW "$work/$target.log" | tail -n 60
        return 1
    fi
    rmdir "fuzz/artifacts/$target" 2>/dev/null || true
    printf '%-14s %s runs\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log")"
}
export -f run

# xargs exits non-zero if any run did.
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'run {}' || {
    echo "a fuzz target found something: see docs/fuzzing.md" >&2
    exit 1
}

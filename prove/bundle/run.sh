#!/usr/bin/env bash
# Proves and times Chunkwise's kernels on this machine's GPU. Needs an NVIDIA driver, NVRTC and Python with torch; no
# Rust, no network. Without a GPU it says so and exits with 3.
#
#   ./run.sh OUT             kernels against the f64 token loop, micro-kernels against the simulator, times, peers
#   ./run.sh OUT --all       every kernel there is, not a sample (hours)
#   ./run.sh OUT --seed 7    other kernels and other numbers
#   ./run.sh OUT --only published    one part, for a machine that is there for minutes: kernels, micro,
#                            published (times of shapes that others publish times of) or kinds (of other shapes)
#
# A folder `wheels` beside this script may hold wheels of flash-linear-attention (and fla-core), to be timed beside.
set -uo pipefail
if [ $# -lt 1 ] || [ "${1#-}" != "$1" ]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0"
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
inputs=$(mktemp -d)
trap 'rm -rf "$inputs"' EXIT

# NVRTC comes with torch on most machines that have it.
if [ -z "${CHUNKWISE_NVRTC:-}" ]; then
    found=$(python3 -c 'import glob, site, sys
roots = site.getsitepackages() + [site.getusersitepackages()] + sys.path
hits = [h for r in roots for h in sorted(glob.glob(r + "/nvidia/*/lib/libnvrtc.so.*")) if "builtins" not in h]
print(hits[-1] if hits else "")' 2>/dev/null)
    [ -n "$found" ] && export CHUNKWISE_NVRTC="$found"
fi
export CHUNKWISE_CACHE_DIR="$inputs/cache"

"$here/chunkwise-prove" all --out "$out" --inputs "$inputs/cases" "$@"
proved=$?
[ "$proved" -eq 3 ] && exit 3

if [ -d "$here/wheels" ]; then
    python3 -m pip install -q --no-index --no-deps --no-compile --target "$inputs/site" "$here"/wheels/*.whl \
        && export PYTHONPATH="$inputs/site${PYTHONPATH:+:$PYTHONPATH}"
fi
only=
previous=
for word in "$@"; do
    [ "$previous" = --only ] && only=$word
    previous=$word
done
peers=0
if [ "$only" != kernels ] && [ "$only" != micro ]; then
    python3 "$here/peers.py" --cases "$inputs/cases" --times "$out/times.json" --out "$out/peers.json"
    peers=$?
fi

# The checks of memory and races that the driver's own tool makes, where it is there: a few kernels, since it is slow.
if [ -n "$only" ] && [ "$only" != kernels ]; then
    :
elif command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck; do
        compute-sanitizer --tool "$tool" --error-exitcode 9 --log-file "$out/sanitizer-$tool.log" \
            "$here/chunkwise-prove" kernels --device cuda:0 --few --out "$out/sanitized-$tool" >/dev/null
        status=$?
        echo "compute-sanitizer $tool: exit $status, $(tail -1 "$out/sanitizer-$tool.log" 2>/dev/null)"
        [ "$status" -eq 0 ] || proved=1
    done
else
    echo "compute-sanitizer: not there"
fi

echo
cat "$out/summary.txt"
[ -f "$out/peers.txt" ] && cat "$out/peers.txt"
[ "$proved" -eq 0 ] && [ "$peers" -eq 0 ]

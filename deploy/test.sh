#!/usr/bin/env bash
# deploy/test.sh BUILD [SANITIZER]: runs the tests of a build directory; with a sanitizer, those of our own threads and file readers.
set -euo pipefail
build=$1
sanitizer=${2:-}
here=$(cd "$(dirname "$0")/.." && pwd)
report=$(mktemp)
trap 'rm -f "$report"' EXIT
select=()
# A test asks for more memory than there can be, and must get the usual answer.
case "$sanitizer" in
  "") ;;
  address)
    select=(-L unit -R '^((io|engine|service|inference|image|sync|client|cli)_tests|fuzz)\.')
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:allocator_may_return_null=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
    ;;
  thread)
    # Not the client's: they run a server of Debian's gRPC, whose synchronisation ThreadSanitizer cannot see. Nor can it see OpenMP's,
    # with which LibTorch would spread a product that a test computes for itself.
    # Nor InferRequestTest, which reads maps from text: Debian's protobuf has them otherwise than its headers have under this sanitizer.
    select=(-L unit -R '^(io|engine|service|inference|image|sync)_tests\.' -E '^inference_tests\.InferRequestTest\.')
    export OMP_NUM_THREADS=1 TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$here/tests/sanitizers/tsan.supp:allocator_may_return_null=1}
    ;;
  *) echo "unknown sanitizer $sanitizer: address or thread" >&2; exit 2 ;;
esac
status=0
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$(nproc)" "${select[@]}" 2>&1 | tee "$report" || status=$?
# One line that says the same in any tool's words.
total=$(sed -nE 's/.* tests failed out of ([0-9]+).*/\1/p' "$report" | tail -1)
failed=$(sed -nE 's/.* ([0-9]+) tests failed out of .*/\1/p' "$report" | tail -1)
echo "$((${total:-0} - ${failed:-0})) passed, ${failed:-0} failed"
exit "$status"

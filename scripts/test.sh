#!/usr/bin/env bash
# Installs, builds and runs every test. --full adds the torch-free rooms under AddressSanitizer and ThreadSanitizer, and half an
# hour of training with random kills.
source "$(dirname "$0")/steps.sh"

full=false
for argument in "$@"; do
  case "$argument" in
    --full) full=true ;;
    *) echo "test.sh: unknown option \"$argument\"; known: --full" >&2; exit 2 ;;
  esac
done

sanitized() {  # asan or tsan
  cmake --preset "$1" >/dev/null
  NINJA_STATUS='    [%f/%t] ' cmake --build --preset "$1"
  ctest --preset "$1"
}

./scripts/setup.sh --tests
./scripts/build.sh
if $full; then
  step "torch-free rooms under AddressSanitizer and UBSan" sanitized asan
  step "torch-free rooms under ThreadSanitizer" sanitized tsan
fi
step "tests" ctest --preset dev
if $full; then
  step "training killed at random for half an hour" \
    env PANAL_BIN_DIR="$PWD/build/bin" .deps/test-venv/bin/python -B tests/e2e/test_training_kills.py --seconds 1800
fi

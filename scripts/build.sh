#!/usr/bin/env bash
# Builds build/bin/panal and build/bin/panal-engine, and the tests.
source "$(dirname "$0")/steps.sh"

configure() { cmake --preset dev -DPANAL_TORCH_DIR="$(torch_folder)" >build-configure.log 2>&1 || { tail -n 20 build-configure.log >&2; return 1; }; rm -f build-configure.log; }
compile() { NINJA_STATUS='    [%f/%t] ' cmake --build --preset dev -- "$@"; }

if [ -z "$(torch_folder)" ]; then
  echo "PyTorch was expected in .deps/torch, in PANAL_TORCH or in python3, and is in none: run ./scripts/setup.sh first" >&2
  exit 1
fi
step "configure" configure
step "build" compile "$@"
note "programs: build/bin/panal build/bin/panal-engine"

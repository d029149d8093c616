#!/usr/bin/env bash
# From a bare Debian 12 to a trained, evaluated and deployed group of experts, and answers from it.
source "$(dirname "$0")/steps.sh"

./scripts/setup.sh
./scripts/build.sh panal panal-engine
step "main job: panal demo" ./build/bin/panal demo "$@"

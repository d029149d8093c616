# Shared by the scripts: where things are, and steps that say what they do and how to go on after a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
deps=$PWD/.deps
unset CDPATH

note() { printf '    %s\n' "$*"; }

# Runs a function as a named step. A failure names the step and how to go on.
step() {  # title function [arguments...]
  local title=$1 started=$SECONDS
  shift
  printf '==> %s\n' "$title"
  current_step=$title
  "$@"
  current_step=""
  printf '    done in %d s\n' $((SECONDS - started))
}

current_step=""
on_exit() {
  local code=$?
  if [ "$code" -ne 0 ] && [ -n "$current_step" ]; then
    printf '\nFailed at step "%s" (exit code %d); the reason stands above.\n' "$current_step" "$code" >&2
    printf 'What is finished is kept: mend the cause and run %s again, it goes on from there.\n' "$0" >&2
  fi
}
trap on_exit EXIT

# Prints the folder `torch` of a PyTorch 2.11 or newer: PANAL_TORCH, our own copy, or the one python3 has.
torch_folder() {
  if [ -n "${PANAL_TORCH:-}" ]; then
    if [ ! -f "$PANAL_TORCH/lib/libtorch_cpu.so" ]; then
      echo "PANAL_TORCH must be the folder \"torch\" of a PyTorch 2.11 or newer; there is no lib/libtorch_cpu.so in $PANAL_TORCH" >&2
      return 1
    fi
    echo "$PANAL_TORCH"
  elif [ -f "$deps/torch/lib/libtorch_cpu.so" ]; then
    echo "$deps/torch"
  else
    python3 - <<'PYTHON' 2>/dev/null || true
import importlib.util, pathlib, re
spec = importlib.util.find_spec("torch")
folder = pathlib.Path(spec.origin).parent
version = re.search(r"__version__ = '(\d+)\.(\d+)", (folder / "version.py").read_text())
if (int(version[1]), int(version[2])) >= (2, 11) and (folder / "lib/libtorch_cpu.so").exists():
    print(folder)
PYTHON
  fi
}

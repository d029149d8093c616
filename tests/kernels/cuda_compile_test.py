"""Every CUDA kernel compiles for every architecture: nvcc needs no GPU. Exit status 77: skipped, there is no nvcc."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src"
KERNELS = SOURCE / "kernels/cuda"
ARCHITECTURES = [80, 86, 89, 90, 100, 120]
NVCC = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")


def operations():
    """The names of the operations in all.h, and in how many types each file has them."""
    text = (KERNELS / "all.h").read_text().replace("\\\n", " ")
    found = {}
    for name, body in re.findall(r"#define PANAL_(\w+)_OPERATIONS\(X\)(.*)", text):
        if name == "ACTIVATION":
            of_type = re.search(r"ACTIVATION_OPERATIONS_OF\(X, \.\.\.\)(.*)", text).group(1)
            body = of_type + of_type
        found[name.lower()] = re.findall(r"X\((\w+)", body)
    return found


class CudaCompile(unittest.TestCase):
    def test_every_file_has_its_operations(self):
        files = {path.stem for path in KERNELS.glob("*.cu")} - {"device"}
        self.assertEqual(files, set(operations()))

    def test_every_kernel_is_in_every_architecture(self):
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for outcome in pool.map(self.compile, sorted(KERNELS.glob("*.cu"))):
                self.assert_complete(*outcome)

    def compile(self, source):
        """The compiler's exit status and words, and the functions of each architecture."""
        # As CMake does it: one run of the compiler, an assembler per architecture.
        codes = ",".join(f"sm_{architecture}" for architecture in ARCHITECTURES)
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([NVCC, "-std=c++20", "-O3", f"-I{SOURCE}", "-gencode", f"arch=compute_80,code=[{codes}]", "--keep", "--keep-dir", folder,
                                   "-Werror", "all-warnings", "-c", "-o", f"{folder}/out.o", str(source)],
                                  capture_output=True, text=True, cwd=folder)
            seen = {}
            for cubin in pathlib.Path(folder).glob("*.cubin"):
                architecture = int(re.findall(r"_(\d+)", cubin.stem)[-1])
                names = re.findall(rb"\.text\.(_ZN5panal7kernels4cuda3run\w+)", cubin.read_bytes())
                seen[architecture] = {name.decode() for name in names}
            return source, done, seen

    def assert_complete(self, source, done, seen):
        self.assertEqual(done.returncode, 0, f"{source.name}: {done.stdout}{done.stderr}")
        wanted = operations().get(source.stem, [])
        self.assertEqual(sorted(seen), ARCHITECTURES if wanted else sorted(seen), source.name)
        for architecture, names in seen.items():
            self.assertEqual(len(names), len(wanted), f"{source.name} for sm_{architecture}: {names}")
            for operation in wanted:
                self.assertTrue(any(f"{len(operation)}{operation}" in name for name in names),
                                f"{source.name} for sm_{architecture} lacks {operation}")


if __name__ == "__main__":
    if NVCC is None:
        print("skipped: no nvcc on the PATH or in /usr/local/cuda/bin")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], "-v"])

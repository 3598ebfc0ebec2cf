#!/usr/bin/env python3
"""Checks what a built svtune program loads: allowed libraries, one OpenMP, its run path.

usage: check_binary.py PROGRAM --runpath PATH
PATH is the one entry the run path must have: the wheel's lib folder in the build tree,
'$ORIGIN/../lib/svtune' after installation. A second BLAS or OpenMP in the process gives
crashes or wrong results, hence the closed list.
"""
import argparse
import os
import re
import subprocess
import sys

TORCH = ("libtorch_cpu.so", "libc10.so")
OF_THE_CUDA_WHEEL = ("libcudart.so.13", "libcupti.so.13", "libutil.so.1")
ALLOWED = TORCH + OF_THE_CUDA_WHEEL + (
    "libgomp.so.1", "libstdc++.so.6", "libgcc_s.so.1", "libc.so.6", "libm.so.6", "libdl.so.2",
    "libpthread.so.0", "librt.so.1", "linux-vdso.so.1", "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1", "libpcre2-8.so.0", "libutf8proc.so.2", "libz.so.1",
    "libzstd.so.1", "libsimdjson.so.14", "libjpeg.so.62", "libpng16.so.16", "libwebp.so.7")
NUMERICS = re.compile(r"binding file (.+) \[0\] to (.+) \[0\]: normal symbol "
                      r"`(sgesdd_|dgesdd_|sgemm_|dgemm_|cblas_\w+)'")


def run(*command, **environment):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env={**os.environ, **environment}).stdout


def loaded_libraries(program):
    """name -> path of every library that the loader maps for the program."""
    libraries = {}
    for line in run("ldd", program).splitlines():
        name, _, path = line.strip().partition(" => ")
        name = os.path.basename(name.split(" (")[0])
        libraries[name] = path.split(" (")[0]
    return libraries


def problems(program, runpath):
    libraries = loaded_libraries(program)
    for name, path in libraries.items():
        if name not in ALLOWED:
            yield f"loads {name}, which is not on the list of allowed libraries"
        if path == "not found":
            yield f"needs {name}, which is not found"
    for name in TORCH + ("libgomp.so.1",):
        folder = os.path.realpath(os.path.dirname(libraries.get(name, "")))
        expected = runpath.replace("$ORIGIN", os.path.dirname(os.path.abspath(program)))
        if name in libraries and folder != os.path.realpath(expected):
            yield f"takes {name} from {folder}, expected {expected}"
    if "libtorch_cpu.so" not in libraries:
        yield "does not load libtorch_cpu.so"

    found = re.findall(r"\((RUNPATH|RPATH)\)\s+Library \w+: \[(.*)\]", run("readelf", "-d", program))
    # CMake ends the build tree's run path with a colon, so that it can find and replace it.
    if [(kind, path.rstrip(":")) for kind, path in found] != [("RUNPATH", runpath)]:
        yield f"run path is {found}, expected RUNPATH {runpath}"

    banners = run(program, "--version", OMP_DISPLAY_ENV="verbose").count("DISPLAY ENVIRONMENT BEGIN")
    if banners != 1:
        yield f"{banners} OpenMP runtimes announce themselves, expected one"

    bindings = NUMERICS.findall(run(program, "--version", LD_DEBUG="bindings", LD_BIND_NOW="1"))
    if not bindings:
        yield "no LAPACK or BLAS symbol is bound, so nothing could be checked"
    for user, provider, symbol in bindings:
        if os.path.basename(provider) != "libtorch_cpu.so":
            yield f"{symbol} of {user} is bound to {provider}, expected libtorch_cpu.so"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--runpath", required=True)
    arguments = parser.parse_args()
    found = list(problems(arguments.program, arguments.runpath))
    print("\n".join(f"{arguments.program}: {p}" for p in found)
          or f"{arguments.program}: libraries, OpenMP and run path are as they should be")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()

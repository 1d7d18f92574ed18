"""Builds the native engine; everything else about the project is in pyproject.toml.

The engine is a plain shared library, loaded by `inference/native/library.py`: it needs
a C compiler, but no Python headers. Without a compiler the build goes on without it.
"""

from glob import glob

from setuptools import Extension, setup

SOURCES = "inference/native/src"

# Portable on purpose: no -march and the like. Vector code is chosen at run time, so
# one build runs on every CPU of its architecture, and no flag may change a result.
engine = Extension(
    "inference.native._engine",
    sources=sorted(glob(f"{SOURCES}/*.c")),
    depends=sorted(glob(f"{SOURCES}/*.h")),
    extra_compile_args=[
        "-O3",
        "-std=c11",
        "-fno-strict-aliasing",
        "-fvisibility=hidden",
        "-pthread",
    ],
    extra_link_args=["-pthread"],
    optional=True,
)

setup(ext_modules=[engine])

"""Build a zip of a function for AWS Lambda, with the library and what it needs there.

    python tools/lambda_zip.py app.py [features.py …] --into function.zip [--python 3.11]

Lambda takes 250 MB at most, unzipped. So the zip has no command line, no SQL, no tests, no sources
of the libraries beside their compiled modules, none of pyarrow's clients of file systems, and not
boto3, which Lambda's own runtimes have. It is for Linux on x86-64, whatever machine builds it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

ROOT = Path(__file__).resolve().parents[1]
MOST_BYTES = 250 * 1024 * 1024
"""The most that Lambda unzips."""
LEFT_OUT = {
    *("boto3", "botocore", "jmespath", "s3transfer", "urllib3"),  # in Lambda's runtimes
    *("annotated-doc", "markdown-it-py", "mdurl", "pygments", "rich", "shellingham", "typer"),
    *("click", "sqlglot"),
    *("annotated-types", "pydantic", "pydantic-core", "typing-inspection"),
}
"""Packages of `core` that a handler does not import: the command line, SQL, and the runtime's."""
_PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux2014_x86_64")
_CLIENTS = ("azurefs", "flight", "gcsfs", "hdfs", "orc", "s3fs", "substrait")
"""Extension modules of pyarrow that the library does not import."""
_USELESS = ("tests", "include", "includes", "f2py", "distutils", "bin")
_SOURCES = (".c", ".cpp", ".h", ".pxd", ".pxi", ".pyx")


def requirements(lock: str) -> str:
    """Return the lock of an image without the packages that a handler does not import.

    Args:
        lock: The text of ``core.txt``.
    """
    blocks = re.split(r"\n(?=\w)", lock.strip())
    return "\n".join(one for one in blocks if re.split(r"[=\[]", one)[0] not in LEFT_OUT) + "\n"


def collect(folder: Path, python: str) -> None:
    """Install the libraries and this package into a folder, for Lambda's machines.

    Args:
        folder: The folder.
        python: Lambda's version of Python, as ``3.11``.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    pip += ["--no-deps", "--no-compile", "--target", str(folder)]
    with tempfile.TemporaryDirectory() as work:
        lock = Path(work, "requirements.txt")
        lock.write_text(requirements((ROOT / "docker/requirements/core.txt").read_text()))
        fixed = ["--require-hashes", "--python-version", python]
        fixed += [word for one in _PLATFORMS for word in ("--platform", one)]
        command = [*pip, *fixed, "--requirement", str(lock)]
        subprocess.run(command, check=True)  # noqa: S603
    shutil.copytree(ROOT / "airflow_sfx", folder / "airflow_sfx", dirs_exist_ok=True)


def trim(folder: Path) -> None:
    """Delete what a handler does not use, and compile the rest.

    Args:
        folder: The folder with the libraries.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and (path.name in _USELESS or path.name == "__pycache__"):
            if path.parent.name != "airflow_sfx":
                shutil.rmtree(path)
        elif path.suffix in _SOURCES:
            path.unlink(missing_ok=True)
    for name in _CLIENTS:
        for path in (folder / "pyarrow").glob(f"_{name}.*.so"):
            path.unlink()
    _delete_unused_libraries(folder / "pyarrow")
    # In place, without sources: Lambda's folder is read-only, so nothing would keep what a cold
    # start compiles, and both together do not fit.
    command = [sys.executable, "-m", "compileall", "-q", "-b", "-j", "0", "."]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603
    for path in folder.rglob("*.py"):
        path.unlink()


def _delete_unused_libraries(folder: Path) -> None:
    """Delete shared libraries that no other file of the folder is linked with."""
    while True:
        linked = b"".join(path.read_bytes() for path in folder.glob("*.cpython-*.so"))
        libraries = {path: path.read_bytes() for path in folder.glob("lib*.so*")}
        libraries = {path: data for path, data in libraries.items() if ".cpython-" not in path.name}
        unused = [
            path
            for path in libraries
            if not _names(linked, path.name)
            and not any(
                _names(data, path.name)
                for other, data in libraries.items()
                if other.name.partition(".so")[0] != path.name.partition(".so")[0]
            )
        ]
        if not unused:
            return
        for path in unused:
            path.unlink()


def _names(binary: bytes, library: str) -> bool:
    """Return whether the names that a binary is linked with include a library."""
    return f"\0{library}\0".encode() in binary


def prepare(folder: Path, sources: list[Path], python: str) -> int:
    """Fill a folder with a function and all that it needs.

    Args:
        folder: An empty folder.
        sources: The function's own modules.
        python: Lambda's version of Python, as ``3.11``.

    Returns:
        The bytes of its files, which Lambda limits.
    """
    collect(folder, python)
    trim(folder)
    for source in sources:
        shutil.copy(source, folder)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def pack(folder: Path, into: Path) -> None:
    """Write a folder's files into a zip.

    Args:
        folder: The folder.
        into: The zip to write.
    """
    with ZipFile(into, "w", ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))


def main() -> None:
    """Build the zip that the arguments ask for."""
    parser = argparse.ArgumentParser(description="Build a zip of a function for AWS Lambda.")
    parser.add_argument("sources", nargs="+", type=Path, help="the function's own modules")
    parser.add_argument("--into", type=Path, required=True, help="the zip to write")
    parser.add_argument("--python", default="3.11", help="Lambda's version of Python")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        unzipped = prepare(Path(work), options.sources, options.python)
        if unzipped > MOST_BYTES:
            sys.exit(f"{unzipped / 1e6:.0f} MB unzipped are more than Lambda takes: use the image")
        pack(Path(work), options.into)
    zipped = options.into.stat().st_size
    print(f"{options.into}: {zipped / 1e6:.0f} MB, {unzipped / 1e6:.0f} MB unzipped")  # noqa: T201


if __name__ == "__main__":
    main()

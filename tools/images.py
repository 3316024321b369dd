"""Build the images of ``docker/`` that this machine can build.

    python tools/images.py [--base-image debian:bookworm-slim] [--tag latest] [base core …]

Without ``--base-image``, Debian is made by debootstrap, which needs root and no registry, once per
machine. The site's certificates, of ``/usr/local/share/ca-certificates``, and pip's index go into
the build as arguments: no Dockerfile names them. Beside each image, its bill of materials goes to
``build/sbom``, as CycloneDX JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES: dict[str, str | None] = {
    "base": None,
    **dict.fromkeys(("core", "job", "serve", "lambda", "lab", "notebook"), "base"),
    **dict.fromkeys(("airflow", "stack", "postgres"), "base"),
}
"""The images, with that below each, in the order in which they are built."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airflow-sfx"
DEBIAN, SUITE = "sfx-debian:bookworm", "bookworm"
_LIST = (
    "from importlib.metadata import distributions as d\n"
    "for one in sorted({(one.name.lower(), one.version) for one in d()}): print(*one)"
)
"""A program that prints the Python packages of an image."""
_R_LIST = (
    "for one in /usr/local/lib/R/site-library/*/DESCRIPTION; do [ ! -f $one ] ||"
    " sed -n 's/^Package: //p; s/^Version: //p' $one | paste -sd' '; done"
)
"""A program that prints the R packages of an image that are not Debian's."""
_CERTIFICATES = Path("/usr/local/share/ca-certificates")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_LEFT_OUT = ("var/cache/apt/*", "var/lib/apt/lists/*", "usr/share/doc/*", "usr/share/locale/*")
_LEFT_OUT += ("usr/share/man/*", "var/log/*", "dev/*")
_SOURCES = ("airflow_sfx", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")


def build(names: list[str], tag: str, base_image: str = "") -> dict[str, str]:
    """Build images, and those below them.

    Args:
        names: Their names in `IMAGES`.
        tag: Their tag: ``core`` becomes ``sfx-core:TAG``.
        base_image: A Debian image, or empty to make one.

    Returns:
        The images by name.
    """
    wanted = {*names, *(below for name in names if (below := IMAGES[name]))}
    built: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copytree(ROOT / "docker", context, dirs_exist_ok=True)
        shutil.copytree(ROOT / "r", context / "r")
        _wheel(context / "dist")
        for name, below in IMAGES.items():
            if name in wanted:
                beneath = built[below] if below else base_image or debian()
                built[name] = f"sfx-{name}:{tag}"
                _build_one(context, name, built[name], beneath)
    return built


def bill_of_materials(image: str) -> dict[str, object]:
    """Return what an image has, as a CycloneDX document: packages of Debian, Python and R.

    Those of R are Debian's but for the ones of ``/usr/local``.

    Args:
        image: The image, of this daemon.

    Returns:
        The document.
    """
    options = ("run", "--rm", "--network=none", "--entrypoint=", image)
    debian_ = _text(*options, "dpkg-query", "--show", "--showformat=${Package} ${Version}\\n")
    python = _text(*options, "python3", "-c", _LIST)
    r = _text(*options, "sh", "-c", _R_LIST)
    found = [("deb/debian", line) for line in debian_.splitlines()]
    found += [("pypi", line) for line in python.splitlines()]
    found += [("cran", line) for line in r.splitlines()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": image}},
        "components": [
            {
                "type": "library",
                "name": name,
                "version": version,
                "purl": f"pkg:{kind}/{name}@{version}",
            }
            for kind, line in found
            for name, version in [line.split()]
        ],
    }


def debian() -> str:
    """Return an image of Debian slim that debootstrap makes, once per machine and daemon."""
    if _docker("image", "inspect", DEBIAN, check=False, quiet=True).returncode == 0:
        return DEBIAN
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise SystemExit(
            "there is no image of Debian, and making one needs root and debootstrap: name one by"
            " --base-image, such as debian:bookworm-slim"
        )
    archive = CACHE / f"debian-{SUITE}.tar"
    if not archive.exists():
        _bootstrap(archive)
    _docker("import", str(archive), DEBIAN)
    return DEBIAN


def docker_program() -> str:
    """Return the Docker client: the distribution's own, which has BuildKit, if it is there."""
    own = Path("/usr/bin/docker")
    found = str(own) if own.exists() else shutil.which("docker")
    if not found:
        raise SystemExit("there is no docker: apt-get install docker.io")
    return found


def _bootstrap(archive: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        place = Path(folder) / "root"
        _run("debootstrap", "--variant=minbase", SUITE, str(place), _mirror())
        beside = Path(folder) / "whole.tar"
        excluded = [f"--exclude=./{pattern}" for pattern in _LEFT_OUT]
        _run("tar", "-C", str(place), *excluded, "-cf", str(beside), ".")
        beside.replace(archive)


def _mirror() -> str:
    """Return the mirror that this machine's apt uses."""
    apt = Path("/etc/apt")
    for path in (*sorted(apt.glob("sources.list.d/*")), apt / "sources.list"):
        lines = path.read_text().splitlines() if path.is_file() else []
        for line in lines:
            words = line.split()
            is_source = words[:1] in (["URIs:"], ["deb"]) and "debian" in line
            if is_source and (found := [word for word in words if word.startswith("http")]):
                return found[0]
    return "http://deb.debian.org/debian"


def _wheel(folder: Path) -> None:
    """Build the package's wheel from a copy of its sources, the same bytes each time."""
    with tempfile.TemporaryDirectory() as copy:
        for name in _SOURCES:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, Path(copy) / name, ignore=ignored)
            else:
                shutil.copy(source, copy)
        options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
        fixed = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
        _run(sys.executable, "-m", "pip", "wheel", *options, copy, environment=fixed)


def _build_one(context: Path, name: str, image: str, beneath: str) -> None:
    arguments = [f"BASE_IMAGE={beneath}"]
    if name == "base":
        arguments.append(f"SITE_CA={_site_certificates()}")
    elif index := _index():
        arguments.append(f"PIP_INDEX_URL={index}")
    arguments += [one for one in _PROXIES if one in os.environ]  # which no layer keeps
    options = [word for one in arguments for word in ("--build-arg", one)]
    netrc = Path.home() / ".netrc"
    if name != "base" and netrc.exists():
        options += ["--secret", f"id=netrc,src={netrc}"]
    file = context / name / "Dockerfile"
    if not file.exists():
        file = context / "Dockerfile"
        options += ["--target", name]
    _docker("build", "--network=host", "--tag", image, "--file", str(file), *options, str(context))


def _site_certificates() -> str:
    return "\n".join(path.read_text().strip() for path in sorted(_CERTIFICATES.glob("**/*.crt")))


def _index() -> str:
    """Return the index that pip is configured with here, or empty for its own."""
    if named := os.environ.get("PIP_INDEX_URL"):
        return named
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def _docker(
    *arguments: str, check: bool = True, quiet: bool = False
) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    return _run(docker_program(), *arguments, environment=environment, check=check, quiet=quiet)


def _text(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        [docker_program(), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


def _run(
    *command: str,
    environment: dict[str, str] | None = None,
    check: bool = True,
    quiet: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(  # noqa: S603
        command, check=check, env=environment, stdout=output, stderr=output
    )


def main() -> None:
    """Build the images that the command line names, and print their tags."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(IMAGES))
    parser.add_argument("--base-image", default="", help="an image of Debian bookworm")
    parser.add_argument("--tag", default="latest")
    options = parser.parse_args()
    if unknown := {*options.names} - {*IMAGES}:
        parser.error(f"there is no image {', '.join(sorted(unknown))}: use {', '.join(IMAGES)}")
    built = build(options.names or list(IMAGES), options.tag, options.base_image)
    folder = ROOT / "build/sbom"
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in built.items():
        text = json.dumps(bill_of_materials(image), indent=1)
        (folder / f"{name}.cdx.json").write_text(text)
    print(*built.values(), sep="\n")  # noqa: T201  the result


if __name__ == "__main__":
    main()

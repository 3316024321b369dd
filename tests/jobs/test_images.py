"""The images: what they have, what they have not, and that their requirements are complete."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import airflow_sfx as sfx
from tests.containers import docker
from tests.jobs.conftest import Bench
from tools.images import IMAGES, ROOT, bill_of_materials, docker_program

PACKAGE = Path(sfx.__file__).parent
WITH_AIRFLOW = {
    *("serde", "hooks", "assets", "triggers", "sensors", "operators", "decorators", "plugin"),
    *("serving", "testing.py", "provider_info.py"),
}
"""The rooms that `core` does not use."""
NOT_IN_CORE = {"models", "components"}
"""They are in `core`; the libraries of models are in `job`."""
EXTRAS = {
    "confluent_kafka",
    "docker",
    "duckdb",
    "pandera",
    "pcodec",
    "polars",
    "pyspark",
    "requests",
    "zstandard",
}
"""Libraries that are imported on use, where a caller has them."""


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement.strip())[0].lower().replace("_", "-")


def requirements(name: str) -> dict[str, str]:
    lines = (ROOT / "docker/requirements" / name).read_text().splitlines()
    return {name_of(line): line for line in lines if re.match(r"\w", line)}


def imported() -> set[str]:
    """The top-level modules that `core` imports, at once or on use."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        room, *rest = path.relative_to(PACKAGE).parts
        if room in WITH_AIRFLOW | NOT_IN_CORE or rest == ["airflow.py"]:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    return found - sys.stdlib_module_names - {"airflow_sfx", "airflow"}


def test_core_has_what_the_library_imports_and_nothing_more() -> None:
    owners = packages_distributions()
    distributions = {
        name_of(owner) for module in imported() - EXTRAS for owner in owners.get(module, [module])
    }
    assert distributions <= requirements("core.txt").keys(), (
        "docker/requirements/core.in lacks some"
    )
    unused = requirements("core.in").keys() - distributions
    assert unused == set(), "nothing imports some of docker/requirements/core.in"


LOCKS = sorted(path.stem for path in (ROOT / "docker/requirements").glob("*.in"))


@pytest.mark.parametrize("image", LOCKS)
def test_requirements_are_those_of_setup_cfg_locked_with_hashes(image: str) -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    lists = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    known = {name_of(line): line for text in lists for line in text.strip().splitlines()}
    asked = requirements(f"{image}.in")
    for name in asked.keys() & known.keys():
        assert asked[name].split("[")[0] in {known[name], known[name].split(";")[0].strip()}
    text = (ROOT / f"docker/requirements/{image}.txt").read_text()
    locked = requirements(f"{image}.txt")
    assert asked.keys() <= locked.keys()
    for block in re.split(r"\n(?=\w)", text.strip()):
        assert re.search(r"^[\w.-]+==\S+ \\", block), block[:80]
        assert "--hash=sha256:" in block, block[:80]


def test_the_image_of_airflow_has_all_that_the_package_requires() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    required = parser["options"]["install_requires"].strip().splitlines()
    assert {name_of(line) for line in required} <= requirements("airflow.in").keys()
    assert {"asyncpg", "psycopg2-binary"} <= requirements("airflow.txt").keys()


@pytest.mark.parametrize("image", LOCKS)
def test_an_image_has_the_versions_of_the_image_below_it(image: str) -> None:
    text = (ROOT / f"docker/requirements/{image}.in").read_text()
    locked = requirements(f"{image}.txt")
    for below in re.findall(r"^-c (\S+)", text, re.MULTILINE):
        for name, line in requirements(below).items():
            assert locked.get(name, line) == line, f"{image}.txt has another version than {below}"


def test_the_dockerfiles_name_no_site() -> None:
    for path in (ROOT / "docker").rglob("Dockerfile"):
        text = path.read_text()
        stages = {"${BASE_IMAGE}", *re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE)}
        assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) <= stages
        assert set(re.findall(r"https?://[^\s\"]+", text)) <= {"https://pypi.org/simple"}


def test_each_image_has_a_dockerfile() -> None:
    shared = (ROOT / "docker/Dockerfile").read_text()
    for image in IMAGES:
        of_its_own = (ROOT / "docker" / image / "Dockerfile").exists()
        assert of_its_own != (f" AS {image}\n" in shared), image


@pytest.fixture(autouse=True)
def engine(request) -> None:
    """Name the daemon to the commands of a test that uses an image."""
    if {"core_image", "lab_image"} & {*request.fixturenames}:
        request.getfixturevalue("docker_engine")


def inside(image: str, *command: str) -> subprocess.CompletedProcess:
    options = ("--rm", "--network=none", "--read-only", "--tmpfs=/tmp")
    return subprocess.run(
        [docker_program(), "run", *options, image, *command],
        capture_output=True,
        text=True,
        check=False,
    )


def test_core_runs_with_a_read_only_root_as_a_user_without_a_compiler(core_image: str) -> None:
    code = (
        "import os, pandas as pd, airflow_sfx as sfx;"
        "w = sfx.connect('embedded:///tmp/w');"
        "pin = w.store_dataframe(pd.DataFrame({'n': [1]}), 'a', 'b');"
        "print(os.getuid(), w.load_dataframe(pin)['n'].tolist())"
    )
    done = inside(core_image, "python", "-c", code)
    assert done.stdout.strip() == "50000 [1]", done.stderr
    for module in ("airflow", "pip", "setuptools"):
        assert inside(core_image, "python", "-c", f"import {module}").returncode == 1
    tools = inside(core_image, "sh", "-c", "command -v gcc cc make pip ld")
    assert (tools.returncode != 0, tools.stdout) == (True, "")
    assert inside(core_image, "find", "/", "-xdev", "-type", "f", "-perm", "/6000").stdout == ""
    assert "sfx 0" in inside(core_image, "sfx", "--version").stdout
    assert int(docker("image", "inspect", "--format={{.Size}}", core_image)) < 700 << 20


def test_the_bill_of_materials_has_what_is_locked(core_image: str) -> None:
    document = bill_of_materials(core_image)
    found = {(one["name"], one["version"]) for one in document["components"]}
    locked = {
        (name, re.search(r"==(\S+)", line)[1]) for name, line in requirements("core.txt").items()
    }
    assert {(name_of(name), version) for name, version in found} >= locked
    assert {"libc6", "tini", "airflow-sfx"} <= {name for name, _ in found}


def test_the_bill_of_materials_has_packages_of_r(lab_image: str) -> None:
    found = {one["purl"].partition("@")[0] for one in bill_of_materials(lab_image)["components"]}
    assert {"pkg:deb/debian/r-cran-irkernel", "pkg:cran/sfx", "pkg:pypi/jupyterlab"} <= found


def test_a_job_runs_as_the_owner_of_the_warehouse_and_cannot_write_elsewhere(
    docker_bench: Bench,
) -> None:
    code = (
        "import os, pathlib, airflow_sfx as sfx\n"
        "given = pathlib.Path(os.environ['SFX_JOB'])\n"
        "try:\n    pathlib.Path('/opt/sfx/new').write_text('x')\n"
        "except OSError as error:\n    print(error)\n"
        "print(oct(given.stat().st_mode & 0o777))\n"
        "status = pathlib.Path('/proc/self/status').read_text().splitlines()\n"
        "print(next(line for line in status if line.startswith('CapEff')))\n"
    )
    with pytest.raises(sfx.JobFailed, match="without a batch") as failed:
        docker_bench.run(code)
    lines = "\n".join(failed.value.last_lines)
    assert "Read-only file system" in lines
    assert "0o444" in lines
    assert re.search(r"CapEff:\s+0+$", lines, re.MULTILINE)

"""The R package as CRAN would check it, and its generated files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.r.conftest import ROOT, SFX

SOURCE = ROOT / "r"


def test_the_package_passes_r_cmd_check(tmp_path: Path) -> None:
    """Its examples, its vignette and its own tests, which use the command."""
    shutil.copytree(SOURCE, tmp_path / "sfx")
    environment = {
        **os.environ,
        "SFX_BIN": str(SFX),
        "PYTHONPATH": str(ROOT),
        "_R_CHECK_FORCE_SUGGESTS_": "true",
        "_R_CHECK_CRAN_INCOMING_": "false",
        "LC_ALL": "C.UTF-8",
    }

    def r(*command: str) -> str:
        done = subprocess.run(
            ["R", "CMD", *command],
            check=False,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    r("build", "sfx")
    checked = r("check", "--no-manual", "sfx_0.1.0.tar.gz")
    assert "Status: OK" in checked, checked
    tests = (tmp_path / "sfx.Rcheck/tests/testthat.Rout").read_text()
    assert "FAIL 0 | WARN 0 | SKIP 0" in tests


def test_each_exported_call_has_a_help_page() -> None:
    exported = {
        line.removeprefix("export(").removesuffix(")")
        for line in (SOURCE / "NAMESPACE").read_text().splitlines()
        if line.startswith("export(")
    }
    helped = {
        line.removeprefix("\\alias{").removesuffix("}")
        for page in (SOURCE / "man").glob("*.Rd")
        for line in page.read_text().splitlines()
        if line.startswith("\\alias{")
    }
    assert len(exported) >= 10
    assert exported <= helped


def test_the_version_is_that_of_the_command() -> None:
    from airflow_sfx._version import __version__

    assert f"\nVersion: {__version__}\n" in (SOURCE / "DESCRIPTION").read_text()

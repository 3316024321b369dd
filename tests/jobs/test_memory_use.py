"""The memory of a job is measured without that of the process that started it."""

from __future__ import annotations

import json
import subprocess
import sys

MEASURE = """
import json, subprocess, sys
from airflow_sfx.jobs.memory_use import peak_memory
held = b"x" * (int(sys.argv[1]) << 20)
before = peak_memory()
subprocess.run([sys.executable, "-c", f"b'x' * ({sys.argv[2]} << 20)"], check=True)
print(json.dumps([before >> 20, peak_memory() >> 20]))
"""


def measured(own: int, child: int) -> list[int]:
    """Return the peak of a process that takes some MiB, before and after a child that does."""
    command = [sys.executable, "-c", MEASURE, str(own), str(child)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_the_memory_of_who_started_a_job_is_not_the_jobs() -> None:
    large = b"x" * (400 << 20)
    before, _ = measured(0, 0)
    del large
    assert before < 200


def test_a_small_child_does_not_double_the_memory_of_a_job() -> None:
    before, after = measured(300, 0)
    assert 300 < before <= after < 400


def test_a_child_that_takes_more_than_its_parent_is_added() -> None:
    before, after = measured(0, 500)
    assert before < 200
    assert 500 < after < 800

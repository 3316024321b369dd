"""Answers of a file of R, by a process of R that the caller trusts."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.flavours.base import Answers, Scorer
from airflow_sfx.models.schema.rows import Columns, frame_of
from airflow_sfx.models.schema.signature import Signature

_TIMEOUT = 600
_LAST_LINES = 5
_SCRIPT = """
args <- commandArgs(TRUE)
for (needed in args[-(1:3)]) {
  if (!requireNamespace(needed, quietly = TRUE)) stop("the package ", needed, " is not installed")
}
model <- readRDS(args[1])
rows <- readRDS(args[2])
values <- if (inherits(model, "glm")) stats::predict(model, rows, type = "response") else
  stats::predict(model, rows)
if (!is.numeric(values) || length(values) != nrow(rows)) stop("it predicts no number for each row")
saveRDS(data.frame(prediction = as.double(values)), args[3], version = 2, compress = FALSE)
"""


class RscriptScorer(Scorer):
    """Answers from R, which starts anew for each call, and runs what the file says.

    Args:
        model: The file of R.
        signature: What the model takes.
        packages: The packages of R that it needs.
        where: The artifact, for messages.

    Raises:
        ModelRefused: There is no R.
    """

    def __init__(
        self, model: bytes, signature: Signature, packages: Sequence[str], where: str
    ) -> None:
        found = shutil.which("Rscript")
        if found is None:
            raise ModelRefused(
                f"{where} is a file of R, and there is no Rscript on the path: install R and the"
                " packages that the model was saved with, or save an lm, glm or rpart, which needs"
                " no R"
            )
        self._rscript, self._model, self._where = found, model, where
        self._signature, self._packages = signature, tuple(map(str, packages))

    def answers(self, columns: Columns) -> Answers:
        """Return what R says about rows.

        Raises:
            ModelRefused: R fails; the message has its last lines.
        """
        from airflow_sfx.frames.pandas.frame import pandas_to_arrow
        from airflow_sfx.frames.rds.from_arrow import arrow_to_frame
        from airflow_sfx.frames.rds.reader import read_rds
        from airflow_sfx.frames.rds.to_arrow import frame_to_arrow
        from airflow_sfx.frames.rds.writer import write_rds

        with tempfile.TemporaryDirectory(prefix="sfx-r-") as name:
            folder = Path(name)
            model, rows, found = (folder / f"{one}.rds" for one in ("model", "rows", "found"))
            model.write_bytes(self._model)
            frame = pandas_to_arrow(frame_of(self._signature, columns))
            with rows.open("xb") as file:
                write_rds(arrow_to_frame(frame, int64="double"), file)
            self._run(model, rows, found)
            answered = frame_to_arrow(read_rds(found.read_bytes()))
        return Answers(np.asarray(answered["prediction"].to_pylist(), dtype=np.float64))

    def _run(self, *paths: Path) -> None:
        command = [self._rscript, "--no-save", "--no-restore", "-e", _SCRIPT, *map(str, paths)]
        # R's own libraries, not those of the Python that runs
        environment = {**os.environ, "LD_LIBRARY_PATH": ""}
        try:
            done = subprocess.run(  # noqa: S603  the caller trusts it
                [*command, *self._packages],
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                env=environment,
                timeout=_TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            raise ModelRefused(
                f"{self._where}: R did not answer within {_TIMEOUT} s: score fewer rows at once"
            ) from None
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            said = " / ".join(lines[-_LAST_LINES:]) or f"exit status {done.returncode}"
            raise ModelRefused(
                f"{self._where}: R does not score its rows ({said}): install the versions of R and"
                " its packages that it was saved with"
            )

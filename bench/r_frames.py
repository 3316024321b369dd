"""Frames of R: a million rows of eight columns, written and read from R itself."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
_ROWS = 1_000_000
_SCRIPT = """
    library(sfx)
    args <- commandArgs(TRUE)
    n <- as.integer(args[[1]])
    runs <- as.integer(args[[2]])
    seconds <- function(code) system.time(code)[["elapsed"]]
    set.seed(1)
    frame <- data.frame(
      i = sample.int(9L, n, TRUE), x = rnorm(n), few = paste0("key", sample.int(50000L, n, TRUE)),
      all = as.character(seq_len(n) + 1e6), l = runif(n) < 0.5,
      f = factor(sample(c("a", "b", "c"), n, TRUE)),
      d = as.Date("2016-01-01") + sample.int(1000L, n, TRUE),
      t = as.POSIXct("2016-01-01", tz = "America/New_York") + sample.int(1000000L, n, TRUE))
    start <- seconds(sf_sitrep())
    sf_writer(frame[1:10, ], "bench", "frames", 0)
    one <- frame[1:10, ]
    for (run in seq_len(runs)) {
      row.names(one) <- NULL
      small <- median(vapply(1:20, function(i) seconds(sf_pin("bench", "frames", 0)), 0))
      write <- seconds(sf_writer(frame, "bench", "frames", run))
      read <- seconds(got <- sf_reader("bench", "frames", run))
      stopifnot(identical(got, frame))
      cat("run", start, small, write, read, "\\n")
      rm(got)
    }
    child <- readLines(sprintf("/proc/%d/status", get("the", asNamespace("sfx"))$pid))
    own <- readLines("/proc/self/status")
    most <- function(status) gsub("[^0-9]", "", grep("VmHWM", status, value = TRUE))
    peak <- function(status) as.numeric(most(status)) * 1024
    cat("peak", peak(child), peak(own), as.numeric(object.size(frame)), "\\n")
"""


def in_r(folder: Path, runs: int) -> dict[str, object]:
    """Time the R package on the embedded warehouse."""
    library, source = folder / "library", folder / "sfx"
    library.mkdir()
    shutil.copytree(ROOT / "r", source)
    subprocess.run(
        ["R", "CMD", "INSTALL", "--no-docs", "-l", library, source], check=True, capture_output=True
    )
    script = folder / "frames.R"
    script.write_text(_SCRIPT)
    environment = {
        **os.environ,
        "R_LIBS": str(library),
        "SFX_BIN": str(Path(sys.executable).parent / "sfx"),
        "SFX_WAREHOUSE": f"embedded://{folder}/warehouse",
    }
    done = subprocess.run(
        ["Rscript", script, str(_ROWS), str(runs)],
        check=True,
        env=environment,
        capture_output=True,
        text=True,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    rows = [list(map(float, line[1:])) for line in lines if line[0] == "run"]
    child, own, frame = next(map(float, line[1:]) for line in lines if line[0] == "peak")
    start, small, write, read = (statistics.median(column) for column in zip(*rows, strict=True))
    return {
        "r": {
            "rows": _ROWS,
            "columns": 8,
            "frame_bytes": int(frame),
            "start_s": start,
            "small_call_s": small,
            "write_s": write,
            "read_s": read,
            "best_write_s": min(row[2] for row in rows),
            "best_read_s": min(row[3] for row in rows),
            "child_peak_over_frame": round(child / frame, 2),
            "r_peak_over_frame": round(own / frame, 2),
        }
    }

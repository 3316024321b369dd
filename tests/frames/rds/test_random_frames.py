"""Frames of R to Arrow and back, beside R itself: what comes back is `identical()`."""

from __future__ import annotations

import gzip
import io
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.rds.from_arrow import arrow_to_frame
from airflow_sfx.frames.rds.reader import read_rds
from airflow_sfx.frames.rds.to_arrow import frame_to_arrow
from airflow_sfx.frames.rds.values import CHARACTER, LIST, Vector, characters
from airflow_sfx.frames.rds.writer import write_rds

GENERATOR = Path(__file__).parent.parent.parent / "r/frames.R"
FRAMES = 1000

R = Callable[[str], str]


@pytest.fixture(scope="module")
def r(tmp_path_factory) -> Iterator[R]:
    """One process of R for all tests: it runs a line, and prints one."""
    loop = textwrap.dedent("""
        options(warn = 1)
        input <- file("stdin", "r")
        while (length(line <- readLines(input, 1))) {
          said <- tryCatch(eval(parse(text = line)), error = conditionMessage)
          cat(gsub("\\n", " ", paste(said, collapse = " ")), "\\n", sep = "")
          flush(stdout())
        }
    """)
    with subprocess.Popen(
        ["Rscript", "-e", loop], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def run(line: str) -> str:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            return process.stdout.readline().rstrip("\n")

        yield run
        process.stdin.close()


def frame_of(data: bytes) -> pa.Table:
    return frame_to_arrow(read_rds(data))


def rds_of(table: pa.Table, **options: str) -> bytes:
    file = io.BytesIO()
    write_rds(arrow_to_frame(table, **options), file)
    return file.getvalue()


def test_a_thousand_random_frames_are_identical_in_r(r: R, tmp_path: Path) -> None:
    assert r(f'source("{GENERATOR}"); set.seed(20161031); "ready"') == "ready"
    made = r(
        f"frames <- lapply(seq_len({FRAMES}), function(i) random_frame());"
        " for (i in seq_along(frames)) {"
        f' con <- file(sprintf("{tmp_path}/%d.rds", i), "wb");'
        " serialize(frames[[i]], con, xdr = i %% 2 == 0, version = 2 + i %% 3 %/% 2);"
        " close(con) }; length(frames)"
    )
    assert made == str(FRAMES)
    for number in range(1, FRAMES + 1):
        table = frame_of((tmp_path / f"{number}.rds").read_bytes())
        (tmp_path / f"{number}-back.rds").write_bytes(rds_of(table))
    differ = r(
        "Filter(function(i) !identical(frames[[i]],"
        f' readRDS(sprintf("{tmp_path}/%d-back.rds", i))), seq_along(frames))'
    )
    assert differ == ""


ARRAYS = st.sampled_from(
    [
        (pa.bool_(), st.booleans()),
        (pa.int32(), st.integers(-(2**31) + 1, 2**31 - 1)),
        (pa.int64(), st.integers(-(2**63) + 1, 2**63 - 1)),
        (pa.float64(), st.floats(allow_nan=False)),
        (pa.large_string(), st.text(st.characters(exclude_characters="\0", codec="utf-8"))),
        (
            pa.date32(),
            st.dates(),
        ),
        (pa.timestamp("us", "Asia/Tokyo"), st.integers(-(10**16), 10**16)),
        (pa.duration("us"), st.integers(-(2**52), 2**52)),
        (pa.binary(), st.binary(max_size=20)),
        (pa.list_(pa.int32()), st.lists(st.integers(0, 9), max_size=4)),
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 12))
    columns = {}
    for number in range(draw(st.integers(1, 4))):
        kind, values = draw(ARRAYS)
        cells = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns[f"c{number}"] = pa.array(cells, kind)
    return pa.table(columns)


@settings(max_examples=60)
@given(table=tables())
def test_arrow_tables_come_back_from_r_as_they_were(
    table: pa.Table, r: R, tmp_path_factory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "to.rds").write_bytes(rds_of(table))
    said = r(
        f'x <- readRDS("{folder}/to.rds"); con <- file("{folder}/from.rds", "wb");'
        " serialize(x, con, xdr = FALSE, version = 2); close(con); nrow(x)"
    )
    assert said == str(len(table))
    back = frame_of((folder / "from.rds").read_bytes())
    for name, column in zip(table.column_names, table.columns, strict=True):
        got = back[name]
        assert got.to_pylist() == column.to_pylist()
        # a logical vector that is all NA, and a list of NULLs, have no type
        assert got.type == column.type or pa.types.is_null(got.type)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("c(1i, 2i)", "complex"),
        ("I(list(mean, 1))", "a function"),
        ("I(list(globalenv(), 1))", "an environment"),
        ("I(list(quote(a + b), 1))", "language"),
        ("I(list(1, 'a'))", "a list of character and double"),
        ("I(list(list(1), list(2)))", "a list of lists"),
        ("I(list(c(a = 1), 2))", "has names"),
        ("scale(1:2)", "is a matrix"),
        ("structure(1:2, label = 'x')", "the attribute 'label'"),
        ("structure(1:2, class = 'mine')", "the class mine"),
        ("c(a = 1, b = 2)", "has names"),
        ("addNA(factor(c('a', NA)))", "NA among its levels"),
        ("as.Date(c(1.5, 2), origin = '1970-01-01')", "a whole, finite number of days"),
        ("as.Date(c(Inf, 2), origin = '1970-01-01')", "a whole, finite number of days"),
        ("as.POSIXct(c(1/3, 2), origin = '1970-01-01')", "not a whole number of nanoseconds"),
        ("as.difftime(c(1/3, NaN), units = 'secs')", "not a whole number of nanoseconds"),
        ("structure(c(9L, 1L), levels = 'a', class = 'factor')", "codes without a level"),
        ("structure(1:2, levels = c('a', 'a'), class = 'factor')", "a level twice"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_column(
    column: str, message: str, r: R, tmp_path: Path
) -> None:
    r(
        f"x <- structure(list(good = 1:2, bad = {column}), row.names = 1:2, class = 'data.frame');"
        f' con <- file("{tmp_path}/x.rds", "wb"); serialize(x, con, version = 2); close(con); "ok"'
    )
    with pytest.raises(SchemaMismatch, match="column ('bad'|2 of the frame) ") as error:
        frame_of((tmp_path / "x.rds").read_bytes())
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([-(2**31)], pa.int32()), "which is NA in R"),
        (pa.array([-(2**63)], pa.int64()), "which is NA in R"),
        (pa.array([2**63], pa.uint64()), "above 9,223"),
        (pa.array(["a\0b"]), "NUL"),
        (pa.array([{"a": 1}]), "for which R has no type"),
        (pa.array([[[1]]]), "lists hold plain values"),
        (pa.array([1478000000123456789], pa.timestamp("ns")), "a double cannot hold"),
        (pa.array([10**20], pa.decimal128(38, 0)), "more than 15 digits"),
    ],
)
def test_what_r_cannot_hold_is_refused_by_its_column(column: pa.Array, message: str) -> None:
    with pytest.raises(SchemaMismatch, match="column 'c'") as error:
        rds_of(pa.table({"c": column}))
    assert message in str(error.value)


def test_doubles_for_integers_are_exact_or_refused() -> None:
    exact = rds_of(pa.table({"n": pa.array([2**53, None])}), int64="double")
    assert frame_of(exact)["n"].to_pylist() == [2.0**53, None]
    with pytest.raises(SchemaMismatch, match="beyond 9,007,199,254,740,992"):
        rds_of(pa.table({"n": pa.array([2**53 + 1])}), int64="double")


def test_every_truncation_and_many_changes_are_refused_or_read_as_values(r: R, tmp_path) -> None:
    r(
        f'source("{GENERATOR}"); set.seed(1); n <- 3; x <- structure(lapply(makers, function(make)'
        f' make(n)), row.names = 1:n, class = "data.frame"); con <- file("{tmp_path}/x.rds", "wb");'
        ' serialize(x, con, xdr = FALSE, version = 2); close(con); "ok"'
    )
    data = (tmp_path / "x.rds").read_bytes()
    for end in range(len(data)):
        with pytest.raises(SchemaMismatch):
            frame_of(data[:end])
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(1000):
        changed = bytearray(data)
        for place in random.integers(0, len(data), random.integers(1, 4)):
            changed[place] = random.integers(0, 256)
        try:
            frame_of(bytes(changed))
        except SchemaMismatch:
            refused += 1
    assert refused > 300


def test_a_length_beyond_the_file_allocates_nothing() -> None:
    head = bytes.fromhex("420a 02000000 02040400 00030200")
    for kind in (10, 13, 14, 16, 19, 24):
        for length in (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff"):
            with pytest.raises(SchemaMismatch, match="damaged"):
                read_rds(head + bytes([kind, 0, 0, 0]) + length)


def test_lists_within_lists_do_not_exhaust_the_stack() -> None:
    head = bytes.fromhex("420a 02000000 02040400 00030200")
    with pytest.raises(SchemaMismatch, match="nests more than"):
        read_rds(head + bytes.fromhex("13000000 01000000") * 100_000)


def test_compressed_files_are_named() -> None:
    with pytest.raises(SchemaMismatch, match="compress = FALSE"):
        read_rds(gzip.compress(b"X\n"))


def test_texts_that_look_like_headers_are_texts() -> None:
    trap = "\t\0\4\0".replace("\0", "\x01") + "\t" * 9
    texts = [trap, None, "", "x" * 5_000_000, *["é" * (n % 7) for n in range(5000)]]
    frame = Vector(
        LIST,
        [Vector(CHARACTER, pa.array(texts, pa.large_string()))],
        {"names": characters("s"), "class": characters("data.frame")},
    )
    file = io.BytesIO()
    write_rds(frame, file)
    assert frame_of(file.getvalue())["s"].to_pylist() == texts
    # each of its texts contains a whole header, which leads nowhere
    nested = ["\t\x00\x04\x00\x01\x00\x00\x00"] * 2000
    hostile = Vector(CHARACTER, pa.array(nested, pa.large_string()))
    file = io.BytesIO()
    write_rds(hostile, file)
    assert read_rds(file.getvalue()).values.to_pylist() == nested

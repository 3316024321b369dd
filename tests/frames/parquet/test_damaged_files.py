"""Files that are not what was written are named, and never read as if they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.frames.outputs import SourceFile, iter_batches, read_table
from tests.frames.builders import stored


def on_disk(folder: Path) -> list[SourceFile]:
    files = []
    for i in range(3):
        file = stored(pd.DataFrame({"n": range(1000), "s": "text"}))[0]
        path = folder / f"part-0000{i}.parquet"
        path.write_bytes(file.source)  # type: ignore[arg-type]
        files.append(replace(file, source=str(path)))
    return files


def test_files_on_disk_are_read(tmp_path: Path) -> None:
    assert len(read_table(on_disk(tmp_path))) == 3000


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "garbage", "flipped"])
@pytest.mark.parametrize("pieces", [False, True])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str, pieces: bool) -> None:
    files = on_disk(tmp_path)
    path = tmp_path / "part-00001.parquet"
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "flipped":
        for i in range(4, 200):
            content[i] ^= 0xFF
    if damage != "missing":
        path.write_bytes(
            {"truncated": content[: len(content) // 2], "empty": b"", "garbage": b"x" * 999}.get(
                damage, content
            )
        )
    with pytest.raises(InconsistentBatch, match=r"part-00001\.parquet") as caught:
        list(iter_batches(files)) if pieces else read_table(files)
    assert "part-00000.parquet" not in str(caught.value)


def test_a_file_with_other_rows_than_were_written_is_noticed() -> None:
    file = replace(stored(pd.DataFrame({"n": [1, 2]}))[0], rows=3, name="part-00000.parquet")
    with pytest.raises(InconsistentBatch, match=r"part-00000.parquet: 2 rows read, and 3 written"):
        read_table([file])
    with pytest.raises(InconsistentBatch, match="2 rows"):
        list(iter_batches([file]))

"""The examples in R of the pages work, in the order shown."""

from __future__ import annotations

import pandas as pd
import pytest

import airflow_sfx as sfx
from tests.docs.pages import ROOT, blocks
from tests.r.conftest import RunR

SHOWN = "#> "
RUN = """
    run <- function(block) {
      found <- capture.output(source(textConnection(block), local = globalenv(), print.eval = TRUE))
      cat("== block\\n", paste0(found, "\\n"), sep = "")
    }
"""


@pytest.mark.parametrize("page", ["README.md", "docs/r.md"])
def test_the_examples_of_a_page_give_what_it_shows(
    page: str, run_r: RunR, warehouse: sfx.Warehouse
) -> None:
    sold = pd.DataFrame({"item": ["hat"], "price": [19.5]})
    if page == "README.md":  # its tour has stored this in Python
        warehouse.store_dataframe(sold, "sales", "sold_items", ["20161031"])
    found = blocks(ROOT / page, "r")
    shown = [
        [line.removeprefix(SHOWN) for line in block.splitlines() if line.startswith(SHOWN)]
        for block in found
    ]
    code = ["\n".join(line for line in one.splitlines() if line[:2] != "#>") for one in found]
    script = RUN + "\n".join(f"run(r'----({block})----')" for block in code)
    said = run_r(script).stdout.split("== block\n")[1:]
    assert [[line.rstrip() for line in one.splitlines() if line] for one in said] == [
        [line.rstrip() for line in lines] for lines in shown
    ]
    assert len(shown) >= (1 if page == "README.md" else 4)

"""Models on S3 and a Hive Metastore: a server follows an alias, and demands signatures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import airflow_sfx as sfx
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.registry import ModelRegistry
from tests.models.shipping.test_signing import pair
from tests.serving.server import Server, serving, until

ROWS = [{"distance": 100.0}, {"distance": 1400.0}]


def predicted(server: Server) -> list[float]:
    return [one["prediction"] for one in server.predict(ROWS).json["predictions"]]


def test_a_signed_alias_on_s3_and_hive_is_followed(stack_uri, tmp_path: Path) -> None:
    warehouse = sfx.connect(stack_uri)
    registry = ModelRegistry(warehouse)
    frame = pd.DataFrame({"distance": [1.0, 2.0, 3000.0]})
    flights = warehouse.store_dataframe(frame, "air", "flights", ["20161031"])
    private, public = pair(tmp_path, "ada")
    first, second = (
        registry.save(Coefficients({"distance": slope}), "speeds", inputs={"train": flights})
        for slope in (1.0, 2.0)
    )
    for one in (first, second):
        assert registry.sign(one, key=private).path.startswith("s3://warehouse/")
    registry.promote("speeds", first, reason="first")
    with serving("speeds@production", "--key", str(public), uri=stack_uri) as server:
        assert predicted(server) == [100.0, 1400.0]
        registry.promote("speeds", second, reason="better")
        assert until(lambda: predicted(server) == [200.0, 2800.0]) < 2
        registry.rollback("speeds", reason="worse")
        until(lambda: predicted(server) == [100.0, 1400.0])

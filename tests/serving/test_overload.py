"""A server whose model is slow: it refuses what would wait too long, and goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from airflow_sfx.models.flavours.function import FunctionModel
from airflow_sfx.serving.web.limits import Limits
from tests.serving import slow
from tests.serving.server import serving, until


def test_requests_that_would_wait_too_long_are_refused(registry, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    model = FunctionModel(slow.predict, {"flag": {"path": str(flag)}})
    frame = pd.DataFrame({"distance": [1.0, 2.0, 3000.0]})
    file = tmp_path / "slow.zip"
    file.write_bytes(registry.fetch(registry.save(model, "slow", example=frame)))
    arguments = (str(file), "--trust", "code", "--timeout", "3")
    asked = Limits().waiting + 1
    with serving(*arguments) as server, ThreadPoolExecutor(asked) as clients:
        answers = list(clients.map(lambda _: server.predict([{"distance": -1.0}]), range(asked)))
        refused = [one for one in answers if one.status == 503]
        assert [(one.headers["retry-after"], "64 requests" in one.message) for one in refused] == [
            ("1", True)
        ]
        late = [one.message for one in answers if one.status == 504]
        assert len(late) == asked - 1
        assert all("did not answer within 3 s: send fewer rows" in one for one in late)
        assert server.get("/readyz").status == 200
        flag.touch()
        until(lambda: server.predict([{"distance": 4.0}]).status == 200)
        assert server.figure('sfx_serve_requests_total{path="/predict",status="504"}') == len(late)

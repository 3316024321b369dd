"""The function of `app.py`, in a process that dies at a call of the storage or the metastore."""

from __future__ import annotations

import os
from dataclasses import replace

from app import double, rules

import airflow_sfx as sfx
from tests.warehouse.faults import Countdown, Mortal

real = sfx.connect(os.environ["SFX_WAREHOUSE"])
countdown = Countdown(int(os.environ["CALLS"]), after=os.environ["DIES"] == "after")
store, metastore = (Mortal(one, countdown) for one in (real.store, real.metastore))
warehouse = sfx.Warehouse(replace(real.connection, store=store, metastore=metastore))
handler = sfx.streams.lambda_handler(double, "web.doubles", warehouse=warehouse, **rules)

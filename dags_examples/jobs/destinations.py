"""A job that counts the flights to each destination: it gets pins and gives a batch."""

import airflow_sfx as sfx

flights = sfx.job.inputs().load("flights", columns=["dest"])
counted = flights.groupby("dest", as_index=False).size()
sfx.job.store(counted[counted["size"] >= sfx.job.parameters()["least"]])

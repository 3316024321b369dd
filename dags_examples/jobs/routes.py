"""A Spark job that counts the departures of each route.

It knows nothing of batches: its configuration names what it reads and where it writes.
"""

import json

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
inputs = json.loads(spark.conf.get("spark.sfx.inputs"))
flights = spark.read.parquet(*inputs["flights"]["locations"])
routes = flights.groupBy("origin", "dest").count().orderBy("origin", "dest")
routes.coalesce(1).write.parquet(spark.conf.get("spark.sfx.output"))

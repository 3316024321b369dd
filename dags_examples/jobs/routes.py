"""How many departures each route had. The job knows nothing of batches: it reads and writes where its configuration says."""

import json

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
inputs = json.loads(spark.conf.get("spark.sfx.inputs"))
flights = spark.read.parquet(*inputs["flights"]["locations"])
routes = flights.groupBy("origin", "dest").count().orderBy("origin", "dest")
routes.coalesce(1).write.parquet(spark.conf.get("spark.sfx.output"))

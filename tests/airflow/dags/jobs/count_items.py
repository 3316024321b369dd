"""A Spark job that knows nothing of the package.

Its configuration names what it reads and where it writes.
"""

import json
import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
inputs = json.loads(spark.conf.get("spark.sfx.inputs"))
items = spark.read.parquet(*inputs["items"]["locations"])
items.groupBy("item").count().coalesce(1).write.parquet(spark.conf.get("spark.sfx.output"))
if sys.argv[1] != "True":
    sys.exit("the job fails after it has written")

"""A Spark job that ends well, and has written nothing, on its task's first try."""

import sys

from pyspark.sql import SparkSession

if sys.argv[1] != "1":
    spark = (
        SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    )
    spark.range(3).coalesce(1).write.parquet(spark.conf.get("spark.sfx.output"))

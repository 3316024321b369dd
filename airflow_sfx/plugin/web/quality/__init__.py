"""The part of the JSON API with the metrics of tables and the results of checks."""

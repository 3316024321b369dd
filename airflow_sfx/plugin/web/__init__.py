"""The page in Airflow and its JSON API, imported by the API server only."""

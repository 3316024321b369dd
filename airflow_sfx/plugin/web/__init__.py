"""The page in Airflow and the JSON API behind it; only the API server imports this."""

"""What Airflow loads in each of its processes."""

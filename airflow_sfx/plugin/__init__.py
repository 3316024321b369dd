"""The plugin that Airflow loads in each of its processes."""

"""Run the command line with ``python -m airflow_sfx.cli``."""

from airflow_sfx.cli.main import run

run()

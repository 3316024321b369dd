"""The forms of pins in XCom and of partitions in Airflow's run IDs."""

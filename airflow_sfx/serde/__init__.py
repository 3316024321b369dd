"""How pins and partition keys cross XCom and Airflow's run IDs."""

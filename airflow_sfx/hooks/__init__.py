"""Where Airflow's connections and task contexts become a warehouse and a producer."""

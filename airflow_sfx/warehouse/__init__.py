"""The transaction: store, stage, publish, load, pin, history, rollback, verify, repair and adopt."""

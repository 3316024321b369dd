"""What waits in the triggerer: asynchronous, resumable, thousands at a time."""

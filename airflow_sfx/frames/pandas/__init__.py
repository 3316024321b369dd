"""DataFrames to Arrow and back, exactly."""

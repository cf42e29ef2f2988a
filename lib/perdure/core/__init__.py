"""The vocabulary everything shares: types, configuration, intervals, records and gates. No Spark, no MLflow, no I/O."""

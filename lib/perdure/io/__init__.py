"""The edge: Spark sessions, tables, experiment tracking and the ledger. The only importer of Delta and MLflow."""

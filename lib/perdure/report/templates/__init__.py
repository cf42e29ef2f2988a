"""Templates and style of the report."""

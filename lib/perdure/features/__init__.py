"""Features in SQL over the validated sources, point in time; labels; the check of the SQL; the leakage check."""

"""Decisions as pure functions over evidence: no data, no clock, no I/O."""

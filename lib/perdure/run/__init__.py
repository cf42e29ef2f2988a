"""Joins the steps to the outside: pins inputs, calls a step, writes what it gives, and records the run last."""

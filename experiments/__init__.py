"""Measurements of minutes to hours, each with its command; `results/` holds the raw numbers."""

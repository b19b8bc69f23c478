"""Recorded runs as one stream of clips: larger than memory, exact under resume."""

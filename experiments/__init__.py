"""Experiments that take minutes to hours; their results are kept beside them."""

"""Moving pictures: frames to files."""

"""Models of an environment: what they see, remember and predict."""

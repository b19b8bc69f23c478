"""Videos and logs of keys as the steps of a recording."""

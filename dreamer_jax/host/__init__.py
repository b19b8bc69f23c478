"""The machine below the run: the host's memory and its cache of compiled programs."""

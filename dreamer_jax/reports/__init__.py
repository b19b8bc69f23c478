"""Pages about runs: reading what a logdir holds, statistics over seeds, and one file of HTML."""

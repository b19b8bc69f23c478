"""Programs that run until they are done: training and evaluation."""

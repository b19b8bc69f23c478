"""Many copies of one environment, stepped together: processes, threads, episodes, curriculum."""

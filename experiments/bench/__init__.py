"""Time and memory of the programs that a run consists of."""

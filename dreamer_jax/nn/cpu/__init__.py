"""Forms of operations that run well on a CPU; each is the twin of one in `nn.plain`."""

"""Forms of operations for every backend; each twin in `nn.cpu` is tested against one."""

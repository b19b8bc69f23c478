"""Operations as their equations have them; each twin in `nn.cpu` is tested against one."""

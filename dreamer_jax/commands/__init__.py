"""What a user can ask for: one module per command, and the flags that they share."""

from dreamer_jax import own_packages

own_packages.claim()  # before any module of this room imports `envs` or `configs`

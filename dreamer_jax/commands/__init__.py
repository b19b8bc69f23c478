"""What a user can ask for: one module a command, and the flags that they share."""

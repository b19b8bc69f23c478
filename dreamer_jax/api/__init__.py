"""The library from Python: trained agents for loops of your own, and training without a shell."""

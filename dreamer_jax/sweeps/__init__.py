"""Many runs of one program: which settings, side by side on a machine, and what came of them."""

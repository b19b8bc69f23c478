"""DreamerV3: its networks, losses, acting and reports."""

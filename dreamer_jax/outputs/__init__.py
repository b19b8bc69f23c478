"""The reports of a run: metrics, episodes, milestones, images and progress."""

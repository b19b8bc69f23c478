"""Experience: the ring on the device, and its blocks on the disk."""

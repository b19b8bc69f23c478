"""Super Mario Bros. on an emulator of the NES."""

"""What stands around the rooms: pages, bars, the command palette."""

"""The cards in the drawer, a room for each; no card knows another."""

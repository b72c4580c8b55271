"""The card of exports: choose images and kind, see the command, write the files."""

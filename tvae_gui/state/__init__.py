"""What is shown, decided in plain Python: evented, without Qt."""

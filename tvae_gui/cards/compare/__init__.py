"""Two selections compared: averages, their difference, and which columns differ most."""

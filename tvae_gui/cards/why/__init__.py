"""Why an image is where it is: one card with all there is to see of it."""

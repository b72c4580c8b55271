"""The card of class averages: choose sets, watch the average, write it."""

"""The column of data, colours, filters and named sets."""

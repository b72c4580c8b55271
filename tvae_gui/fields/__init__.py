"""Larger images: detect their objects and show the picks."""

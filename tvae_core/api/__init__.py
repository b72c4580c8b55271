"""Python in five lines: what `import tvae_core as tvae` offers."""

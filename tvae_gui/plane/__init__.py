"""The latent plane: points or density, lasso, path, the image under the cursor."""

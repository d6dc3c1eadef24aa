"""Moving about in latent space."""

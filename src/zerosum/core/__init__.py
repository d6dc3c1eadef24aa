"""The engine: plays any game of networks that own weights and descend losses. It names no GAN."""

"""Runs: train a recipe on data in a folder that records everything, resume it, and sample from it."""

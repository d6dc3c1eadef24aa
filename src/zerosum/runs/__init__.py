"""Runs: train a recipe on data in a folder that records all of it, resume it, and sample from it."""

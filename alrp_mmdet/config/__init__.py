"""Reads configs, applies options of the command line, and checks settings."""

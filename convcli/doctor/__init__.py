"""Describe an installation and its machine, for a bug report."""

"""Helpers that several test files share: references, geometries, command lines."""

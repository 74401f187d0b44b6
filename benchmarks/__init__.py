"""Measurements: nothing here is installed or tested."""

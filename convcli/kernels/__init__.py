"""Kernels: presets, kernel JSON, and loading either."""

"""Kernels: presets, kernel JSON, rows of numbers, and loading a kernel from any source."""

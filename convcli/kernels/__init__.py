"""Kernels: presets, kernel JSON, and loading a kernel from any source."""

"""Bytes in and out: files, arrays larger than memory, JSON, and the names of outputs."""

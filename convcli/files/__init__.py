"""Input and output of bytes: files, arrays larger than memory, JSON, and the names of outputs."""

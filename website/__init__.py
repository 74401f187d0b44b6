"""The documentation site: its pages, its reference, and the check of its links."""

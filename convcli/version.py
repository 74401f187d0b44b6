"""The versions of convcli and of its JSON, in one place."""

__version__ = "0.1.0"

# The version of the keys of JSON that convcli prints and reads.
JSON_VERSION = 1

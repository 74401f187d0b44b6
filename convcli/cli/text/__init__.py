"""Results as text for people, one module per command."""

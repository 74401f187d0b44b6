"""What each command prints for people, one module a command."""

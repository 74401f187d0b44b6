"""What several test files share: references, geometries, command lines."""

"""Pages of the console about services."""

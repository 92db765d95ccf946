"""Pages of the console: people and roles, one's own account."""

"""Realtime versions: models scored in the node's own process (architecture, one request)."""

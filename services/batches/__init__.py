"""Batches: what is sent, who runs it, what came of it (wire-api section 3, architecture)."""

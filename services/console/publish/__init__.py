"""The Publish page and what belongs to it."""

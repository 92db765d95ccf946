"""API keys: how applications come without a password."""

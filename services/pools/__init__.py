"""Dedicated pools as a web node sees them: what is wanted, and what each compute node has."""

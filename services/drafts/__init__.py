"""Drafts: what is typed on the Publish page, kept until it is published."""

"""The compute node: pools of shells behind an HTTP API. Imports nothing of the web node."""

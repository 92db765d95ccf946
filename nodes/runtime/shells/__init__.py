"""The programs that run inside shells; the Python ones are loaded there under another package."""

"""Data frames in other dress than JSON: CSV and Arrow, as bodies of calls and of answers."""

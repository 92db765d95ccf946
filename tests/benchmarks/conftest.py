"""The packages of peers bring tests of their own: not ours to run."""

collect_ignore = ["environments"]

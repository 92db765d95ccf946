"""Jobs: work that takes longer than a page should, run by a worker and watched from anywhere."""

"""Django's backend for PostgreSQL with a bounded number of connections of one process."""

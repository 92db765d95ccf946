"""What the console has of people: their list and pages, their own account, the audit trail."""

from mlops.accounts.console import account, audit_trail, commands, people, person

__all__ = ["account", "audit_trail", "commands", "people", "person"]

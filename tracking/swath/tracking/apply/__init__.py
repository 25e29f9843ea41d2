"""The only way from run logs into the store."""

"""A run as its user holds it: identity, config, files, summary, and what happens to it at the end of the process."""

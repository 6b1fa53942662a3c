"""The dashboards of an environment, one a file; each is a function from a Scope to a Dashboard."""

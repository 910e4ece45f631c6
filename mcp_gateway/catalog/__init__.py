"""What exists now: the declared registry, the discovered tools, their review state and exposed names."""

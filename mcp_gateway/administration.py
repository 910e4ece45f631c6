"""The PAP."""

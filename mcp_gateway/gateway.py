"""The PEP."""

"""The login door: the built-in OAuth authorization server."""

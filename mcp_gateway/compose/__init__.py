"""Settings to objects: the only package that names concrete classes and reads settings."""

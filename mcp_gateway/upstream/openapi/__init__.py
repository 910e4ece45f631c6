"""HTTP APIs that describe themselves in OpenAPI 3.0 or 3.1: each operation is a tool.

document    bytes → a bounded tree, and following its references
schema      a schema of the document → JSON Schema 2020-12 of its own
parameters  where an argument goes: path, query, header, body
operations  the document → tool definitions, each with its binding
binding     what a reviewed definition says of the request; the document is not asked again
encode      binding and arguments → one HTTP request
answers     the HTTP answer → a tool's result
link        the upstream
"""

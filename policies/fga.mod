# The relationship model, one module per owner; the order says nothing.
schema: "1.2"
contents:
  - gateway.fga
  - tickets.fga

"""OpenFGA's semantics over rows in memory: a compiled model, an index of tuples, questions. No I/O, no clock."""

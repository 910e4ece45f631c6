"""Our engine against the real OpenFGA evaluator, over random stores."""

"""Policy as code: validate, test, compare with what was decided, foresee what a change does. Changes nothing."""

"""The PDP: questions → answers → `Decision`; the same for list, call and explain."""

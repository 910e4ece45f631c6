"""The implementations of `Relationships`; one contract suite runs over all of them."""

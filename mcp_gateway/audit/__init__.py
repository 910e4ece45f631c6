"""Say what happened: intent before the call leaves, outcome before the answer does."""

"""Under which conditions an admitted call goes on: one onion, one pass, order fixed in `compose`."""

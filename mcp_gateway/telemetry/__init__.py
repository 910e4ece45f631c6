"""What operators watch. Nothing here decides, and nothing here is on the way of a call but counting it."""

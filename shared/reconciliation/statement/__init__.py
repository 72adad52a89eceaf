"""The statement of a month, a quarter or a year: what was open, came, was closed and is open; days that add up."""

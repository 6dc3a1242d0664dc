"""Many models of the same rows in shared passes, and the choice among them."""

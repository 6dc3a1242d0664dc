"""Several outcomes over the same rows, fitted in shared passes."""

"""Public speech corpora: where they come from, how they are laid out, and lists of them."""

"""What mixtures are asked beside scoring: parts, conditionals, distances."""

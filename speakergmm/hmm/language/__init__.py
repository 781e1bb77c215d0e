"""Words: lexicons, grammars, n-grams."""

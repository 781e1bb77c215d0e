"""Estimators with scikit-learn's interface, on the mixture core."""

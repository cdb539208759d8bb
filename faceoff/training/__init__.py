"""Training surrogates of one's own, naturally or adversarially (paper sections 3.3 and 6.2, Tables 2, 4 and 7)."""

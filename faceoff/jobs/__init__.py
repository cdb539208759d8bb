"""Jobs: photos that are accepted now and protected later, by whichever worker is free."""

"""Questions about models, on the flights of a year."""

"""The loop that runs for months: when to pass, what to leave for later, what each domain stands at."""

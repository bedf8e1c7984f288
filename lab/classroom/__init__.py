"""What a class sees: the live demonstration, lessons, and every student's own browser as an instrument."""

"""A class: its seats, votes and measurements, what its pages may ask for, and what is kept of it."""

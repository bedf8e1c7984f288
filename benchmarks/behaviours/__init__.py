"""How transports behave where the world is not kind: one experiment a file, found by looking."""

"""What the lab says when its user was mistaken."""


class UserError(ValueError):
    """One clear sentence: the value that was wrong, and what would be right.

    Raised where the mistake is found; turned into exit code 2 or HTTP 400 at the edge.
    """

"""Whether a test can have its proxy."""

import os

import pytest


def needed(missing: str) -> None:
    """Skip the test where its proxy is not installed; in CI that is a failure."""
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"unavailable: {missing}")

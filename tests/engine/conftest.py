"""What the tests of the engine share."""

from photo_sets import remodelled, small, tiny, tiny_remodelled  # noqa: F401  # fixtures

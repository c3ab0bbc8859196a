"""The time left against runs whose length is known: simulated, at another speed than the table was measured at."""

from __future__ import annotations

import pytest

from tadmor.engine.forecast import COSTS, ONCE, Forecast
from tadmor.engine.options import EFFORTS, Quality

PHOTOS = 24
PAIRS = PHOTOS * (PHOTOS - 1) // 2


def stages(components: list[int], quality: Quality) -> list[tuple[str, int, float]]:
    """Step, its number of things, and its true seconds on a machine three times slower than the table."""
    later = [step for step in COSTS if step not in ONCE]
    sizes = [(step, PAIRS if step == "matches" else PHOTOS) for step in ONCE]
    sizes += [(step, photos) for photos in components for step in later]
    return [(step, size, 3 * COSTS[step].seconds(size, EFFORTS[quality])) for step, size in sizes]


@pytest.mark.parametrize("quality", list(Quality))
@pytest.mark.parametrize("components", [[PHOTOS], [14, 10]])
def test_the_time_left_is_about_right_once_the_features_are_found(components: list[int], quality: Quality) -> None:
    forecast = Forecast(EFFORTS[quality])
    run = stages(components, quality)
    whole = sum(seconds for _, _, seconds in run)
    passed, fraction = 0.0, 0.0
    for step, size, seconds in run:
        forecast.begin(step, size)
        for done in range(1, size + 1):
            forecast.advance(done, size, reused=False)
            elapsed = seconds * COSTS[step].elapsed_share(done / size)
            left = forecast.seconds_left(elapsed)
            true = whole - passed - elapsed
            if step not in {"photos", "features"}:
                assert left is not None
                # how many components there are shows only after the cameras
                assert abs(left - true) < max(true * (0.45 if step in ONCE else 0.25), 4.0), (step, done)
            assert forecast.fraction >= fraction
            fraction = forecast.fraction
        forecast.end(seconds, reused_share=0)
        passed += seconds
        if step == "cameras":
            forecast.split(components)
    assert forecast.components == len(components)
    assert forecast.component == len(components)
    assert forecast.fraction == pytest.approx(1)
    assert forecast.seconds_left(0) == 0


def test_nothing_is_foretold_while_everything_is_taken_over() -> None:
    forecast = Forecast()
    for step in COSTS:
        forecast.begin(step, PHOTOS)
        forecast.advance(PHOTOS, PHOTOS, reused=True)
        assert forecast.seconds_left(0.01) is None
        forecast.end(0.01, reused_share=1)
    assert forecast.fraction == pytest.approx(1)


def test_what_is_taken_over_costs_nothing() -> None:
    anew, resumed = Forecast(), Forecast()
    for forecast in (anew, resumed):
        forecast.begin("features", PHOTOS)
    resumed.advance(PHOTOS // 2, PHOTOS, reused=True)
    cost = COSTS["features"].seconds(PHOTOS, EFFORTS[Quality.STANDARD])
    left_anew, left_resumed = anew.seconds_left(0.6), resumed.seconds_left(0.6)
    assert left_anew is not None
    assert left_resumed is not None
    assert left_anew - left_resumed == pytest.approx(cost / 2, rel=0.1)


def test_a_component_without_a_model_does_not_stop_the_plan() -> None:
    forecast = Forecast()
    for step in ONCE:
        forecast.begin(step, PHOTOS)
        forecast.end(1, reused_share=0)
    forecast.split([10, 8, 6])
    forecast.begin("depth", 20)
    forecast.begin("depth", 16)  # the first ended in no surface
    assert forecast.component == 2
    forecast.begin("depth", 12)
    assert forecast.component == 3

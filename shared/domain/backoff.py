"""Waiting times between attempts."""

import random

_MAX_EXPONENT = 32  # beyond it the cap holds anyway; keeps the power small


def full_jitter(attempt: int, base_s: float, cap_s: float, rng: random.Random | None = None) -> float:
    """Seconds to wait after attempt number `attempt` (1 is the first): uniform in [0, min(cap, base * 2^attempt)).

    Full jitter, after "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): it spreads a herd best.
    """
    ceiling = min(cap_s, base_s * 2.0 ** min(attempt, _MAX_EXPONENT))
    return (rng or random).uniform(0, ceiling)


def next_wait(
    attempt: int, base_s: float, cap_s: float, retry_after_s: float | None = None, rng: random.Random | None = None
) -> float:
    """Like `full_jitter`, but never shorter than what the provider asked for in `Retry-After`."""
    return max(full_jitter(attempt, base_s, cap_s, rng), retry_after_s or 0.0)

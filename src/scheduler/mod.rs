//! The pure core: `step(now, event) -> actions`. Reads no clock, file, environment or random number.

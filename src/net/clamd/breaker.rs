//! When a clamd that fails is left alone, and for how long. Told the time; knows nothing about sockets.

use std::time::Duration;

use tokio::time::Instant;

use super::Error;

/// Failures in a row.
const TRIP: u32 = 3;

/// Closed, open until a moment, and after it half open: the next who asks makes a trial.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    until: Option<Instant>,
    why: Option<Error>,
}

impl Breaker {
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// `first` is the wait after the third failure in a row; it doubles with each further one, up to `longest`.
    pub(super) fn failed(&mut self, error: Error, now: Instant, (first, longest): (Duration, Duration)) {
        self.why = Some(error);
        if self.rest(now).is_some() {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= TRIP {
            let wait = first.saturating_mul(1 << (self.failures - TRIP).min(16)).min(longest);
            self.until = Some(now + wait);
        }
    }

    /// How long it is still left alone, and why.
    pub(super) fn rest(&self, now: Instant) -> Option<(Duration, Error)> {
        let left = self.until?.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some((left, self.why.clone()?))
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.until.is_none()
    }

    pub(super) const fn why(&self) -> Option<&Error> {
        self.why.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

    fn rest_after(failures: u32) -> Option<Duration> {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        for _ in 0..failures {
            now += breaker.rest(now).map_or(Duration::ZERO, |(left, _)| left);
            breaker.failed(Error::Over, now, WAITS);
        }
        breaker.rest(now).map(|(left, _)| left)
    }

    #[test]
    fn it_opens_at_the_third_failure_and_doubles_up_to_half_a_minute() {
        assert_eq!(rest_after(2), None);
        let rests: Vec<u64> = [3, 4, 5, 8, 9, 40].map(|n| rest_after(n).unwrap().as_millis() as u64).to_vec();
        assert_eq!(rests, [500, 1000, 2000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn failures_while_it_is_open_are_the_same_failure() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        (0..10).for_each(|_| breaker.failed(Error::Over, now, WAITS));
        assert_eq!(breaker.rest(now).unwrap().0, Duration::from_millis(500));
    }

    #[test]
    fn a_success_forgets_all_failures() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        (0..2).for_each(|_| breaker.failed(Error::Over, now, WAITS));
        breaker.succeeded();
        (0..2).for_each(|_| breaker.failed(Error::Over, now, WAITS));
        assert!(breaker.rest(now).is_none() && breaker.is_closed());
    }
}

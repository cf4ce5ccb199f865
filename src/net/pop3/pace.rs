use std::time::Duration;

/// How fast a reply comes, so that a server which sends an octet now and then is not waited for without end. Only the
/// time that was spent waiting counts: a disk that is slow here is nothing to blame a server for.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    limit: Duration,
    octets: u64,
    waited: Duration,
}

impl Pace {
    /// So many have to come within the limit. A reply that ends sooner has kept it.
    pub const OCTETS: u64 = 4 << 10;

    pub const fn new(limit: Duration) -> Self {
        Self { limit, octets: 0, waited: Duration::ZERO }
    }

    /// The longest wait for the next octets.
    pub const fn left(&self) -> Duration {
        self.limit.saturating_sub(self.waited)
    }

    /// So many octets came after waiting for so long.
    pub const fn arrived(&mut self, octets: u64, waited: Duration) {
        self.octets = self.octets.saturating_add(octets);
        self.waited = self.waited.saturating_add(waited);
        if self.octets >= Self::OCTETS {
            self.begin();
        }
    }

    /// A reply has ended.
    pub const fn begin(&mut self) {
        *self = Self::new(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(300);

    proptest! {
        #[test]
        fn a_server_that_drips_runs_out_of_time_and_one_that_keeps_the_pace_never_does(
            drops in proptest::collection::vec((1..60_u64, 1..=3_u64), 1..400)
        ) {
            let mut pace = Pace::new(LIMIT);
            let (mut octets, mut waited) = (0, Duration::ZERO);
            for (seconds, some) in drops {
                pace.arrived(some, Duration::from_secs(seconds));
                octets += some;
                waited += Duration::from_secs(seconds);
                prop_assert_eq!(pace.left().is_zero(), octets < Pace::OCTETS && waited >= LIMIT);
            }
            pace.begin();
            prop_assert_eq!(pace.left(), LIMIT);
        }
    }

    #[test]
    fn what_came_fast_does_not_pay_for_what_drips() {
        let mut pace = Pace::new(LIMIT);
        pace.arrived(1 << 30, Duration::from_secs(1));
        pace.arrived(1, LIMIT);
        assert!(pace.left().is_zero());
    }
}

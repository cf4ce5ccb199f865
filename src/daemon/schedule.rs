//! When an account is polled next: intervals, back-off by class of failure, and when it is left alone.
//! Knows nothing about sessions, tasks or time of day: moments, chance and what is remembered are parameters.

use std::path::Path;
use std::time::Duration;

use crate::config::{Account, AfterArchive, DeleteWhen, Oauth, SecretSource};
use crate::mail::{AccountId, Hasher, Nonce, Timestamp};
use crate::net::pop3::Class;
use crate::{catalog, pipeline};

/// What a failed poll asks of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The network, or passing trouble of the server or of this machine.
    Passing,
    /// Another session has the mailbox.
    InUse,
    /// It was asked too soon after the last login.
    LoginDelay,
    /// Refused without a reason, or something here is not set up as the server wants it.
    Refused,
    /// The server names user or password as wrong.
    Auth,
    /// The server says that only its people can mend it.
    Permanent,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// What a server that spoke of LOGIN-DELAY, but named none, most likely wants.
const USUAL_LOGIN_DELAY: Duration = Duration::from_secs(5 * 60);
/// A server is told a wrong password so often, then no more: it might lock the account.
const TRIES: u32 = 2;
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// With chance, no wait after a failure is longer.
pub(super) const LONGEST_AFTER_FAILURE: Duration = Duration::from_secs(27 * 3600);

/// What is left of a wait of `at_most`; nothing: it is over. One whose end is further away was noted by a clock that was set
/// back since.
pub(super) fn left(until: Timestamp, at_most: Duration, now: Timestamp) -> Duration {
    let left = until.as_millis().saturating_sub(now.as_millis());
    let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
    if left > at_most { Duration::ZERO } else { left }
}

impl Trouble {
    const WORDS: [(Self, &str); 6] = [
        (Self::Passing, "passing"),
        (Self::InUse, "in-use"),
        (Self::LoginDelay, "login-delay"),
        (Self::Refused, "refused"),
        (Self::Auth, "auth"),
        (Self::Permanent, "permanent"),
    ];

    pub(super) fn of(error: &pipeline::Error) -> Self {
        match error {
            pipeline::Error::Pop3(error) => match error.class() {
                Class::Auth => Self::Auth,
                Class::InUse => Self::InUse,
                Class::LoginDelay => Self::LoginDelay,
                Class::Permanent => Self::Permanent,
                Class::Temporary | Class::Network => Self::Passing,
                Class::Protocol if error.is_transient() => Self::Passing,
                _ => Self::Refused,
            },
            // As a wrong password: it takes a person to sign in again.
            pipeline::Error::Token(error) if error.wants_a_person() => Self::Auth,
            error if error.is_transient() => Self::Passing,
            _ => Self::Refused,
        }
    }

    /// The word in the catalog.
    pub(super) fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(trouble, _)| *trouble == self).map_or("", |(_, word)| word)
    }

    /// How long to wait after so many failures of this kind in a row; `None`: until something changes. `chance` is
    /// from 0 to 1.
    pub(super) fn wait(self, polls: u32, login_delay: Option<Duration>, chance: f64) -> Option<Duration> {
        match self {
            Self::Passing => Some(spread(MINUTE, 6 * HOUR, polls, chance)),
            Self::InUse => {
                let grown = MINUTE.mul_f64(1.5_f64.powi(i32::try_from(polls.clamp(1, 20) - 1).unwrap_or(0)));
                Some(jittered(grown.min(15 * MINUTE), chance))
            }
            // Never sooner than it asked for.
            Self::LoginDelay => {
                Some(login_delay.unwrap_or(USUAL_LOGIN_DELAY).clamp(MINUTE, LONGEST).mul_f64(1.0 + chance / 10.0))
            }
            Self::Refused => Some(spread(15 * MINUTE, LONGEST, polls, chance)),
            Self::Auth | Self::Permanent if polls >= TRIES => None,
            Self::Auth | Self::Permanent => Some(spread(15 * MINUTE, LONGEST, polls, chance)),
        }
    }
}

/// Somewhere from `first` to its double, four times, eight times … of it, up to `longest`: full jitter, so that accounts
/// that failed together do not come back together.
fn spread(first: Duration, longest: Duration, polls: u32, chance: f64) -> Duration {
    let most = (first * (1 << polls.clamp(1, 16))).min(longest);
    first + (most - first).mul_f64(chance)
}

/// A tenth more or less.
fn jittered(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(0.9 + 0.2 * chance)
}

/// How long after a poll that went well the next one is due. Each account has moments of its own within the interval, for
/// good, so that many accounts of one interval are spread over it; they are met within a tenth, but no poll comes sooner
/// than after half the interval, or than the server wants.
pub(super) fn interval(
    account: &AccountId,
    every: Duration,
    login_delay: Option<Duration>,
    now: Timestamp,
    chance: f64,
) -> Duration {
    let period = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
    let [a, b, c, d, ..] = account.as_bytes();
    let phase = i64::from(u32::from_le_bytes([*a, *b, *c, *d])) % period;
    // The account's moment that is nearest to a whole interval from now, at most half of one earlier or later.
    let off = (phase - now.as_millis()).rem_euclid(period);
    let off = if off > period / 2 { off - period } else { off };
    let moment = u64::try_from(period.saturating_add(off)).unwrap_or(0);
    let wait = Duration::from_millis(moment) + every.mul_f64(0.2 * chance);
    wait.saturating_sub(every / 10).max(every / 2).max(login_delay.unwrap_or_default())
}

/// From 0 to 1.
pub(super) fn chance() -> f64 {
    let [a, b, c, d, ..] = *Nonce::random().as_bytes();
    f64::from(u32::from_le_bytes([a, b, c, d])) / f64::from(u32::MAX)
}

/// Tells whether settings or secret changed since. Nothing in it is made of the secret: of a file it is its stamps; what
/// else gives passwords counts as changed when another process of poplar, `process`, asks for it.
pub(super) fn settings(account: &Account, process: &Nonce) -> Vec<u8> {
    use std::os::unix::fs::MetadataExt;
    let mut hasher = Hasher::new();
    // What it is called, how often it is polled and what becomes of its mail does not change whether it can log in.
    let login = Account {
        name: String::new(),
        poll_every: Duration::ZERO,
        after_archive: AfterArchive::Keep,
        delete_when: DeleteWhen::Kept,
        max_message_bytes: 0,
        multidrop: false,
        ..account.clone()
    };
    hasher.update(format!("{login:?}").as_bytes());
    let stamp = |path: &Path| {
        let file = path.metadata().ok()?;
        Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec(), file.mode()))
    };
    let files = [&account.ca_file, &account.client_cert, &account.client_key].into_iter().flatten();
    files.for_each(|path| hasher.update(format!("{:?}", stamp(path)).as_bytes()));
    let provider = match &account.oauth {
        Some(Oauth::Provider(provider)) => Some(provider),
        _ => None,
    };
    // Not the file of the refresh token: every token that is got may change it.
    for secret in
        [&account.password, &provider.and_then(|provider| provider.client_secret.clone())].into_iter().flatten()
    {
        match secret {
            SecretSource::File(path) => hasher.update(format!("{:?}", stamp(path)).as_bytes()),
            _ => hasher.update(process.as_bytes()),
        }
    }
    hasher.finish().as_bytes().to_vec()
}

/// What is to be remembered of one more failure.
pub(super) fn troubled(before: Option<&catalog::Trouble>, trouble: Trouble, settings: Vec<u8>) -> catalog::Trouble {
    let class = trouble.as_str().to_owned();
    let again = before.filter(|before| before.class == class && before.settings == settings);
    catalog::Trouble { class, polls: again.map_or(0, |before| before.polls).saturating_add(1), settings }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_begin_and_end_where_they_should() {
        let minutes =
            |trouble: Trouble, polls, chance| trouble.wait(polls, None, chance).map(|wait| wait.as_secs() / 60);
        assert_eq!((minutes(Trouble::Passing, 1, 0.0), minutes(Trouble::Passing, 1, 1.0)), (Some(1), Some(2)));
        assert_eq!((minutes(Trouble::Passing, 99, 0.0), minutes(Trouble::Passing, 99, 1.0)), (Some(1), Some(360)));
        assert_eq!((minutes(Trouble::Refused, 1, 0.0), minutes(Trouble::Refused, 99, 1.0)), (Some(15), Some(24 * 60)));
        assert_eq!((minutes(Trouble::InUse, 1, 0.5), minutes(Trouble::InUse, 99, 0.5)), (Some(1), Some(15)));
        assert_eq!(Trouble::InUse.wait(2, None, 0.5), Some(Duration::from_secs(90)));
    }

    #[test]
    fn a_wait_that_is_longer_than_any_is_over() {
        let now = Timestamp::from_millis(5_000_000_000);
        let left = |wait| left(now.after(wait), LONGEST_AFTER_FAILURE, now);
        assert_eq!((left(HOUR), left(LONGEST), left(2 * LONGEST)), (HOUR, LONGEST, Duration::ZERO));
        assert_eq!(super::left(Timestamp::from_millis(0), HOUR, now), Duration::ZERO);
    }

    #[test]
    fn a_wrong_password_is_told_twice_and_no_more() {
        for trouble in [Trouble::Auth, Trouble::Permanent] {
            assert!(trouble.wait(1, None, 0.0) >= Some(15 * MINUTE), "{trouble:?}");
            assert_eq!(trouble.wait(2, None, 0.0), None, "{trouble:?}");
        }
    }

    #[test]
    fn failures_count_while_kind_and_settings_stay() {
        let once = troubled(None, Trouble::Auth, vec![1]);
        let twice = troubled(Some(&once), Trouble::Auth, vec![1]);
        let of = |trouble, settings| troubled(Some(&twice), trouble, vec![settings]).polls;
        assert_eq!((once.polls, twice.polls), (1, 2));
        assert_eq!((of(Trouble::Auth, 1), of(Trouble::Auth, 2), of(Trouble::Passing, 1)), (3, 1, 1));
    }

    proptest! {
        #[test]
        fn nobody_is_asked_sooner_than_he_wants(
            id in any::<[u8; 16]>(), every in 10_u64..100_000, delay in 0_u64..100_000, now in 0..i64::MAX / 4,
            chance in 0.0..=1.0_f64, polls in 1_u32..1000
        ) {
            let (every, delay) = (Duration::from_secs(every), Duration::from_secs(delay));
            let wait = interval(&AccountId::from_bytes(id), every, Some(delay), Timestamp::from_millis(now), chance);
            prop_assert!(wait >= delay && wait >= every / 2, "{wait:?}");
            prop_assert!(wait <= delay.max(every.mul_f64(1.61)), "{wait:?}");
            let failure = [Trouble::Passing, Trouble::InUse, Trouble::LoginDelay, Trouble::Refused, Trouble::Auth];
            let waits = failure.into_iter().filter_map(|trouble| trouble.wait(polls, Some(delay), chance));
            prop_assert!(waits.max().unwrap() <= LONGEST_AFTER_FAILURE);
            prop_assert!(Trouble::LoginDelay.wait(polls, Some(delay), chance).unwrap() >= delay.min(LONGEST));
        }

        #[test]
        fn accounts_keep_their_moments(id in any::<[u8; 16]>(), now in 0..i64::MAX / 4, chance in 0.0..=1.0_f64) {
            let every = Duration::from_secs(600);
            let id = AccountId::from_bytes(id);
            let first = Timestamp::from_millis(now).after(interval(&id, every, None, Timestamp::from_millis(now), 0.5));
            let second = interval(&id, every, None, first, chance);
            prop_assert!(second >= every.mul_f64(0.89) && second <= every.mul_f64(1.11), "{second:?}");
        }
    }
}

//! What a real scanner makes of the views of a message: hostile mail is found or flagged, plain mail is neither.

mod ambiguous;
mod corpora;
mod mails;
mod zips;

use std::path::Path;

use poplar::daemon::clamd::Managed;
use poplar::mail::message::read;
use poplar::mail::views::views;
use poplar::mail::{SignatureFamilies, Verdict, eicar};
use poplar::net::clamd::{Answer, Pool, Settings};

use crate::support::clamd::{settings, start_with};

/// Where a signature must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offset {
    /// At the first octet, as ClamAV's own signature of the test file: a view must begin where the file does.
    Start,
    Anywhere,
}

/// A clamd with one signature.
struct Scanner {
    _clamd: Managed,
    pool: Pool,
}

impl Scanner {
    async fn start(folder: &Path, offset: Offset) -> Self {
        let database = folder.join("clamd/db");
        std::fs::create_dir_all(&database).unwrap();
        let pattern: String = eicar().iter().map(|octet| format!("{octet:02x}")).collect();
        let at = if offset == Offset::Start { "0" } else { "*" };
        std::fs::write(database.join("eicar.ndb"), format!("Eicar-Test:0:{at}:{pattern}\n")).unwrap();
        open_to_all(&database);
        let clamd = start_with(settings(folder));
        let pool = Pool::new(vec![clamd.address().clone()], Settings::default());
        Self { _clamd: clamd, pool }
    }

    /// The worst of the raw message, its views and its doubts, and all that was said.
    async fn verdict(&mut self, octets: &[u8]) -> (Verdict, Vec<String>) {
        let views = views(octets, &read(octets));
        let mut worst = (Verdict::Clean, Vec::new());
        let mut note = |verdict: Verdict, why: String| {
            worst.0 = worst.0.max(verdict);
            worst.1.push(why);
        };
        for doubt in &views.doubts {
            note(doubt.verdict(), doubt.to_string());
        }
        for view in &views.views {
            view.doubts.iter().for_each(|doubt| note(doubt.verdict(), format!("{}: {doubt}", view.name)));
        }
        let shown = views.views.iter().map(|view| (view.name.as_str(), &*view.octets));
        for (name, octets) in [("raw", octets)].into_iter().chain(shown) {
            match self.pool.scan(octets.to_vec()).await.unwrap().answer {
                Answer::Ok => {}
                Answer::Found(signature) => {
                    note(SignatureFamilies::default().verdict(&signature), format!("{name}: {signature}"))
                }
                other => note(Verdict::Partial, format!("{name}: {other:?}")),
            }
        }
        worst
    }
}

/// clamd may run as another user than the tests.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

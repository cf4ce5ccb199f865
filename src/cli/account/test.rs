use clap::Args;

use crate::cli::outcome::{complain, print, print_json};
use crate::cli::screen::{Paint, messages, minute, size, table, tame};
use crate::cli::{Code, Context, runtime};
use crate::daemon::account_test::{self, Tested};

#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// The account
    name: String,
}

impl Test {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        let accounts = loaded.accounts(&[self.name])?;
        loaded.check_secrets()?;
        let [account] = accounts[..] else { return Ok(Code::Usage) };
        let data_dir = &loaded.config.data_dir;
        let tested = runtime()?.block_on(account_test::test(account, data_dir, &account_test::LIMITS));
        if context.json {
            print_json(&tested)?
        } else {
            print(&told(&tested))?
        }
        Ok(code(&tested))
    }
}

/// Says the one thing to mend.
pub(super) fn code(tested: &Tested) -> Code {
    match &tested.error {
        None => Code::Well,
        Some(error) => {
            complain(&format!("account {}: {error}", tested.account));
            Code::Failed
        }
    }
}

pub(super) fn told(tested: &Tested) -> String {
    let paint = Paint::stdout();
    let mut rows = vec![
        vec![paint.dim("server"), tame(&tested.address)],
        vec![paint.dim("tls"), tested.tls.clone().unwrap_or_else(|| "none".to_owned())],
        vec![paint.dim("login"), tested.mechanism.clone().unwrap_or_else(|| tested.auth.clone())],
    ];
    if let Some(certificate) = &tested.certificate {
        let (names, until) = (certificate.names.join(", "), minute(&certificate.not_after));
        rows.insert(
            2,
            vec![paint.dim("certificate"), tame(&format!("{names}; until {until}; from {}", certificate.issuer))],
        );
        rows.insert(3, vec![paint.dim("its key"), format!("pin_sha256 = [\"{}\"]", certificate.spki_sha256)]);
    }
    if let Some(next) = &tested.next {
        let offers = tested.capabilities.iter().map(|line| tame(line)).collect::<Vec<_>>().join(", ");
        rows.push(vec![paint.dim("offers"), if offers.is_empty() { "does not say".to_owned() } else { offers }]);
        rows.push(vec![paint.dim("holds"), format!("{}, {}", messages(tested.messages), size(tested.bytes))]);
        rows.push(vec![paint.dim("next"), next.clone()]);
    } else if tested.tls.is_none() {
        // How far it got is in the complaint.
        rows.truncate(1);
    }
    if let Some(warning) = &tested.warning {
        rows.push(vec![paint.bold("warning"), tame(warning)]);
    }
    table(&rows)
}

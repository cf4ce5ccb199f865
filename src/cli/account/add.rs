use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::ask::{ask, ask_secretly, say};
use super::login::tell_what_to_do;
use super::test;
use super::tokens::Tokens;
use crate::cli::fetch::interrupted;
use crate::cli::outcome::{complain, print, print_json};
use crate::cli::screen::tame;
use crate::cli::{Code, Context, runtime};
use crate::config::{self, Account, EditError, Loaded, NewAccount, NewLogin, SecretSource, TlsMode};
use crate::daemon::account_test::{self, Tested};
use crate::daemon::discover::{self, Place};
use crate::daemon::sign_in;
use crate::files;

#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    /// The mail address of the mailbox
    #[arg(long)]
    address: Option<String>,
    /// What the account is to be called [default: the address]
    #[arg(long)]
    name: Option<String>,
    /// The server [default: looked for]
    #[arg(long)]
    host: Option<String>,
    /// [default: 995 with implicit TLS, else 110]
    #[arg(long, requires = "host")]
    port: Option<u16>,
    /// How the line is protected
    #[arg(long, value_enum, requires = "host")]
    tls: Option<TlsWord>,
    /// The login name [default: as the domain says, else the address]
    #[arg(long)]
    user: Option<String>,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    tokens: Tokens,
    /// A PEM file with the only authorities to trust
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Ask nothing: what is missing has its default, or is a failure
    #[arg(long)]
    non_interactive: bool,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Password {
    /// A file that holds the password and nothing else, readable by its owner only
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// An environment variable that holds it
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,
    /// A command that prints it, its words parted by blanks
    #[arg(long, value_name = "COMMAND")]
    password_command: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TlsWord {
    Implicit,
    Starttls,
    None,
}

/// What cannot go on, in words.
pub(super) type Stuck = (Code, String);

impl Add {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        match self.add(context, &loaded)? {
            Ok(code) => Ok(code),
            Err((code, why)) => {
                complain(&why);
                Ok(code)
            }
        }
    }

    fn asks(&self, context: &Context) -> bool {
        !self.non_interactive && !context.json
    }

    fn add(&self, context: &Context, loaded: &Loaded) -> anyhow::Result<Result<Code, Stuck>> {
        let Some(file) = loaded.place() else {
            return Ok(Err((
                Code::Usage,
                "there is no place for a configuration file; name one with -c FILE".to_owned(),
            )));
        };
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(|source| EditError::Unwritable { file: file.to_owned(), source })?,
        };
        let account = match self.account(context, loaded, file)? {
            Ok(account) => account,
            Err(stuck) => return Ok(Err(stuck)),
        };
        let (changed, lines) = config::add_account(&text, &account)?;
        let folder = file.parent().unwrap_or(Path::new("."));
        let Some(read) = config::read_accounts(&lines, folder)?.pop() else { return Ok(Ok(Code::Failed)) };
        let tested = tested(context, &loaded.config.data_dir, &read)?;
        if tested.error.is_some() {
            let code = test::code(&tested);
            return Ok(Err((code, "nothing was written; correct this and try again".to_owned())));
        }
        if !file.exists() {
            files::create_private_dir(folder)?;
        }
        config::save(file, &changed)?;
        tell(context, file, &lines, &tested)?;
        Ok(Ok(Code::Well))
    }

    /// All that is needed, given or asked for.
    fn account(&self, context: &Context, loaded: &Loaded, file: &Path) -> anyhow::Result<Result<NewAccount, Stuck>> {
        let asks = self.asks(context);
        let address = match (&self.address, asks) {
            (Some(address), _) => address.clone(),
            (None, true) => ask("Mail address", None, |given| domain(given).map(|_| given.to_owned()))?,
            (None, false) => return Ok(Err((Code::Usage, "--address is missing".to_owned()))),
        };
        let domain = match domain(&address) {
            Ok(domain) => domain.to_owned(),
            Err(why) => return Ok(Err((Code::Usage, why))),
        };
        let name = match (&self.name, asks) {
            (None, true) => ask("Name in the archive", Some(&address), |given| free(loaded, given))?,
            (name, _) => match free(loaded, name.as_ref().unwrap_or(&address)) {
                Ok(name) => name,
                Err(why) => return Ok(Err((Code::Usage, format!("--name: {why}")))),
            },
        };
        let place = match self.place(&address, &domain, asks)? {
            Ok(place) => place,
            Err(stuck) => return Ok(Err(stuck)),
        };
        let usual = place.user.unwrap_or(address);
        let user = match (&self.user, asks) {
            (Some(user), _) => user.clone(),
            (None, true) => ask("Login name", Some(&usual), |given| Ok(given.to_owned()))?,
            (None, false) => usual,
        };
        let login = match self.login(asks, &place.host, file, &name)? {
            Ok(login) => login,
            Err(stuck) => return Ok(Err(stuck)),
        };
        let ca_file = self.ca_file.as_deref().map(std::path::absolute).transpose()?;
        let Place { host, port, tls, .. } = place;
        Ok(Ok(NewAccount { name, host, port, tls, user, login, ca_file }))
    }

    fn place(&self, address: &str, domain: &str, asks: bool) -> anyhow::Result<Result<Place, Stuck>> {
        if let Some(host) = &self.host {
            let tls = match self.tls {
                Some(TlsWord::Starttls) => TlsMode::StartTls,
                Some(TlsWord::None) => TlsMode::None,
                Some(TlsWord::Implicit) | None if self.port == Some(110) && self.tls.is_none() => TlsMode::StartTls,
                Some(TlsWord::Implicit) | None => TlsMode::Implicit,
            };
            let port = self.port.unwrap_or(if tls == TlsMode::Implicit { 995 } else { 110 });
            return Ok(Ok(Place { host: host.clone(), port, tls, user: None, source: "given" }));
        }
        let discovered = runtime()?.block_on(discover::discover(address));
        for (place, why) in &discovered.tried {
            say(&format!("{}:{} ({}): {}\n", tame(&place.host), place.port, place.source, tame(why)))?;
        }
        let Some(place) = discovered.place else {
            return Ok(Err((Code::Failed, format!("no POP3 server of {domain} was found; name it with --host"))));
        };
        say(&format!("{}:{} ({}): answers\n", tame(&place.host), place.port, place.source))?;
        if discover::is_trusted(&place.host, domain) {
            return Ok(Ok(place));
        }
        let question = format!("Send the password or token to {}? It is not in {domain}. yes or no", tame(&place.host));
        if asks && ask(&question, Some("no"), |given| Ok(given.eq_ignore_ascii_case("yes")))? {
            return Ok(Ok(place));
        }
        let why = format!("{} is not in {domain}; if it is the right server, name it with --host", place.host);
        Ok(Err((Code::Failed, why)))
    }

    fn login(&self, asks: bool, host: &str, file: &Path, name: &str) -> anyhow::Result<Result<NewLogin, Stuck>> {
        let issuer = match self.tokens.issuer(asks, self.password.is_given(), host)? {
            Ok(issuer) => issuer,
            Err(stuck) => return Ok(Err(stuck)),
        };
        Ok(match issuer {
            Some(issuer) => self.tokens.provider(asks, issuer, name)?.map(NewLogin::Tokens),
            None => self.source(asks, file, name)?.map(NewLogin::Password),
        })
    }

    /// Where the password comes from. One that is typed goes into a file of its own, never into this one.
    fn source(&self, asks: bool, file: &Path, name: &str) -> anyhow::Result<Result<SecretSource, Stuck>> {
        let Password { password_file, password_env, password_command } = &self.password;
        if let Some(path) = password_file {
            return Ok(Ok(SecretSource::File(std::path::absolute(path)?)));
        }
        if let Some(variable) = password_env {
            return Ok(Ok(SecretSource::Env(variable.clone())));
        }
        if let Some(command) = password_command {
            return Ok(Ok(SecretSource::Command(command.split_whitespace().map(str::to_owned).collect())));
        }
        if !asks {
            let why = "--password-file, --password-env or --password-command is missing".to_owned();
            return Ok(Err((Code::Usage, why)));
        }
        let default = file.with_file_name(format!("{name}.secret")).display().to_string();
        let path =
            ask("File for the password, made if it is not there", Some(&default), |given| Ok(PathBuf::from(given)))?;
        let path = std::path::absolute(path)?;
        if !path.exists() {
            if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
                files::create_private_dir(folder)?;
            }
            files::publish(&path, format!("{}\n", ask_secretly("Password")?).as_bytes())?;
        }
        Ok(Ok(SecretSource::File(path)))
    }
}

impl Password {
    const fn is_given(&self) -> bool {
        self.password_file.is_some() || self.password_env.is_some() || self.password_command.is_some()
    }
}

/// Logs in; by tokens, once somebody has signed in.
fn tested(context: &Context, data_dir: &Path, account: &Account) -> anyhow::Result<Tested> {
    runtime()?.block_on(async {
        if account.oauth.is_none() {
            return Ok(account_test::test(account, data_dir, &account_test::LIMITS).await);
        }
        let show = |prompt: &sign_in::Prompt| tell_what_to_do(context, prompt);
        Ok(sign_in::first(account, data_dir, &context.clock, interrupted(), show).await?)
    })
}

fn domain(address: &str) -> Result<&str, String> {
    let domain = address.rsplit_once('@').filter(|(local, _)| !local.is_empty()).map(|(_, domain)| domain);
    domain
        .filter(|domain| domain.contains('.') && !domain.contains(char::is_whitespace))
        .ok_or_else(|| format!("{address:?} is no mail address; write it like ana@example.org"))
}

/// A name that an account may have and none has.
fn free(loaded: &Loaded, name: &str) -> Result<String, String> {
    config::check_name(name)?;
    match loaded.config.accounts.iter().any(|account| account.name.to_lowercase() == name.to_lowercase()) {
        true => Err(format!("an account is called {name:?} already")),
        false => Ok(name.to_owned()),
    }
}

fn tell(context: &Context, file: &Path, lines: &str, tested: &Tested) -> anyhow::Result<()> {
    if context.json {
        return print_json(&json!({ "account": tested.account, "file": file, "lines": lines, "test": tested }));
    }
    print(&test::told(tested))?;
    print(&format!("\nadded to {}:\n\n{lines}", file.display()))
}

//! What an account logs in with, and where its secrets come from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use poplar::config::{Grant, Issuer, Oauth, Preset, Provider, SecretError, SecretSource};
use poplar::net::http;

use super::{ACCOUNT, House, load};

#[test]
fn a_password_file_is_read_only_if_it_is_closed_to_others() {
    let house = House::new();
    let file = house.write("s.secret", "sekrit\r\n");
    let text = format!("{ACCOUNT}password = {{ file = \"s.secret\" }}\n");
    let loaded = load(&house.write("poplar.toml", &text)).unwrap();
    let password = loaded.config.accounts[0].password.as_ref().unwrap();
    for open in [0o644, 0o640, 0o604, 0o620] {
        fs::set_permissions(&file, fs::Permissions::from_mode(open)).unwrap();
        let error = password.read().unwrap_err().to_string();
        assert!(error.contains(&format!("chmod 600 {}", file.display())), "{error}");
        let error = loaded.check_secrets().unwrap_err().to_string();
        assert!(error.contains("poplar.toml:5: account \"sales\": the secret file"), "{error}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    loaded.check_secrets().unwrap();
    assert_eq!(password.read().unwrap().reveal(), "sekrit");
}

#[test]
fn a_missing_password_is_a_note_until_somebody_logs_in() {
    let house = House::new();
    let text = format!("{ACCOUNT}password = {{ file = \"s.secret\" }}\n[web]\nlisten = \"[::1]:80\"\n");
    let loaded = load(&house.write("poplar.toml", &text)).unwrap();
    loaded.check_secrets().unwrap();
    let notes = loaded.notes().join("\n");
    assert!(notes.contains("s.secret does not exist") && notes.contains("web.listen is not used yet"), "{notes}");
    let error = loaded.config.accounts[0].password.as_ref().unwrap().read().unwrap_err();
    assert!(!error.is_transient(), "{error}");
}

#[test]
fn tokens_come_from_a_command_or_from_a_provider() {
    let house = House::new();
    let read = |lines: &str| {
        let text = format!("{ACCOUNT}[account.oauth]\n{lines}\n");
        load(&house.write("poplar.toml", &text)).unwrap_or_else(|error| panic!("{error}"))
    };
    let loaded = read("token_command = [\"oama\", \"access\", \"sales\"]");
    let Some(Oauth::Command(command)) = &loaded.config.accounts[0].oauth else { panic!("no command") };
    assert_eq!(command.token_command, ["oama", "access", "sales"]);

    let loaded = read("preset = \"microsoft\"\nclient_id = \"id\"\nrefresh_token = { file = \"token\" }");
    let Some(Oauth::Provider(provider)) = &loaded.config.accounts[0].oauth else { panic!("no provider") };
    assert_eq!(provider.token_url, "https://login.microsoftonline.com/common/oauth2/v2.0/token");
    assert_eq!(provider.refresh_token.as_ref().unwrap().file, house.path("token"));
    assert!(loaded.notes().iter().any(|note| note.contains("cannot log in yet")), "{:?}", loaded.notes());
    let again = load(&house.write("shown.toml", &loaded.show())).unwrap();
    assert_eq!(again.config.accounts, loaded.config.accounts);

    house.write("token", "t0k3n");
    fs::set_permissions(house.path("token"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = loaded.check_secrets().unwrap_err().to_string();
    assert!(error.contains("poplar.toml:8: account \"sales\": the secret file"), "{error}");

    let loaded = read(
        "preset = \"google\"\nclient_id = \"id\"\ngrant = \"client_credentials\"\nclient_secret = { env = \"S\" }",
    );
    let Some(Oauth::Provider(provider)) = &loaded.config.accounts[0].oauth else { panic!("no provider") };
    assert_eq!(
        (provider.grant, provider.scope.as_deref()),
        (Grant::ClientCredentials, Some("https://mail.google.com/"))
    );
}

#[test]
fn the_presets_ask_where_the_providers_say() {
    for preset in [Preset::Google, Preset::Microsoft] {
        let provider = Provider::of_person(Issuer::Preset(preset), "id".to_owned(), "token".into());
        http::check(&provider.token_url).unwrap();
        http::check(&provider.device_url.unwrap()).unwrap();
    }
    let house = House::new();
    let text = format!(
        "{ACCOUNT}[account.oauth]\npreset = \"microsoft\"\nclient_id = \"id\"\ngrant = \"client_credentials\"\n\
         client_secret = {{ env = \"S\" }}\n"
    );
    let config = load(&house.write("poplar.toml", &text)).unwrap().config;
    let Some(Oauth::Provider(application)) = &config.accounts[0].oauth else { panic!("no provider") };
    assert_eq!(application.scope.as_deref(), Some("https://outlook.office365.com/.default"));
}

#[test]
fn pins_are_read_as_openssl_prints_them() {
    let house = House::new();
    let (digits, octets) = ("0f".repeat(32), ["0F"; 32].join(":"));
    let text = format!("{ACCOUNT}password = {{ env = \"S\" }}\npin_sha256 = [{octets:?}]\npin_only = true\n");
    let config = load(&house.write("poplar.toml", &text)).unwrap().config;
    assert_eq!(config.accounts[0].pin_sha256, [digits]);
}

#[test]
fn a_login_without_a_password_needs_none() {
    let house = House::new();
    house.write("client.pem", "");
    let certificate = "client_cert = \"client.pem\"\nclient_key = \"client.key\"\n";
    for lines in ["auth = \"gssapi\"\n", "auth = \"rpop\"\nallow_cleartext = true\n", certificate] {
        let config = load(&house.write("poplar.toml", &format!("{ACCOUNT}{lines}"))).unwrap().config;
        assert_eq!(config.accounts[0].password, None);
    }
}

#[test]
fn passwords_come_from_variables_commands_and_credentials() {
    let house = House::new();
    house.write("credentials/pop", "from-systemd\n");
    let folder = house.path("credentials");
    let environment = house.environment(&[("SALES", Path::new(" with blanks ")), ("CREDENTIALS_DIRECTORY", &folder)]);
    let command = ["printf", "%s\\n", "from a command"].map(str::to_owned).to_vec();
    for (source, password) in [
        (SecretSource::Env("SALES".to_owned()), " with blanks "),
        (SecretSource::Command(command), "from a command"),
        (SecretSource::Credential("pop".to_owned()), "from-systemd"),
    ] {
        assert_eq!(source.read_in(&environment).unwrap().reveal(), password);
    }
}

#[test]
fn a_password_that_cannot_be_had_is_told_with_a_remedy() {
    let house = House::new();
    let folder = house.write("folder/in", "").parent().unwrap().to_owned();
    let words = |words: &[&str]| SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect());
    for (source, sentence) in [
        (SecretSource::Env("SALES".to_owned()), "variable SALES is not set; set it"),
        (SecretSource::Credential("pop".to_owned()), "LoadCredential=pop:PATH"),
        (SecretSource::File(folder), "is not a plain file"),
        (words(&["/no/such/program"]), "cannot be run"),
        (words(&["false"]), "failed (exit status: 1)"),
        (words(&["true"]), "is empty"),
        (words(&["printf", "two\\nlines"]), "holds a line end or a NUL"),
        (words(&["printf", "\\377"]), "is not UTF-8"),
    ] {
        let error = source.read_in(&house.environment(&[])).unwrap_err();
        assert!(error.to_string().contains(sentence), "{sentence}\nbut it says\n{error}");
        let may_change = matches!(error, SecretError::CommandStart { .. } | SecretError::CommandFailed { .. });
        assert_eq!(error.is_transient(), may_change, "{error}");
    }
}

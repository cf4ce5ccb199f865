use std::ffi::OsString;

use super::Environment;

/// Who runs this program, as it is put on record: the name of the real user; `ana (sudo)` where root acts for somebody
/// who called `sudo`; the number of a user without a name.
pub fn person(environment: &Environment) -> String {
    let user = rustix::process::getuid();
    let name = nix::unistd::User::from_uid(user.as_raw().into()).ok().flatten().map(|user| user.name);
    name_of(user.as_raw(), name, environment.variable("SUDO_USER"))
}

fn name_of(number: u32, name: Option<String>, sudo: Option<&OsString>) -> String {
    match (number, sudo) {
        // Only root is believed: anybody else could set the variable.
        (0, Some(who)) => format!("{} (sudo)", who.to_string_lossy()),
        _ => name.unwrap_or_else(|| number.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_called_sudo_counts_for_root_only() {
        let ana = OsString::from("ana");
        let root = Some("root".to_owned());
        assert_eq!(name_of(0, root.clone(), Some(&ana)), "ana (sudo)");
        assert_eq!(name_of(0, root, None), "root");
        assert_eq!(name_of(1000, Some("ivo".to_owned()), Some(&ana)), "ivo");
        assert_eq!(name_of(4242, None, None), "4242");
    }
}

//! The user of the operating system who runs this process.

use std::sync::OnceLock;

/// The user in words: `system user root`, and who became that user by sudo, as far as the system tells.
pub fn in_words() -> &'static str {
    static IN_WORDS: OnceLock<String> = OnceLock::new();
    IN_WORDS.get_or_init(|| {
        let id = rustix::process::getuid().as_raw();
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = name_of(id, &users).map_or_else(|| id.to_string(), str::to_owned);
        match std::env::var("SUDO_USER") {
            Ok(other) if !other.is_empty() && other != user => format!("system user {user}, by sudo of {other}"),
            _ => format!("system user {user}"),
        }
    })
}

/// The name of the user with this id in a file such as `/etc/passwd`.
fn name_of(id: u32, users: &str) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_id() {
        let users = "root:x:0:0:root:/root:/bin/bash\nnonsense\nwww-data:x:33:34:www-data:/var/www:/bin/false\n";
        assert_eq!(name_of(0, users), Some("root"));
        assert_eq!(name_of(33, users), Some("www-data"));
        assert_eq!(name_of(34, users), None);
        assert_eq!(name_of(0, ""), None);
    }
}

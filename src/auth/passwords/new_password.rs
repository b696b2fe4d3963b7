//! The rules for new passwords, those of NIST SP 800-63B: long enough, not one that is guessed first, not what everybody
//! knows of the person. Nothing is asked about capitals, digits or signs, and a password is never cut.

use super::hash::hash;
use super::redmine::RedmineHash;
use crate::auth::credentials::Password;
use crate::guessable;
use crate::models::people::user::{Profile, UserField};
use crate::models::rules::FieldError;

/// The minimum length of a new password, in characters.
pub const SHORTEST: usize = 8;
/// The maximum, which only bounds what is hashed.
const LONGEST: usize = 1024;
/// The fewest different characters.
const FEWEST_DIFFERENT: usize = 5;
/// What everybody knows of the place where the password is for.
const OWN_NAMES: [&str; 2] = ["latchkey", "redmine"];
/// How many common passwords are tried on a hash of Redmine's, which takes about a millisecond.
const TRIED: usize = 1000;
/// Shorter words, such as initials, say nothing about a password that has them in it.
const SHORTEST_WORD: usize = 3;

/// A new password that keeps the rules. Nothing else can be hashed to be stored.
#[derive(Clone)]
pub struct NewPassword(Password);

/// Whose password it will be.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    /// Their login.
    pub login: &'a str,
    /// Their names and mail address.
    pub profile: &'a Profile,
}

impl NewPassword {
    /// `password`, if `owner` may have it.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn of(password: Password, owner: Owner<'_>) -> Result<Self, FieldError<UserField>> {
        match problem(password.expose(), owner) {
            Some(problem) => Err(FieldError::new(UserField::Password, problem)),
            None => Ok(Self(password)),
        }
    }

    /// The same, from a form that asks for it twice.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn confirmed(
        password: Password,
        confirmation: &str,
        owner: Owner<'_>,
    ) -> Result<Self, Vec<FieldError<UserField>>> {
        let differs = (password != Password::new(confirmation))
            .then(|| FieldError::new(UserField::PasswordConfirmation, "does not match the new password"));
        match (Self::of(password, owner), differs) {
            (Ok(password), None) => Ok(password),
            (password, differs) => Err(password.err().into_iter().chain(differs).collect()),
        }
    }

    pub(super) fn as_password(&self) -> &Password {
        &self.0
    }

    /// The hash of the password, as it is stored. It takes a while: a server asks [`super::Passwords::hash`].
    pub fn hash(&self) -> String {
        hash(&self.0)
    }
}

/// The rule that the password breaks. Redmine's text for what is known of the person is "is too simple".
fn problem(password: &str, owner: Owner<'_>) -> Option<String> {
    let length = password.chars().count();
    let once = guessable::repeated(password);
    if length < SHORTEST {
        Some(format!("is too short (minimum is {SHORTEST} characters)"))
    } else if length > LONGEST {
        Some(format!("is too long (maximum is {LONGEST} characters)"))
    } else if owner.is_known_by(password) || owner.is_known_by(&once) {
        Some("is too simple".to_owned())
    } else if guessable::is_common(password) || guessable::is_common(&once) {
        Some("is too simple: it is one of the most common passwords".to_owned())
    } else if guessable::told_once(password) < SHORTEST || guessable::different(password) < FEWEST_DIFFERENT {
        Some("is too simple: it only repeats or counts".to_owned())
    } else {
        None
    }
}

impl<'a> Owner<'a> {
    /// Whether `password` is one of the words that everybody knows, however it is written, or with digits around it.
    fn is_known_by(self, password: &str) -> bool {
        let (password, core) = (plain(password), core(password));
        let is_word = core.chars().count() >= SHORTEST_WORD;
        self.words().iter().any(|word| {
            let known = plain(word);
            !known.is_empty() && (known == password || (is_word && self::core(word) == core))
        })
    }

    /// Whether a password of Redmine's is one of those that are tried first. Nobody can say more of a hash than that.
    pub fn has_simple(self, hash: &RedmineHash) -> bool {
        let words = self.words().into_iter().flat_map(|word| [word.to_lowercase(), word]);
        let common = guessable::commonest().take(TRIED).map(str::to_owned);
        words.chain(common).any(|guess| hash.is_of(&Password::new(guess)))
    }

    fn words(self) -> Vec<String> {
        let Profile { firstname, lastname, mail } = self.profile;
        let (local, domain) = mail.split_once('@').unwrap_or((mail, ""));
        let known = [self.login, firstname, lastname, mail, local, domain].into_iter().chain(OWN_NAMES);
        let both = [format!("{firstname}{lastname}"), format!("{lastname}{firstname}")];
        known.map(str::to_owned).chain(both).collect()
    }
}

/// The letters and digits of a text, in small letters.
fn plain(text: &str) -> String {
    text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The same without digits around it.
fn core(text: &str) -> String {
    plain(text).trim_matches(|c: char| c.is_ascii_digit()).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem_of(password: &str) -> Option<String> {
        let profile = Profile {
            firstname: "Anneliese".into(),
            lastname: "O’Neill-Jörgensen".into(),
            mail: "anneliese.oneill@wiki.example.org".into(),
        };
        problem(password, Owner { login: "a.oneill@corp", profile: &profile })
    }

    #[test]
    fn what_everybody_knows_of_a_person_is_too_simple() {
        for known in [
            "a.oneill@corp",
            "A.ONeill@Corp",
            "aoneillcorp",
            "anneliese",
            "Anneliese1984!",
            "annelieseanneliese",
            "O’Neill-Jörgensen",
            "oneilljörgensen",
            "AnnelieseO’Neill-Jörgensen",
            "O’Neill-Jörgensen Anneliese",
            "anneliese.oneill@wiki.example.org",
            "anneliese.oneill",
            "wiki.example.org",
            "Latchkey2026",
            "12redmine34",
        ] {
            assert_eq!(problem_of(known).as_deref(), Some("is too simple"), "{known}");
        }
    }

    #[test]
    fn what_is_guessed_first_is_too_simple_and_says_why() {
        for (simple, why) in [
            ("password", "is one of the most common passwords"),
            ("Password123", "is one of the most common passwords"),
            ("passwordpassword", "is one of the most common passwords"),
            ("qwertyuiop", "is one of the most common passwords"),
            ("hunter2hunter2", "only repeats or counts"),
            ("zzzzzzzzzzzzzzzz", "only repeats or counts"),
            ("12345678901234", "only repeats or counts"),
            ("abcdefgh12345678", "only repeats or counts"),
            ("111222333444", "only repeats or counts"),
        ] {
            assert_eq!(problem_of(simple), Some(format!("is too simple: it {why}")), "{simple}");
        }
    }

    #[test]
    fn only_length_and_guessing_count() {
        assert_eq!(problem_of("sieben7").as_deref(), Some("is too short (minimum is 8 characters)"));
        assert_eq!(problem_of(&"ä".repeat(1025)).as_deref(), Some("is too long (maximum is 1024 characters)"));
        for good in [
            "correct horse battery staple",
            "open-sesame",
            "lowercaseonly",
            "83920174655",
            "🔑🔒🗝️🚪🏠🐈🐕🐎",
            "  spaces around  ",
            "anneliese and the wiki",
            &"a long one, ".repeat(80),
        ] {
            assert_eq!(problem_of(good), None, "{good}");
        }
    }

    proptest! {
        #[test]
        fn random_ones_pass(password in "[a-zA-Z0-9]{12,64}") {
            prop_assume!(guessable::told_once(&password) >= SHORTEST && guessable::different(&password) >= FEWEST_DIFFERENT);
            prop_assert_eq!(problem_of(&password), None);
        }
    }
}

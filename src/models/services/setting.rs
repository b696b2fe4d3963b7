//! What a setting of a service is: a value of one of a few kinds, with a name for programs and a label for people. Which
//! there are is declared in `settings.rs`.

use serde::de::DeserializeOwned;

/// Which kind of value a setting has, for those who tell people that they wrote another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// Yes or no.
    Truth,
    /// A number, or none.
    Limit,
    /// Everyone, or a list of logins and groups.
    Admitted,
}

/// A value that a setting can have. Programs and the file write it as serde reads it.
pub trait SettingValue: Clone + PartialEq + DeserializeOwned {
    /// Its kind.
    const KIND: SettingKind;

    /// The value in a few words.
    fn in_words(&self) -> String;
}

impl SettingValue for String {
    const KIND: SettingKind = SettingKind::Text;

    fn in_words(&self) -> String {
        self.clone()
    }
}

impl SettingValue for Vec<String> {
    const KIND: SettingKind = SettingKind::Texts;

    fn in_words(&self) -> String {
        self.join(" ")
    }
}

impl SettingValue for bool {
    const KIND: SettingKind = SettingKind::Truth;

    fn in_words(&self) -> String {
        if *self { "yes" } else { "no" }.to_owned()
    }
}

impl SettingValue for Option<i64> {
    const KIND: SettingKind = SettingKind::Limit;

    fn in_words(&self) -> String {
        self.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
    }
}

/// A value of `T` in place of the one before, if there is one.
pub(super) fn changed<T: SettingValue>(change: Option<&T>, before: &T) -> T {
    change.unwrap_or(before).clone()
}

/// Reads a value of a setting.
pub(super) fn read<'de, T: SettingValue>(value: impl serde::Deserializer<'de>) -> Result<T, SettingKind> {
    T::deserialize(value).map_err(|_| T::KIND)
}

/// Declares the settings of a service, each once: what it is, its name and type, its variant of `ServiceField`, and what
/// people call it. The structs `ServiceSettings` and `ServiceChanges`, the enum `ServiceField`, and all that is done with
/// each setting alike follow from that.
macro_rules! service_settings {
    ($($(#[doc = $about:literal])+ $name:ident: $type:ty, $field:ident = $label:literal;)+) => {
        /// What an administrator says about a service.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct ServiceSettings {
            $($(#[doc = $about])+ pub $name: $type,)+
        }

        /// What is to change about a service; `None` stays as it is.
        #[derive(Clone, Debug, Default)]
        pub struct ServiceChanges {
            $($(#[doc = $about])+ pub $name: Option<$type>,)+
            /// When the settings were changed last, as whoever changes them saw it: if they are others by now, nothing is
            /// changed. `None`: whatever they are.
            pub seen: Option<$crate::clock::Timestamp>,
        }

        $crate::models::text_enum::text_enum! {
            /// The parts of a service that a rule can be broken in: its name and its settings.
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum ServiceField(as_str, label) {
                /// What its scopes call it.
                Name = ("name", "Name"),
                $($(#[doc = $about])+ $field = (stringify!($name), $label),)+
            }
        }

        impl $crate::models::rules::Labelled for ServiceField {
            fn label(self) -> &'static str {
                self.label()
            }
        }

        impl ServiceField {
            /// The settings: all but the name, which never changes.
            pub const SETTINGS: [Self; Self::ALL.len() - 1] = [$(Self::$field),+];
        }

        impl ServiceSettings {
            /// The settings that are others than `before`.
            fn changed_since(&self, before: &Self) -> impl Iterator<Item = ServiceField> {
                let changed = [$((ServiceField::$field, self.$name != before.$name)),+];
                changed.into_iter().filter(|(_, is_changed)| *is_changed).map(|(field, _)| field)
            }

            /// A setting in a few words; empty: the name, which is none.
            fn in_words(&self, field: ServiceField) -> String {
                use $crate::models::services::setting::SettingValue;
                match field {
                    ServiceField::Name => String::new(),
                    $(ServiceField::$field => self.$name.in_words(),)+
                }
            }
        }

        impl ServiceChanges {
            /// Every setting becomes as in `settings`.
            pub fn to(settings: ServiceSettings) -> Self {
                Self { $($name: Some(settings.$name),)+ seen: None }
            }

            /// `before` with the changes.
            pub fn applied_to(&self, before: &ServiceSettings) -> ServiceSettings {
                use $crate::models::services::setting::changed;
                ServiceSettings { $($name: changed(self.$name.as_ref(), &before.$name),)+ }
            }

            /// Has a setting become `value`. The name, which is none, stays as it is.
            ///
            /// # Errors
            /// The kind that the setting has, if `value` is of another.
            pub fn set<'de>(
                &mut self,
                field: ServiceField,
                value: impl serde::Deserializer<'de>,
            ) -> Result<(), $crate::models::services::setting::SettingKind> {
                use $crate::models::services::setting::read;
                match field {
                    ServiceField::Name => {}
                    $(ServiceField::$field => self.$name = Some(read(value)?),)+
                }
                Ok(())
            }
        }
    };
}
pub(super) use service_settings;

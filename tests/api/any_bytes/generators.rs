//! What strangers may send: anything, and what is almost right.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Letters that databases, markup, addresses or terminals trip over, among all others.
pub fn odd_text(longest: usize) -> impl Strategy<Value = String> {
    let odd = "\0\u{1}\u{7f}\u{85}\u{202E}\u{FEFF}\u{FFFD}\u{FFFE}\u{FFFF}\u{10FFFF}<>&\"'%+;=\\/\r\n\t ,:[]{}🔑é";
    let odd: Vec<char> = odd.chars().collect();
    let letter = prop_oneof![3 => select(odd), 2 => any::<char>(), 3 => prop::char::range('a', 'z')];
    vec(letter, 0..longest).prop_map(|letters| letters.into_iter().collect())
}

/// Names and mail that may well be right.
pub fn plausible_text() -> impl Strategy<Value = String> {
    prop_oneof![
        odd_text(40),
        "[A-Za-z '-]{1,30}",
        "[a-z]{1,8}@[a-z]{1,8}\\.org",
        "\\PC{1,30}",
        Just("x".repeat(300)),
        Just(String::new())
    ]
}

/// Bytes that may stand in a header's value, and some that may not; no line ends, which would end it.
pub fn header_value() -> impl Strategy<Value = Vec<u8>> {
    let visible = (0x20..=0xff_u8).prop_filter("DEL", |byte| *byte != 0x7f);
    let printable = vec(visible, 0..60);
    let any = vec(any::<u8>(), 0..60);
    let text = odd_text(30).prop_map(String::into_bytes);
    prop_oneof![4 => printable, 1 => any, 2 => text].prop_map(|mut value| {
        value.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
        value
    })
}

/// Without the control characters, at which a server stops reading.
pub fn readable_header_value() -> impl Strategy<Value = Vec<u8>> {
    header_value().prop_map(|mut value| {
        value.iter_mut().filter(|byte| byte.is_ascii_control()).for_each(|byte| *byte = b'?');
        value
    })
}

/// `right` as it is, or cut off, or with one byte changed.
pub fn almost(right: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (right, any::<prop::sample::Index>(), any::<u8>(), 0..4).prop_map(|(mut right, at, byte, how)| {
        if right.is_empty() {
            return right;
        }
        let at = at.index(right.len());
        match how {
            0 => right.truncate(at),
            1 => right[at] = byte,
            2 => right.insert(at, byte),
            _ => {}
        }
        right
    })
}

/// Path and query that a client may put into a request line: no blanks and no control characters.
pub fn target_part() -> impl Strategy<Value = Vec<u8>> {
    let escape = any::<u8>().prop_map(|byte| format!("%{byte:02x}").into_bytes());
    let broken =
        select(vec!["%", "%z", "%0", "%%", "%u0041", "+", "&", ";", "=", "key=", "key[]=", "..", "//", "\\", "?"]);
    let piece = prop_oneof![
        3 => escape,
        2 => broken.prop_map(|text| text.as_bytes().to_vec()),
        1 => (0x21..=0xff_u8).prop_map(|byte| vec![byte]),
        3 => "[a-z0-9./]{1,6}".prop_map(String::into_bytes),
    ];
    vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// Documents in JSON, whole and broken, flat and deep.
pub fn json() -> impl Strategy<Value = Vec<u8>> {
    let field = select(vec!["firstname", "lastname", "mail", "admin", "id", "user", "", "x"]);
    let text = plausible_text().prop_map(serde_json::Value::from);
    let leaf = prop_oneof![
        6 => text,
        1 => any::<i64>().prop_map(serde_json::Value::from),
        1 => any::<f64>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::Null),
        1 => any::<bool>().prop_map(serde_json::Value::from),
    ];
    let flat = prop::collection::btree_map(field.clone(), leaf.clone(), 0..4)
        .prop_map(|fields| serde_json::json!({ "user": fields }).to_string().into_bytes());
    let nested = leaf.prop_recursive(5, 30, 4, move |inner| {
        let fields = vec((field.clone(), inner.clone()), 0..4);
        prop_oneof![
            vec(inner, 0..4).prop_map(serde_json::Value::from),
            fields.prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    });
    let deep =
        (select(vec!["[", "{\"user\":", "[{\"a\":"]), 1..5000_usize).prop_map(|(open, depth)| open.repeat(depth));
    let escapes = select(vec![
        r#"{"user":{"firstname":"\u0000"}}"#,
        r#"{"user":{"firstname":"\ud83d\udd11"}}"#,
        r#"{"user":{"firstname":"\ud800"}}"#,
        r#"{"user":{"firstname":1e999}}"#,
        r#"{"user":{"firstname":"a","firstname":"b"}}"#,
        r#"{"user":[{"firstname":"a"}]}"#,
        r#"["user"]"#,
        "\u{FEFF}{}",
    ]);
    prop_oneof![
        4 => flat.clone(),
        3 => almost(flat),
        2 => nested.prop_map(|value| value.to_string().into_bytes()),
        1 => deep.prop_map(String::into_bytes),
        2 => escapes.prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..200),
    ]
}

/// Documents in XML, whole and broken, flat and deep, with entities of every kind.
pub fn xml() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => select(vec![
            "<user>", "</user>", "<firstname>", "</firstname>", "<firstname/>", "<mail>", "</mail>", "<user/>", "<a:user>",
            "<user firstname=\"x\">", "<user a='1' a='2'>", "<firstname xsi:nil=\"true\"/>", "<![CDATA[", "]]>", "<!--",
            "-->", "<?pi", "?>", "<", ">", "&", ";", "\"",
            "<!DOCTYPE user [<!ENTITY a \"&a;&a;\">]>", "<!DOCTYPE", "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
            "<?xml version=\"9\"?>",
        ]).prop_map(str::to_owned),
        1 => entity(),
        1 => odd_text(10),
    ];
    let pieces = vec(piece, 0..14).prop_map(|pieces| pieces.concat());
    let content = prop_oneof![
        3 => plausible_text().prop_map(|text| quick_xml::escape::escape(text.as_str()).into_owned()),
        1 => plausible_text().prop_map(|text| format!("<![CDATA[{text}]]>")),
        1 => vec(entity(), 0..3).prop_map(|entities| entities.concat()),
    ];
    let field = select(vec!["firstname", "lastname", "mail", "admin", "x"]);
    let fields = vec((field, content), 0..4);
    let flat = fields.prop_map(|fields| {
        let fields = fields.iter().map(|(name, content)| format!("<{name}>{content}</{name}>"));
        format!("<user>{}</user>", fields.collect::<String>()).into_bytes()
    });
    let deep = (1..7000_usize, any::<bool>()).prop_map(|(depth, ends)| {
        let end = if ends { "</a>".repeat(depth) + "</user>" } else { String::new() };
        format!("<user>{}{end}", "<a>".repeat(depth))
    });
    prop_oneof![
        4 => flat.clone(),
        3 => almost(flat),
        4 => pieces.prop_map(String::into_bytes),
        1 => deep.prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..200),
    ]
}

fn entity() -> impl Strategy<Value = String> {
    let known = ["amp", "lt", "quot", "a", "nbsp", "#0", "#1", "#xFFFE", "#xD800", "#x110000", "#65", "#", "", "#-1"];
    select(known.to_vec()).prop_map(|name| format!("&{name};"))
}

/// What browsers send, and what only looks like it.
pub fn form() -> impl Strategy<Value = Vec<u8>> {
    let field = select(vec![
        "username",
        "password",
        "back_url",
        "firstname",
        "lastname",
        "mail",
        "new_password",
        "new_password_confirmation",
        "replaces",
        "form_token",
        "",
    ]);
    let value = prop_oneof![
        3 => plausible_text(),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => select(vec!["alice", "/my/account", "//evil.example", "/\\evil", "/%0d%0aSet-Cookie:x"]).prop_map(str::to_owned),
    ];
    let fields = vec((field, value), 0..6)
        .prop_map(|fields| form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes());
    prop_oneof![4 => fields.clone(), 2 => almost(fields), 2 => target_part(), 1 => vec(any::<u8>(), 0..200)]
}

/// What Redmine's clients send about people in forms and addresses, and what only looks like it.
pub fn redmine_form() -> impl Strategy<Value = Vec<u8>> {
    let name = select(vec![
        "user[firstname]",
        "user[lastname]",
        "user[mail]",
        "user[login]",
        "user[admin]",
        "user[status]",
        "user[x][][y]",
        "user[group_ids][]",
        "user[",
        "user]",
        "user[]",
        "user",
        "pref[a]",
        "status",
        "status[]",
        "name",
        "login",
        "mail",
        "created_on",
        "admin",
        "group_id",
        "sort",
        "include",
        "nometa",
        "limit",
        "offset",
        "f[]",
        "op[status]",
        "v[status][]",
        "op[login]",
        "v[login][]",
        "lock",
        "confirm",
        "cf_1",
        "query_id",
        "",
    ]);
    let value = prop_oneof![
        3 => plausible_text(),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        4 => select(vec![
            "1", "3", "1|3", "!3", "=", "*", "!*", "~a", "!~a b", "^a", "$z", ">=2026-01-01", "><2026-01-01|2026-02-01",
            "<=9999-12-31", ">=+262142-12-31", "2026-12-31T23:59:60Z", "login:desc,id", "status", "groups,memberships",
            "\"a b\" c", "|||||", "J\u{f6}rg", "a@m\u{fc}ller.example", "a@xn--\u{fc}", "a@\u{ad}",
        ]).prop_map(str::to_owned),
    ];
    let fields = vec((name, value), 0..8)
        .prop_map(|fields| form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes());
    prop_oneof![4 => fields.clone(), 2 => almost(fields), 1 => target_part()]
}

/// `documents` in an encoding of their own: with a byte order mark, in UTF-16, in Latin-1, or said to be in another one.
pub fn encoded(documents: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let declared =
        select(vec!["ISO-8859-1", "windows-1252", "utf-16", "utf-8", "shift_jis", "utf-7", "replacement", ""]);
    (documents, declared, 0..5).prop_map(|(document, declared, how)| {
        let text = String::from_utf8_lossy(&document).into_owned();
        match how {
            0 => [b"\xef\xbb\xbf", document.as_slice()].concat(),
            1 => std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect(),
            2 => std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect(),
            3 => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
            _ => [format!("<?xml version='1.0' encoding='{declared}'?>").as_bytes(), &document].concat(),
        }
    })
}

/// What programs send about keys: nearly right, and much else.
pub fn key_json() -> impl Strategy<Value = Vec<u8>> {
    let scopes = [
        "account:read",
        "account:write",
        "tokens:read",
        "tokens:write",
        "users:read",
        "users:write",
        "services:read",
        "service:wiki:write",
        "service:",
        "x",
        "",
    ];
    let scopes = vec(select(scopes.to_vec()), 0..4).prop_map(serde_json::Value::from);
    let time = select(vec![
        "30d",
        "0d",
        "65535d",
        "99999d",
        "never",
        "2026-12-31",
        "2026-02-30",
        "9999-12-31",
        "+262142-12-31",
        "-0001-01-01",
        "0000-00-00",
        "2026-12-31T23:59:60Z",
        "2026-12-31T23:59:60.999999999+23:59",
        "2027-01-01T00:00:00-23:59",
        "2027-01-01T00:00:00.0000001Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0",
        "1h",
        "1d",
        "7d",
    ]);
    let network = select(vec![
        "10.0.0.0/8",
        "127.0.0.1",
        "10.0.0.1/8",
        "::ffff:1.2.3.4/97",
        "::/0",
        "fe80::1%lo",
        "[::1]:1",
        "1.2.3.4/99999999999",
        "none",
        "",
    ]);
    let networks = vec![network.prop_map(str::to_owned).boxed(), plausible_text().boxed()];
    let networks = vec(proptest::strategy::Union::new(networks), 0..4).prop_map(serde_json::Value::from);
    let value = prop_oneof![
        4 => plausible_text().prop_map(serde_json::Value::from),
        2 => networks,
        4 => time.prop_map(serde_json::Value::from),
        4 => scopes.clone(),
        1 => any::<f64>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::Null),
        1 => any::<bool>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::json!({ "name": [{ "name": [] }] })),
    ];
    let field =
        select(vec!["name", "note", "scopes", "expires_on", "networks", "networks", "confirm_networks", "grace"]);
    let name = prop_oneof!["[a-z]{1,20}".prop_map(serde_json::Value::from), plausible_text().prop_map(Into::into)];
    let right = (name, scopes, field.clone(), value.clone()).prop_map(|(name, scopes, field, value)| {
        let mut document = serde_json::json!({ "name": name, "scopes": scopes });
        document[field] = value;
        document
    });
    let any = prop::collection::btree_map(field, value, 0..4).prop_map(|fields| serde_json::json!(fields));
    let document = prop_oneof![right, any].prop_map(|document| document.to_string().into_bytes());
    prop_oneof![4 => document.clone(), 2 => almost(document), 1 => json()]
}

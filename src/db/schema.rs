//! The tables, as both databases have them; a test compares this file with what `diesel print-schema` says.

diesel::table! {
    account_owners (account_id, owner_id) {
        account_id -> BigInt,
        owner_id -> BigInt,
    }
}

diesel::table! {
    audit_entries (id) {
        id -> BigInt,
        created_on -> Timestamp,
        action -> Text,
        times -> BigInt,
        user_id -> Nullable<BigInt>,
        user_login -> Nullable<Text>,
        actor_id -> Nullable<BigInt>,
        actor -> Text,
        acting_as_id -> Nullable<BigInt>,
        acting_as -> Nullable<Text>,
        token_id -> Nullable<BigInt>,
        token_action -> Nullable<Text>,
        token_name -> Nullable<Text>,
        token_hint -> Nullable<Text>,
        address -> Text,
        agent -> Text,
        credential -> Nullable<Text>,
        detail -> Nullable<Text>,
    }
}

diesel::table! {
    compatibility (needs_migration) {
        needs_migration -> Text,
    }
}

diesel::table! {
    events (id) {
        id -> BigInt,
        user_id -> BigInt,
        action -> Text,
        token_id -> Nullable<BigInt>,
        token_action -> Nullable<Text>,
        token_hint -> Nullable<Text>,
        address -> Text,
        agent -> Text,
        times -> BigInt,
        hour -> Nullable<Timestamp>,
        created_on -> Timestamp,
        updated_on -> Timestamp,
        other_login -> Nullable<Text>,
        token_name -> Nullable<Text>,
        credential -> Nullable<Text>,
        detail -> Nullable<Text>,
        audited -> Bool,
    }
}

diesel::table! {
    group_members (user_id, group_id) {
        user_id -> BigInt,
        group_id -> BigInt,
    }
}

diesel::table! {
    groups (id) {
        id -> BigInt,
        name -> Text,
        folded -> Text,
        kept_in -> Text,
        created_on -> Timestamp,
        updated_on -> Timestamp,
    }
}

diesel::table! {
    idempotency_keys (digest) {
        digest -> Binary,
        user_id -> BigInt,
        request -> Binary,
        token_id -> BigInt,
        created_on -> Timestamp,
    }
}

diesel::table! {
    imported_group_members (source_group_id, source_user_id) {
        source_group_id -> BigInt,
        source_user_id -> BigInt,
    }
}

diesel::table! {
    imported_groups (source_id) {
        source_id -> BigInt,
        group_id -> BigInt,
        name -> Text,
        given_name -> Text,
        identity -> Text,
    }
}

diesel::table! {
    imported_tokens (digest) {
        digest -> Binary,
        source_user_id -> BigInt,
        token_id -> BigInt,
        action -> Text,
    }
}

diesel::table! {
    imported_users (source_id) {
        source_id -> BigInt,
        user_id -> BigInt,
        digests -> Binary,
        imported_on -> Timestamp,
    }
}

diesel::table! {
    key_endings (token_id) {
        token_id -> BigInt,
        told_on -> Nullable<Timestamp>,
        counted_from -> Nullable<Timestamp>,
        exempt_because -> Nullable<Text>,
    }
}

diesel::table! {
    mail_switch (id) {
        id -> BigInt,
        is_on -> Bool,
        weekly_on -> Timestamp,
    }
}

diesel::table! {
    mails (id) {
        id -> BigInt,
        recipient -> Text,
        user_id -> Nullable<BigInt>,
        address -> Nullable<Text>,
        kind -> Text,
        token_id -> Nullable<BigInt>,
        facts -> Text,
        times -> BigInt,
        created_on -> Timestamp,
        message_id -> Nullable<Text>,
        taken_on -> Nullable<Timestamp>,
        attempts -> BigInt,
        next_try_on -> Timestamp,
        answer -> Nullable<Text>,
        outcome -> Nullable<Text>,
        done_on -> Nullable<Timestamp>,
    }
}

diesel::table! {
    new_addresses (user_id) {
        user_id -> BigInt,
        address -> Text,
        created_on -> Timestamp,
    }
}

diesel::table! {
    notices (id) {
        id -> BigInt,
        user_id -> BigInt,
        event_id -> BigInt,
    }
}

diesel::table! {
    refused_uses (token_id, service, address, agent) {
        token_id -> BigInt,
        service -> Text,
        address -> Text,
        agent -> Text,
        times -> BigInt,
        first_on -> Timestamp,
        last_on -> Timestamp,
    }
}

diesel::table! {
    service_admissions (service_id, user_id, access) {
        service_id -> BigInt,
        user_id -> BigInt,
        access -> Text,
    }
}

diesel::table! {
    service_group_admissions (service_id, group_id, access) {
        service_id -> BigInt,
        group_id -> BigInt,
        access -> Text,
    }
}

diesel::table! {
    service_use_counts (token_id, service_id, day) {
        token_id -> BigInt,
        service_id -> BigInt,
        day -> Date,
        times -> BigInt,
    }
}

diesel::table! {
    service_uses (token_id, service_id) {
        token_id -> BigInt,
        service_id -> BigInt,
        last_used_on -> Timestamp,
        address -> Text,
        agent -> Text,
    }
}

diesel::table! {
    services (id) {
        id -> BigInt,
        name -> Text,
        title -> Text,
        host -> Text,
        path -> Text,
        reading_methods -> Text,
        anonymous_reads -> Bool,
        classic_keys -> Bool,
        key_parameter -> Bool,
        requests_per_minute -> Nullable<BigInt>,
        everyone_reads -> Bool,
        everyone_writes -> Bool,
        kept_in -> Text,
        created_on -> Timestamp,
        updated_on -> Timestamp,
    }
}

diesel::table! {
    token_services (token_id, service_id, access) {
        token_id -> BigInt,
        service_id -> BigInt,
        access -> Text,
    }
}

diesel::table! {
    tokens (id) {
        id -> BigInt,
        user_id -> BigInt,
        action -> Text,
        digest -> Binary,
        hint -> Text,
        created_on -> Timestamp,
        updated_on -> Nullable<Timestamp>,
        recorded_since -> Nullable<Timestamp>,
        name -> Nullable<Text>,
        note -> Nullable<Text>,
        scopes -> Nullable<Text>,
        expires_on -> Nullable<Timestamp>,
        expiry_told -> Bool,
        key_id -> Nullable<BigInt>,
        retired_on -> Nullable<Timestamp>,
        confirmed_on -> Nullable<Timestamp>,
        last_address -> Nullable<Text>,
        last_agent -> Nullable<Text>,
        last_client_on -> Nullable<Timestamp>,
        suspended_on -> Nullable<Timestamp>,
        suspended_until -> Nullable<Timestamp>,
        revoked_then -> Bool,
        networks -> Nullable<Text>,
        made_by -> Nullable<Text>,
        expiry_warned -> Nullable<Timestamp>,
    }
}

diesel::table! {
    unwanted_mails (user_id, kind) {
        user_id -> BigInt,
        kind -> Text,
    }
}

diesel::table! {
    users (id) {
        id -> BigInt,
        login -> Text,
        firstname -> Text,
        lastname -> Text,
        mail -> Text,
        password_hash -> Nullable<Text>,
        admin -> Bool,
        status -> Text,
        must_change_password -> Bool,
        twofa_scheme -> Nullable<Text>,
        language -> Text,
        created_on -> Timestamp,
        updated_on -> Timestamp,
        last_login_on -> Nullable<Timestamp>,
        passwd_changed_on -> Nullable<Timestamp>,
        kind -> Text,
        kept_in -> Text,
        time_zone -> Text,
    }
}

diesel::joinable!(events -> users (user_id));
diesel::joinable!(group_members -> groups (group_id));
diesel::joinable!(group_members -> users (user_id));
diesel::joinable!(idempotency_keys -> users (user_id));
diesel::joinable!(key_endings -> tokens (token_id));
diesel::joinable!(mails -> users (user_id));
diesel::joinable!(new_addresses -> users (user_id));
diesel::joinable!(notices -> events (event_id));
diesel::joinable!(notices -> users (user_id));
diesel::joinable!(refused_uses -> tokens (token_id));
diesel::joinable!(service_admissions -> services (service_id));
diesel::joinable!(service_admissions -> users (user_id));
diesel::joinable!(service_group_admissions -> groups (group_id));
diesel::joinable!(service_group_admissions -> services (service_id));
diesel::joinable!(service_use_counts -> services (service_id));
diesel::joinable!(service_use_counts -> tokens (token_id));
diesel::joinable!(service_uses -> services (service_id));
diesel::joinable!(service_uses -> tokens (token_id));
diesel::joinable!(token_services -> services (service_id));
diesel::joinable!(token_services -> tokens (token_id));
diesel::joinable!(tokens -> users (user_id));
diesel::joinable!(unwanted_mails -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    account_owners,
    audit_entries,
    compatibility,
    events,
    group_members,
    groups,
    idempotency_keys,
    imported_group_members,
    imported_groups,
    imported_tokens,
    imported_users,
    key_endings,
    mail_switch,
    mails,
    new_addresses,
    notices,
    refused_uses,
    service_admissions,
    service_group_admissions,
    service_use_counts,
    service_uses,
    services,
    token_services,
    tokens,
    unwanted_mails,
    users,
);

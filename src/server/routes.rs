//! The table of routes.

use super::route::{At, at, below, exactly_at};
use crate::{api, forward_auth, pages};

/// The API for programs, by key or password, and the health checks.
pub fn api() -> Vec<At> {
    let mut all = vec![
        at("/healthz").get(api::health::healthz),
        at("/readyz").get(api::health::readyz),
        at("/openapi.json").get(api::openapi::show),
        at("/users/current.{format:json|xml}").get(api::users::current),
        at("/users.{format:json|xml}").get(api::users::list).post(api::users::create),
        at("/users/{id:[0-9]+}.{format:json|xml}")
            .get(api::users::show)
            .put(api::users::update)
            .delete(api::users::delete),
        at("/groups.{format:json|xml}").get(api::redmine_groups::list),
        at("/groups/{id:[0-9]+}.{format:json|xml}").get(api::redmine_groups::show),
        at("/my/account.{format:json|xml}").get(api::account::show).put(api::account::update),
        at("/my/tokens/current.json").get(api::tokens::current).delete(api::tokens::revoke_current).with_problems(),
        at("/admin/services.json").get(api::services::list).post(api::services::create).with_problems(),
        at("/admin/services/{id}.json")
            .get(api::services::show)
            .patch(api::services::update)
            .delete(api::services::remove)
            .with_problems(),
        at("/admin/groups.json").get(api::groups::list).post(api::groups::create).with_problems(),
        at("/admin/groups/{id}.json")
            .get(api::groups::show)
            .patch(api::groups::update)
            .delete(api::groups::delete)
            .with_problems(),
        at("/admin/groups/{id}/members.json")
            .get(api::groups::members)
            .patch(api::groups::change_members)
            .with_problems(),
        at("/admin/keys.json").get(api::keys::list).with_problems(),
        at("/admin/keys.csv").get(api::keys::csv).with_problems(),
        at("/admin/keys.ndjson").get(api::keys::ndjson).with_problems(),
        at("/admin/keys/revoke.json").post(api::keys::revoke).with_problems(),
        at("/admin/keys/suspend.json").post(api::keys::suspend).with_problems(),
        at("/admin/keys/resume.json").post(api::keys::resume).with_problems(),
        at("/admin/keys/limit.json").post(api::keys::limit).with_problems(),
        at("/admin/audit.json").get(api::audit::list).with_problems(),
        at("/admin/audit.csv").get(api::audit::csv).with_problems(),
        at("/admin/audit.ndjson").get(api::audit::ndjson).with_problems(),
        at("/activity.atom").get(api::activity::feed),
        at("/revoke.json").post(api::revoke::revoke).with_problems(),
    ];
    all.extend(keys_api("/my"));
    all.extend(keys_api(SERVICE_ACCOUNT));
    all
}

/// Where the owners of a service account find its keys.
const SERVICE_ACCOUNT: &str = "/my/service-accounts/{service_account}";

/// The API of somebody's keys, below `whose`: see [`holder_of_keys`](crate::callers::service_account).
fn keys_api(whose: &str) -> Vec<At> {
    let keys = |path: &str| at(&format!("{whose}/tokens{path}"));
    vec![
        keys(".json").get(api::tokens::list).post(api::tokens::create).with_problems(),
        keys("/{id}.json")
            .get(api::tokens::show)
            .patch(api::tokens::update)
            .delete(api::tokens::revoke)
            .with_problems(),
        keys("/{id}/rotate.json").post(api::tokens::rotate).with_problems(),
        keys("/{id}/suspend.json").post(api::tokens::suspensions::suspend).with_problems(),
        keys("/{id}/resume.json").post(api::tokens::suspensions::resume).with_problems(),
        keys("/{id}/refused.json").get(api::tokens::suspensions::refused).with_problems(),
        keys("/{id}/services.json").get(api::tokens::services).with_problems(),
    ]
}

/// What programs look for at the same address on every site (RFC 8615).
pub fn well_known() -> Vec<At> {
    vec![
        at("/.well-known/security.txt").get(api::well_known::security_txt),
        at("/.well-known/change-password").get(api::well_known::change_password),
    ]
}

/// The forward-auth endpoints, which reverse proxies ask about requests to services.
pub fn questions() -> Vec<At> {
    vec![
        exactly_at("/auth/nginx").get(forward_auth::nginx).with_problems(),
        exactly_at("/auth/forwarded").get(forward_auth::forwarded).with_problems(),
        below("/auth/envoy").any(forward_auth::envoy).with_problems(),
    ]
}

/// The pages for people, by session.
pub fn pages() -> Vec<At> {
    let mut all = vec![
        exactly_at("/").get(pages::elsewhere::own_account),
        at("/login").get(pages::sign_in::show).post(pages::sign_in::sign_in),
        at("/lost-password").get(pages::lost_password::ask).post(pages::lost_password::send),
        at("/lost-password/choose").get(pages::lost_password::choose).post(pages::lost_password::change),
        at("/new-address").get(pages::mail::new_address::show).post(pages::mail::new_address::confirm),
        at("/my/new-address/send").post(pages::mail::new_address::send_again),
        at("/my/new-address/forget").post(pages::mail::new_address::forget),
        at("/logout").get(pages::sign_in::ask_sign_out).post(pages::sign_in::sign_out),
        at("/my/account").get(pages::account::show).post(pages::account::save),
        at("/my/mail").get(pages::mail::wishes::show).post(pages::mail::wishes::save),
        at("/admin/mails").get(pages::mail::undelivered::show),
        at("/admin/mails/{id:[0-9]+}/retry").post(pages::mail::undelivered::retry),
        at("/my/password").get(pages::password::show).post(pages::password::change),
        at("/my/api_key").get(pages::keys::ask_api).post(pages::keys::make_api),
        at("/my/api_key/revoke").get(pages::key_revoke::ask_api).post(pages::key_revoke::revoke_api),
        at(pages::keys::SERVICES_OF_API_KEY).get(pages::service_uses::show),
        at("/my/atom_key").get(pages::keys::ask_atom).post(pages::keys::make_atom),
        at("/my/atom_key/revoke").get(pages::key_revoke::ask_atom).post(pages::key_revoke::revoke_atom),
        at("/my/service-accounts").get(pages::service_accounts::own::show),
        at("/activity").get(pages::activity::show),
        at("/revoke").get(pages::leak::show).post(pages::leak::report),
        at("/my").get(pages::elsewhere::own_account),
        at("/my/page").get(pages::elsewhere::own_account),
        at("/users/current").get(pages::elsewhere::own_account),
        // Pages for administrators.
        at("/admin/users").get(pages::people::list::show),
        at("/admin/users/new").get(pages::people::add::show).post(pages::people::add::add),
        at("/admin/service-accounts/new")
            .get(pages::service_accounts::add::show)
            .post(pages::service_accounts::add::add),
        at("/admin/users/{id:[0-9]+}").get(pages::people::person::show),
        at("/admin/users/{id:[0-9]+}/lock").get(pages::people::status::ask_lock).post(pages::people::status::lock),
        at("/admin/users/{id:[0-9]+}/unlock")
            .get(pages::people::status::ask_unlock)
            .post(pages::people::status::unlock),
        at("/admin/users/{id:[0-9]+}/password").get(pages::people::password::show).post(pages::people::password::set),
        at("/admin/users/{id:[0-9]+}/edit").get(pages::people::edit::show).post(pages::people::edit::change),
        at("/admin/users/{id:[0-9]+}/delete").get(pages::people::delete::ask).post(pages::people::delete::delete),
        at("/admin/users/{id:[0-9]+}/owners")
            .get(pages::service_accounts::owners::show)
            .post(pages::service_accounts::owners::change),
        at("/admin/users/{id:[0-9]+}/activity").get(pages::people::activity::show),
        at("/admin/users/{id:[0-9]+}/keys/{key_id:[0-9]+}").get(pages::people::key::show),
        at("/admin/users/{id:[0-9]+}/keys/{key_id:[0-9]+}/revoke")
            .get(pages::people::key::ask)
            .post(pages::people::key::revoke),
        at("/admin/users/{id:[0-9]+}/keys/{key_id:[0-9]+}/suspend")
            .get(pages::suspension::others::ask)
            .post(pages::suspension::others::suspend),
        at("/admin/users/{id:[0-9]+}/keys/{key_id:[0-9]+}/exempt")
            .get(pages::people::exempt::ask)
            .post(pages::people::exempt::exempt),
        at("/admin/users/{id:[0-9]+}/keys/{key_id:[0-9]+}/resume")
            .get(pages::suspension::others::ask_resume)
            .post(pages::suspension::others::resume),
        at("/admin/users/{id:[0-9]+}/keys/{key_id:[0-9]+}/networks")
            .get(pages::networks::others::show)
            .post(pages::networks::others::save),
        at("/admin/keys").get(pages::everybodys_keys::list::show),
        at("/admin/keys/export.csv").get(pages::everybodys_keys::list::csv),
        at("/admin/keys/export.ndjson").get(pages::everybodys_keys::list::ndjson),
        at("/admin/keys/revoke").get(pages::everybodys_keys::revoke::ask).post(pages::everybodys_keys::revoke::revoke),
        at("/admin/keys/suspend")
            .get(pages::everybodys_keys::suspend::ask)
            .post(pages::everybodys_keys::suspend::suspend),
        at("/admin/audit").get(pages::audit::show),
        at("/admin/audit/export.csv").get(pages::audit::csv),
        at("/admin/audit/export.ndjson").get(pages::audit::ndjson),
        at("/users").get(pages::elsewhere::people),
        at("/users/new").get(pages::elsewhere::new_person),
        at("/users/{id:[0-9]+}").get(pages::people::person::home),
        at("/users/{id:[0-9]+}/edit").get(pages::people::person::home),
        at("/admin/groups").get(pages::groups::list::show),
        at("/admin/groups/new").get(pages::groups::add::show).post(pages::groups::add::add),
        at("/admin/groups/{id:[0-9]+}").get(pages::groups::group::show).post(pages::groups::group::add_members),
        at("/admin/groups/{id:[0-9]+}/edit").get(pages::groups::edit::show).post(pages::groups::edit::rename),
        at("/admin/groups/{id:[0-9]+}/remove").get(pages::groups::remove::ask).post(pages::groups::remove::remove),
        at("/admin/groups/{id:[0-9]+}/delete").get(pages::groups::delete::ask).post(pages::groups::delete::delete),
        at("/admin/services").get(pages::services::list::show),
        at("/admin/services/new").get(pages::services::add::show).post(pages::services::add::add),
        at("/admin/services/{id:[0-9]+}").get(pages::services::service::show).post(pages::services::service::change),
        at("/admin/services/{id:[0-9]+}/proxy").get(pages::services::proxy::show),
        at("/admin/services/{id:[0-9]+}/try").get(pages::services::trial::show).post(pages::services::trial::answer),
        at("/admin/services/{id:[0-9]+}/remove")
            .get(pages::services::remove::ask)
            .post(pages::services::remove::remove),
    ];
    all.extend(keys_pages("/my"));
    all.extend(keys_pages(SERVICE_ACCOUNT));
    all.push(at(&format!("{SERVICE_ACCOUNT}/activity")).get(pages::service_accounts::activity::show));
    all
}

/// The pages of somebody's keys, as [`keys_api`].
fn keys_pages(whose: &str) -> Vec<At> {
    let keys = |path: &str| at(&format!("{whose}/tokens{path}"));
    vec![
        at(&format!("{whose}/notices/{{id:[0-9]+}}")).post(pages::notices::seen),
        keys("").get(pages::tokens::list::show).post(pages::tokens::new::create),
        keys("/new").get(pages::tokens::new::show),
        keys("/{id:[0-9]+}").get(pages::tokens::token::show),
        keys("/{id:[0-9]+}/edit").get(pages::tokens::edit::show).post(pages::tokens::edit::change),
        keys("/{id:[0-9]+}/rotate").get(pages::tokens::rotate::ask).post(pages::tokens::rotate::rotate),
        keys("/{id:[0-9]+}/revoke").get(pages::tokens::revoke::ask).post(pages::tokens::revoke::revoke),
        // Of keys of every kind.
        keys("/{id:[0-9]+}/suspend").get(pages::suspension::own::ask).post(pages::suspension::own::suspend),
        keys("/{id:[0-9]+}/resume").get(pages::suspension::own::ask_resume).post(pages::suspension::own::resume),
        keys("/{id:[0-9]+}/networks").get(pages::networks::own::show).post(pages::networks::own::save),
    ]
}

//! `/activity.atom`: a person's activity as an Atom feed (RFC 4287).

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::app::App;
use crate::callers::api_user::FeedUser;
use crate::clock::iso8601;
use crate::http::error::AppError;
use crate::models::event::Event;

/// The number of entries in the feed.
const ENTRIES: i64 = 50;

#[derive(Serialize)]
struct Feed {
    #[serde(rename = "@xmlns")]
    namespace: &'static str,
    id: String,
    title: String,
    updated: String,
    author: Author,
    link: [Link; 2],
    entry: Vec<Entry>,
}

#[derive(Serialize)]
struct Author {
    name: String,
}

#[derive(Serialize)]
struct Link {
    #[serde(rename = "@rel")]
    rel: &'static str,
    #[serde(rename = "@type")]
    media_type: &'static str,
    #[serde(rename = "@href")]
    href: String,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    title: String,
    published: String,
    updated: String,
    link: Link,
    content: Content,
}

#[derive(Serialize)]
struct Content {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "$text")]
    text: String,
}

/// `GET /activity.atom?key=`
///
/// # Errors
/// Those of the database.
#[utoipa::path(
    get,
    path = "/activity.atom",
    operation_id = "showActivity",
    summary = "Get your security activity as an Atom feed",
    security(("atomKey" = [])),
    responses(
        (status = 200, description = "An Atom feed (RFC 4287)", body = String, content_type = "application/atom+xml"),
        (status = 401, description = "The key is missing, wrong or no longer valid."),
        (status = 503, description = "The database is not available at the moment."),
    ),
)]
pub async fn feed(app: web::Data<App>, me: FeedUser) -> Result<HttpResponse, AppError> {
    let user = me.user;
    let user_id = user.id;
    let events = app.database.read(move |connection| Event::latest(connection, user_id, 0, ENTRIES)).await?;
    let page = app.url.join("/activity");
    let feed = Feed {
        namespace: "http://www.w3.org/2005/Atom",
        id: format!("{page}#user-{user_id}"),
        title: format!("Activity of {} on Latchkey", user.login),
        updated: iso8601(events.first().map_or(user.created_on, |event| event.updated_on)),
        author: Author { name: format!("{} {}", user.firstname, user.lastname) },
        // The addresses in the feed leave out the key: feed readers show and share them, so they are not secret.
        link: [
            Link { rel: "self", media_type: "application/atom+xml", href: app.url.join("/activity.atom") },
            Link { rel: "alternate", media_type: "text/html", href: page.clone() },
        ],
        entry: events.iter().map(|event| entry(&page, event)).collect(),
    };
    let xml = quick_xml::se::to_string_with_root("feed", &feed).map_err(AppError::internal)?;
    let xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{xml}");
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/atom+xml; charset=utf-8")).body(xml))
}

fn entry(page: &str, event: &Event) -> Entry {
    let times = if event.times > 1 { format!(" ×{}", event.times) } else { String::new() };
    let place = if event.address.is_empty() { "the command line" } else { &event.address };
    let with = if event.agent.is_empty() { String::new() } else { format!(" with {}", event.agent) };
    let about = [event.key_hint(), event.remark()].into_iter().filter(|part| !part.is_empty());
    let about: String = about.map(|part| format!("{part}, ")).collect();
    Entry {
        id: format!("{page}#event-{}", event.id),
        title: format!("{}{times}", event.headline()),
        published: iso8601(event.created_on),
        updated: iso8601(event.updated_on),
        link: Link { rel: "alternate", media_type: "text/html", href: page.to_owned() },
        content: Content { kind: "text", text: format!("{about}from {place}{with}") },
    }
}

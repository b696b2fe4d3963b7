//! `/activity.atom`: a person's activity as an Atom feed (RFC 4287).

use actix_web::http::header::{CONTENT_TYPE, ETAG};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::app::App;
use crate::callers::api_user::FeedUser;
use crate::clock::iso8601;
use crate::http::entity_tag;
use crate::http::error::AppError;
use crate::models::event::{Event, Place};
use crate::secret::Secret;

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
        (status = 304, description = "The feed is still the one that `If-None-Match` names."),
        (status = 401, description = "The key is missing, wrong or no longer valid."),
        (status = 503, description = "The database is not available at the moment."),
    ),
)]
pub async fn feed(request: HttpRequest, app: web::Data<App>, me: FeedUser) -> Result<HttpResponse, AppError> {
    let FeedUser { user, key } = me;
    let user_id = user.id;
    let events = app.database.read(move |connection| Event::latest(connection, user_id, 0, ENTRIES)).await?;
    let page = app.url.join("/activity");
    let feed = Feed {
        namespace: "http://www.w3.org/2005/Atom",
        id: format!("{page}#user-{user_id}"),
        title: format!("Activity of {} on Latchkey", user.login),
        updated: iso8601(events.first().map_or(user.created_on, |event| event.updated_on)),
        author: Author { name: format!("{} {}", user.firstname, user.lastname) },
        link: [
            Link { rel: "self", media_type: "application/atom+xml", href: own_address(&app, &key) },
            Link { rel: "alternate", media_type: "text/html", href: page.clone() },
        ],
        entry: events.iter().map(|event| entry(&page, event)).collect(),
    };
    let xml = quick_xml::se::to_string_with_root("feed", &feed).map_err(AppError::internal)?;
    let xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{xml}");
    let tag = entity_tag::of(xml.as_bytes());
    if entity_tag::is_known(&request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag.to_string())).finish());
    }
    let content_type = (CONTENT_TYPE, "application/atom+xml; charset=utf-8");
    Ok(HttpResponse::Ok().insert_header((ETAG, tag.to_string())).insert_header(content_type).body(xml))
}

/// Where a reader finds this feed again. The key is the one that the reader has just sent, and without it the address
/// would be of no use. No other address in the feed has it.
fn own_address(app: &App, key: &Secret) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("key", key.expose()).finish();
    app.url.join(&format!("/activity.atom?{query}"))
}

fn entry(page: &str, event: &Event) -> Entry {
    let times = if event.times > 1 { format!(" ×{}", event.times) } else { String::new() };
    let place = match event.place() {
        place @ Place::Automatic => place.to_string(),
        place @ Place::CommandLine => format!("from the {place}"),
        place @ Place::Address(_) => format!("from {place}"),
    };
    let with = if event.agent.is_empty() { String::new() } else { format!(" with {}", event.agent) };
    let about = [event.key_hint(), event.remark()].into_iter().filter(|part| !part.is_empty());
    let about: String = about.map(|part| format!("{part}, ")).collect();
    Entry {
        id: format!("{page}#event-{}", event.id),
        title: format!("{}{times}", event.headline()),
        published: iso8601(event.created_on),
        updated: iso8601(event.updated_on),
        link: Link { rel: "alternate", media_type: "text/html", href: page.to_owned() },
        content: Content { kind: "text", text: format!("{about}{place}{with}") },
    }
}

//! The use of a key on services, as pages show it; and the page `/my/api_key/services` for the API access key.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::NaiveDate;

use super::keys::KeyPanel;
use super::moment::Moment;
use super::shell::{Shell, page};
use super::suspension::shown::Refusals;
use crate::app::App;
use crate::callers::session_user::SessionUser;
use crate::clock::Timestamp;
use crate::http::error::AppError;
use crate::models::keys::key::Key;
use crate::models::keys::token::TokenAction;
use crate::models::services::uses::{DAYS, ServiceUsage};

/// The use of a key on one service.
pub struct ShownUsage {
    /// The title of the service.
    pub title: String,
    /// Whether the service is open.
    pub is_open: bool,
    /// When the key was last used there.
    pub last_used: Moment,
    /// The address of the last use.
    pub address: String,
    /// The user agent of the last use; may be empty.
    pub agent: String,
    /// The number of requests, in words.
    pub requests: String,
    /// The number of requests, as a chart.
    pub picture: Picture,
}

/// A bar chart of the last 90 days, with today on the right.
pub struct Picture {
    /// A description of the chart in words.
    pub label: String,
    /// The first day.
    pub since: String,
    /// The days with requests.
    pub bars: Vec<Bar>,
}

/// The bar of a day with requests. Its measures relate to [`Picture::WIDTH`] and [`Picture::HEIGHT`].
#[derive(Debug, PartialEq, Eq)]
pub struct Bar {
    /// The distance from the left.
    pub x: usize,
    /// The distance from the top.
    pub y: i64,
    /// The height of the bar.
    pub height: i64,
}

impl Picture {
    /// The distance from one bar to the next.
    const STEP: usize = 4;
    /// The width of a bar.
    pub const BAR: usize = 3;
    /// The width of the chart.
    pub const WIDTH: usize = Self::STEP * DAYS - (Self::STEP - Self::BAR);
    /// The height of the chart.
    pub const HEIGHT: i64 = 40;

    fn new(usage: &ServiceUsage) -> Self {
        let most = usage.busiest().map_or(1, |(_, requests)| requests);
        let used = usage.days.iter().enumerate().filter(|(_, (_, requests))| *requests > 0);
        let bars = used.map(|(place, (_, requests))| {
            // Every bar is visible, however small it is beside the others.
            let height = (requests.saturating_mul(Self::HEIGHT) / most).max(1);
            Bar { x: place * Self::STEP, y: Self::HEIGHT - height, height }
        });
        let day_at = |place: Option<&(NaiveDate, i64)>| place.map(|(day, _)| in_words(*day)).unwrap_or_default();
        let (since, bars) = (day_at(usage.days.first()), bars.collect::<Vec<_>>());
        let label = match usage.busiest() {
            None => format!("Requests a day since {since}: none."),
            Some((busiest, most)) => format!(
                "Requests a day since {since}: {} on {}; most on {}, {}; {} today.",
                grouped(usage.total()),
                count(i64::try_from(bars.len()).unwrap_or(i64::MAX), "day"),
                in_words(busiest),
                grouped(most),
                usage.days.last().map_or_else(|| "none".to_owned(), |(_, today)| or_none(*today)),
            ),
        };
        Self { label, since, bars }
    }
}

/// The use of a key on all services.
pub struct KeyUses {
    /// The services that it was used on, latest first.
    pub services: Vec<ShownUsage>,
    /// Whether programs can use the key now.
    pub works: bool,
    /// When the key was last used at all, if it was. Latchkey's own API is no service.
    pub last_used: Option<Moment>,
}

impl KeyUses {
    /// The current use of the key with this id, which `works`, or does not, and was last used at all at `last_used`.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub async fn of(app: &App, key_id: i64, works: bool, last_used: Option<Moment>) -> Result<Self, AppError> {
        Ok(Self { services: ShownUsage::of_key(app, key_id).await?, works, last_used })
    }

    /// The same of a key of the kind `action`; `None` if keys of that kind open no service.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub async fn of_kind(
        app: &App,
        (action, key_id): (TokenAction, i64),
        works: bool,
        last_used: Option<Moment>,
    ) -> Result<Option<Self>, AppError> {
        match action.opens_services() {
            true => Self::of(app, key_id, works, last_used).await.map(Some),
            false => Ok(None),
        }
    }
}

impl ShownUsage {
    /// The use of each service in `all` on which the key was used at all, as seen at `now`.
    pub fn of(all: &[ServiceUsage], now: Timestamp) -> Vec<Self> {
        let used = all.iter().filter_map(|usage| {
            let last = usage.last.as_ref()?;
            let total = usage.total();
            let requests = match usage.busiest() {
                None => "No request in the last 90 days".to_owned(),
                Some(_) if total == 1 => "1 request in the last 90 days".to_owned(),
                Some((busiest, most)) => format!(
                    "{} in the last 90 days, most on {} ({})",
                    count(total, "request"),
                    in_words(busiest),
                    grouped(most)
                ),
            };
            Some(Self {
                title: usage.title.clone(),
                is_open: usage.is_open,
                last_used: Moment::new(last.on, now),
                address: last.address.clone(),
                agent: last.agent.clone(),
                requests,
                picture: Picture::new(usage),
            })
        });
        used.collect()
    }

    /// The current use of the key with this id.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    async fn of_key(app: &App, key_id: i64) -> Result<Vec<Self>, AppError> {
        let now = app.clock.now();
        let all = app.recorder.service_uses.of(&app.database, key_id, now.date()).await?;
        Ok(Self::of(&all, now))
    }
}

#[derive(Template)]
#[template(path = "key_services.html")]
struct KeyServicesPage {
    shell: Shell,
    panel: KeyPanel,
    uses: KeyUses,
    /// Who was refused while the key was suspended.
    refusals: Refusals,
}

/// `GET /my/api_key/services`
///
/// # Errors
/// Returns 404 if the person has no API access key, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let user_id = me.user.id;
    let of_user = move |connection: &mut _| Key::of_user(connection, user_id, &[TokenAction::Api]);
    let keys = app.database.lookup(of_user).await?;
    let key = keys.first().ok_or(AppError::NotFound)?;
    let (key_id, suspension) = (key.id, key.suspension(app.clock.now()));
    let refusals = Refusals::of(&app, key_id, suspension.as_ref()).await?;
    let (shell, panel) = (Shell::of(&app, &request, &session)?, KeyPanel::new(&app, TokenAction::Api, &keys, &me.user));
    let (works, last_used) = panel.key.as_ref().map_or((false, None), |key| (key.works, key.last_used.clone()));
    let uses = KeyUses::of(&app, key_id, works, last_used).await?;
    page(StatusCode::OK, &KeyServicesPage { shell, panel, uses, refusals })
}

/// `12 November`, without the year, which is clear within 90 days.
fn in_words(day: NaiveDate) -> String {
    day.format("%-d %B").to_string()
}

fn count(number: i64, unit: &str) -> String {
    if number == 1 { format!("1 {unit}") } else { format!("{} {unit}s", grouped(number)) }
}

fn or_none(number: i64) -> String {
    if number == 0 { "none".to_owned() } else { grouped(number) }
}

/// A number with separators, such as `1,234`.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group));
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in
            [(0, "0"), (12, "12"), (999, "999"), (1000, "1,000"), (87_654, "87,654"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
    }
}

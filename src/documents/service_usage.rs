//! The JSON document of where a key is used, the same from the API and the command line.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::iso8601;
use crate::models::services::uses::ServiceUsage;

/// How a key is used on a service. Times are RFC 3339, days and times are in UTC.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceUsage)]
pub struct ServiceUsageDocument {
    /// The name of the service.
    pub service: String,
    /// The name that people see.
    pub title: String,
    /// When the key was last used on the service.
    #[schema(format = DateTime)]
    pub last_used_on: String,
    /// The address of that request.
    pub address: String,
    /// The user agent of that request; may be empty.
    pub agent: String,
    /// The number of requests in the last 90 days, including today.
    #[schema(minimum = 0)]
    pub requests: i64,
    /// The number of requests per day, earliest first, without days that had none.
    pub days: Vec<DayOfUse>,
}

/// A day on which a key was used on a service.
#[derive(Serialize, ToSchema)]
pub struct DayOfUse {
    /// The day in UTC.
    #[schema(format = Date)]
    pub day: String,
    /// The number of requests on that day.
    #[schema(minimum = 1)]
    pub requests: i64,
}

impl ServiceUsageDocument {
    /// The documents of the services on which the key was used.
    pub fn of(all: &[ServiceUsage]) -> Vec<Self> {
        let used = all.iter().filter_map(|usage| {
            let last = usage.last.as_ref()?;
            let days = usage.days.iter().filter(|(_, requests)| *requests > 0);
            Some(Self {
                service: usage.name.clone(),
                title: usage.title.clone(),
                last_used_on: iso8601(last.on),
                address: last.address.clone(),
                agent: last.agent.clone(),
                requests: usage.total(),
                days: days.map(|(day, requests)| DayOfUse { day: day.to_string(), requests: *requests }).collect(),
            })
        });
        used.collect()
    }
}

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
    /// What people call it.
    pub title: String,
    /// The latest use.
    #[schema(format = DateTime)]
    pub last_used_on: String,
    /// The address that it came from.
    pub address: String,
    /// What whoever used it says they are; may be empty.
    pub agent: String,
    /// How many requests there were in the last 90 days, today included.
    #[schema(minimum = 0)]
    pub requests: i64,
    /// How many on each of these days, earliest first, without those that had none.
    pub days: Vec<DayOfUse>,
}

/// A day on which a key was used on a service.
#[derive(Serialize, ToSchema)]
pub struct DayOfUse {
    /// In UTC.
    #[schema(format = Date)]
    pub day: String,
    /// How many requests there were.
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

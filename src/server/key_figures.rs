//! How many keys there are, for metrics. Counting them reads every key, so it is done once a minute at most, however
//! often and by however many the metrics are read.

use std::fmt;
use std::sync::PoisonError;

use actix_web::web;
use chrono::TimeDelta;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::app::App;
use crate::metrics::KeysCounted;
use crate::models::keys::census::Census;

/// How long the numbers are good for.
const GOOD_FOR: TimeDelta = TimeDelta::minutes(1);

/// The numbers of keys by kind and verdict, and of those that expire soon.
pub struct KeyFigures(pub web::Data<App>);

impl fmt::Debug for KeyFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFigures")
    }
}

impl KeyFigures {
    /// The numbers, at most a minute old; `None`: the database could not count.
    fn census(&self) -> Option<Census> {
        let now = self.0.clock.now();
        let mut counted = self.0.metrics.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = |it: &KeysCounted| (it.on..it.on + GOOD_FOR).contains(&now);
        if let Some(good) = counted.as_ref().filter(|it| is_good(it)) {
            return good.census.clone();
        }
        let census = self.0.database.read_now(|connection| Census::take(connection, now));
        let census = census.map_err(|error| tracing::warn!(%error, "the keys could not be counted")).ok();
        *counted = Some(KeysCounted { on: now, census: census.clone() });
        census
    }
}

impl Collector for KeyFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(census) = self.census() else { return Ok(()) };
        let gauge = ConstGauge::new(0);
        let help = "Keys that have not expired, by kind and by whether anybody still uses them";
        let mut keys = encoder.encode_descriptor("keys", help, None, gauge.metric_type())?;
        for (action, verdict, number) in census.keys {
            let labels = [("kind", action.as_str()), ("verdict", verdict.as_str())];
            ConstGauge::new(number).encode(keys.encode_family(&labels)?)?;
        }
        let help = "Keys that work, but expire within so many days";
        let mut expiring = encoder.encode_descriptor("keys_expiring", help, None, gauge.metric_type())?;
        for (days, number) in census.expiring {
            ConstGauge::new(number).encode(expiring.encode_family(&[("within_days", days.to_string())])?)?;
        }
        Ok(())
    }
}

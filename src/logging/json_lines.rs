//! Formats an event as a line of JSON. The JSON format of tracing-subscriber has the same content but takes twice as
//! long, which would be a tenth of the time of a request with a key.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes the time, the level, the fields of the event and its target. There are no spans in Latchkey, so none are
/// written.
pub struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        ["\",\"level\":\"", metadata.level().as_str(), "\""].into_iter().try_for_each(|part| writer.write_str(part))?;
        let mut fields = Fields { writer, written: Ok(()) };
        event.record(&mut fields);
        fields.written?;
        [",\"target\":\"", metadata.target(), "\"}\n"].into_iter().try_for_each(|part| fields.writer.write_str(part))
    }
}

/// Writes each field as `,"name":value`.
struct Fields<'a> {
    writer: Writer<'a>,
    written: fmt::Result,
}

impl Fields<'_> {
    /// Writes the name, and then the value by `write`.
    fn write(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.written.is_ok() {
            // Each request has a line, so no formatter is asked where none is needed.
            let name = [",\"", field.name(), "\":"].into_iter().try_for_each(|part| self.writer.write_str(part));
            self.written = name.and_then(|()| write(&mut self.writer));
        }
    }

    /// Writes a value without quotes.
    fn write_bare(&mut self, field: &Field, value: &str) {
        self.write(field, |writer| writer.write_str(value));
    }

    /// Writes a value in quotes.
    fn write_text(&mut self, field: &Field, write: impl FnOnce(&mut Escaped<'_, '_>) -> fmt::Result) {
        self.write(field, |writer| {
            writer.write_char('"')?;
            write(&mut Escaped(writer))?;
            writer.write_char('"')
        });
    }
}

impl Visit for Fields<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write_bare(field, itoa::Buffer::new().format(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write_bare(field, itoa::Buffer::new().format(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write_bare(field, if value { "true" } else { "false" });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write_text(field, |escaped| escaped.write_str(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write_text(field, |escaped| write!(escaped, "{value:?}"));
    }
}

/// Escapes text for a JSON string.
struct Escaped<'a, 'b>(&'a mut Writer<'b>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            self.0.write_str(&rest[..at])?;
            match rest.as_bytes()[at] {
                byte @ (b'"' | b'\\') => write!(self.0, "\\{}", char::from(byte))?,
                byte => write!(self.0, "\\u{byte:04x}")?,
            }
            rest = &rest[at + 1..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("what is kept").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The JSON that `event` logs.
    fn logged(event: impl FnOnce()) -> Value {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = tracing_subscriber::fmt().event_format(JsonLines).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, event);
        let text = String::from_utf8(kept.0.lock().expect("what is kept").clone()).expect("UTF-8");
        let line = text.strip_suffix('\n').expect("the end of a line");
        assert!(!line.contains('\n'), "{line}");
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    proptest! {
        #[test]
        fn whatever_is_logged_is_read_back(text in any::<String>(), number in any::<i64>(), large in any::<u64>(), truth: bool) {
            let mut line = logged(|| {
                let (some, none) = (Some(number), None::<i64>);
                tracing::warn!(text, shown = %text, debugged = ?text, number, large, truth, some, none, "{text} happened");
            });
            let time = line["timestamp"].take();
            prop_assert!(time.as_str().is_some_and(|time| crate::clock::parse_time(time).is_some()), "{}", time);
            prop_assert_eq!(line, json!({
                "timestamp": null, "level": "WARN", "message": format!("{text} happened"), "text": text, "shown": text,
                "debugged": format!("{text:?}"), "number": number, "large": large, "truth": truth, "some": number,
                "target": module_path!(),
            }));
        }
    }
}

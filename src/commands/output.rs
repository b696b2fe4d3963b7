//! Text, tables and JSON on standard output.

use std::io::{self, Write};

use serde::Serialize;

use super::Failure;
use crate::clock::{Timestamp, iso8601};

/// Prints `rows` under `heading`, in columns that are as wide as necessary.
pub fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = line(heading) + "\n";
    for row in rows {
        text += &line(row.each_ref().map(String::as_str));
        text.push('\n');
    }
    print(&text)
}

/// Prints `text`. A broken pipe is not an error: a reader such as `head` may stop early.
pub fn print(text: &str) -> Result<(), Failure> {
    print_to_readers(text).map(|_| ())
}

/// Whether somebody reads what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    There,
    /// The pipe is broken, so there is no use in printing any more.
    Gone,
}

/// Prints `text`, and says whether there is any use in printing more.
pub fn print_to_readers(text: &str) -> Result<Readers, Failure> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Readers::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Readers::Gone),
        Err(error) => Err(Failure(format!("cannot write to standard output: {error}"))),
    }
}

/// The time, or `none` if there is no time.
pub fn time_or(time: Option<Timestamp>, none: &str) -> String {
    time.map_or_else(|| none.to_owned(), iso8601)
}

/// Prints `document` as indented JSON.
pub fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).map_err(|error| Failure(error.to_string()))?;
    print(&format!("{text}\n"))
}

/// `text`, shortened to `longest` characters.
pub fn shortened(text: &str, longest: usize) -> String {
    match text.chars().count() {
        length if length > longest => text.chars().take(longest - 1).chain(['…']).collect(),
        _ => text.to_owned(),
    }
}

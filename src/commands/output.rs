//! Text, tables and JSON on standard output.

use std::io::{self, Write};

use serde::Serialize;

use super::Failure;
use crate::clock::{Timestamp, iso8601};

/// Prints `rows` under `heading`, in columns that are as wide as necessary.
pub fn table<const N: usize>(heading: [&'static str; N], rows: &[[String; N]]) -> Result<(), Failure> {
    Table::new(heading).print(rows)
}

/// A table that is printed in parts. Its columns are as wide as necessary for what has been printed.
pub struct Table<const N: usize> {
    /// `None`: it is printed already.
    heading: Option<[&'static str; N]>,
    widths: [usize; N],
}

impl<const N: usize> Table<N> {
    pub fn new(heading: [&'static str; N]) -> Self {
        Self { heading: Some(heading), widths: heading.map(|cell| cell.chars().count()) }
    }

    /// Prints `rows`, the first time below the heading.
    pub fn print(&mut self, rows: &[[String; N]]) -> Result<(), Failure> {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let heading = self.heading.take().map(|heading| self.line(heading));
        let rows = rows.iter().map(|row| self.line(row.each_ref().map(String::as_str)));
        print(&heading.into_iter().chain(rows).collect::<String>())
    }

    fn line(&self, cells: [&str; N]) -> String {
        let padded: Vec<_> = cells.iter().zip(self.widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    }
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

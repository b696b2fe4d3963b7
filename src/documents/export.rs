//! Whole lists as files, written a batch of rows at a time, so that a file may be larger than memory: CSV (RFC 4180) for
//! spreadsheets, and NDJSON, a JSON document a line, for programs.

use std::borrow::Cow;
use std::io;

use chrono::NaiveDate;
use serde::Serialize;

use crate::http::streamed::FileHead;

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// A heading and a line for each row, with commas between the cells.
    Csv,
    /// A JSON document on each line.
    Ndjson,
}

/// Something that can be a row of an export.
pub trait Exported: Serialize {
    /// The names of the columns in CSV.
    const COLUMNS: &'static [&'static str];

    /// The cells in CSV, one for each column.
    fn cells(&self) -> Vec<Cow<'_, str>>;
}

impl ExportFormat {
    /// The media type with its charset.
    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson; charset=utf-8",
        }
    }

    /// What the names of such files end in.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    /// What is said of a file before it comes: an export of `what`, made `on` a day.
    pub fn file(self, what: &str, on: NaiveDate) -> FileHead {
        FileHead { content_type: self.content_type(), name: format!("{what}-{on}.{}", self.extension()) }
    }

    /// A part of a file: these `rows`, and what comes before the first row if it is the first part.
    ///
    /// # Errors
    /// Returns an error if a row cannot be serialized.
    pub fn part<T: Exported>(self, is_first: bool, rows: &[T]) -> io::Result<Vec<u8>> {
        let mut part = Vec::new();
        if is_first && self == Self::Csv {
            write_line(&mut part, T::COLUMNS);
        }
        for row in rows {
            match self {
                Self::Csv => write_line(&mut part, &row.cells()),
                Self::Ndjson => {
                    serde_json::to_writer(&mut part, row)?;
                    part.push(b'\n');
                }
            }
        }
        Ok(part)
    }
}

fn write_line(file: &mut Vec<u8>, cells: &[impl AsRef<str>]) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            file.push(b',');
        }
        write_cell(file, cell.as_ref());
    }
    file.extend(b"\r\n");
}

fn write_cell(file: &mut Vec<u8>, cell: &str) {
    let is_formula = begins_a_formula(cell);
    if !is_formula && !cell.contains([',', '"', '\r', '\n']) {
        file.extend(cell.as_bytes());
        return;
    }
    file.push(b'"');
    if is_formula {
        file.push(b'\'');
    }
    file.extend(cell.replace('"', "\"\"").as_bytes());
    file.push(b'"');
}

/// Whether a spreadsheet could take the cell for a formula and run it (CSV injection). An apostrophe before it makes it a
/// text. The wide characters count in some languages.
fn begins_a_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Serialize)]
    struct Row {
        name: String,
        note: String,
    }

    impl Exported for Row {
        const COLUMNS: &'static [&'static str] = &["name", "note"];

        fn cells(&self) -> Vec<Cow<'_, str>> {
            vec![Cow::from(&self.name), Cow::from(&self.note)]
        }
    }

    fn row(name: &str, note: &str) -> Row {
        Row { name: name.to_owned(), note: note.to_owned() }
    }

    fn written(format: ExportFormat, rows: &[Row]) -> String {
        String::from_utf8(format.part(true, rows).expect("a file")).expect("UTF-8")
    }

    /// The cells of a file, as RFC 4180 says to read it.
    fn read(file: &str) -> Vec<Vec<String>> {
        let (mut lines, mut cells, mut cell) = (Vec::new(), Vec::new(), String::new());
        let (mut chars, mut is_quoted) = (file.chars().peekable(), false);
        while let Some(c) = chars.next() {
            match c {
                '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
                '\r' if !is_quoted && chars.next() == Some('\n') => {
                    cells.push(std::mem::take(&mut cell));
                    lines.push(std::mem::take(&mut cells));
                }
                c => cell.push(c),
            }
        }
        assert!(cells.is_empty() && cell.is_empty(), "the last line ends");
        lines
    }

    #[test]
    fn a_csv_file_has_a_heading_and_quotes_what_needs_it() {
        let rows = [row("deploy", "every night"), row("a, \"b\"", "two\nlines"), row("", "")];
        let expected = "name,note\r\ndeploy,every night\r\n\"a, \"\"b\"\"\",\"two\nlines\"\r\n,\r\n";
        assert_eq!(written(ExportFormat::Csv, &rows), expected);
        assert_eq!(written(ExportFormat::Csv, &[]), "name,note\r\n");
    }

    #[test]
    fn an_ndjson_file_has_a_document_a_line() {
        let rows = [row("=1+1", "two\nlines"), row("b", "")];
        let expected = "{\"name\":\"=1+1\",\"note\":\"two\\nlines\"}\n{\"name\":\"b\",\"note\":\"\"}\n";
        assert_eq!(written(ExportFormat::Ndjson, &rows), expected);
        assert_eq!(written(ExportFormat::Ndjson, &[]), "");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"http://x\",\"y\")", "＝1+1"] {
            let file = written(ExportFormat::Csv, &[row(text, "1-1=0")]);
            assert_eq!(read(&file)[1], [format!("'{text}"), "1-1=0".to_owned()], "{file}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(name in "[a-z=+@,\"'\\r\\n\\t -]{0,12}|\\PC{0,12}", note in "\\PC{0,12}") {
            let lines = read(&written(ExportFormat::Csv, &[row(&name, &note), row(&note, &name)]));
            prop_assert_eq!(lines.len(), 3);
            let text = |text: &str| if begins_a_formula(text) { format!("'{text}") } else { text.to_owned() };
            prop_assert_eq!(&lines[1], &[text(&name), text(&note)]);
            prop_assert_eq!(&lines[2], &[text(&note), text(&name)]);
        }
    }
}

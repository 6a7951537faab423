//! Aligned columns.

use super::look::columns;
use super::{Look, Tone};

/// Rows of cells under one line of titles. Cells may be painted.
#[derive(Debug, Clone)]
pub struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<const N: usize>(titles: [&'static str; N]) -> Self {
        Table { titles: titles.into(), rows: Vec::new() }
    }

    /// Adds a row; missing cells stay empty, cells beyond the titles are left out.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.titles.len(), String::new());
        self.rows.push(cells);
    }

    /// The lines, each indented by two columns and ended by a newline.
    pub fn text(&self, look: &Look) -> String {
        let titles: Vec<String> = self.titles.iter().map(|title| look.paint(Tone::Dim, title)).collect();
        let lines = || std::iter::once(&titles).chain(&self.rows);
        let widths: Vec<usize> =
            (0..titles.len()).map(|at| lines().map(|cells| columns(&cells[at])).max().unwrap_or(0)).collect();
        let mut text = String::new();
        for cells in lines() {
            let mut line = String::from(" ");
            for (cell, width) in cells.iter().zip(&widths) {
                let padding = " ".repeat(width - columns(cell));
                line.push_str(&format!(" {cell}{padding} "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        look.letters(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_is_painted() {
        let mut table = Table::new(["node", "state", "since"]);
        table.row(["n1".into(), "\u{1b}[32mReady\u{1b}[0m".into(), "4d".into()]);
        table.row(["edge-12".into(), "NotReady".into()]);
        assert_eq!(
            table.text(&Look::PLAIN),
            "  node     state     since\n  n1       \u{1b}[32mReady\u{1b}[0m     4d\n  edge-12  NotReady\n"
        );
    }
}

//! Aligned columns.

use super::look::columns;
use super::{Look, Tone, one_line};

/// Rows of cells under one line of titles.
#[derive(Debug, Clone)]
pub struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// One cell: whatever a machine put into it, it is one line that steers no terminal.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    tone: Option<Tone>,
    text: String,
}

impl Cell {
    pub fn painted(tone: Tone, text: impl AsRef<str>) -> Self {
        Cell { tone: Some(tone), ..Cell::from(text) }
    }

    fn shown(&self, look: &Look) -> String {
        let text = look.letters(&self.text);
        self.tone.map_or_else(|| text.clone(), |tone| look.paint(tone, &text))
    }
}

impl<Text: AsRef<str>> From<Text> for Cell {
    fn from(text: Text) -> Self {
        Cell { tone: None, text: one_line(text.as_ref()) }
    }
}

impl Table {
    pub fn new<const N: usize>(titles: [&'static str; N]) -> Self {
        Table { titles: titles.into(), rows: Vec::new() }
    }

    /// Adds a row; missing cells stay empty, cells beyond the titles are left out.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut cells: Vec<Cell> = cells.into_iter().collect();
        cells.resize(self.titles.len(), Cell::default());
        self.rows.push(cells);
    }

    /// The lines, each indented by two columns and ended by a newline.
    pub fn text(&self, look: &Look) -> String {
        let titles: Vec<Cell> = self.titles.iter().map(|title| Cell::painted(Tone::Dim, title)).collect();
        let lines: Vec<Vec<String>> = std::iter::once(&titles)
            .chain(&self.rows)
            .map(|cells| cells.iter().map(|cell| cell.shown(look)).collect())
            .collect();
        let widths: Vec<usize> =
            (0..titles.len()).map(|at| lines.iter().map(|cells| columns(&cells[at])).max().unwrap_or(0)).collect();
        let mut text = String::new();
        for cells in lines {
            let mut line = String::from(" ");
            for (cell, width) in cells.iter().zip(&widths) {
                let padding = " ".repeat(width - columns(cell));
                line.push_str(&format!(" {cell}{padding} "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_is_painted() {
        let mut table = Table::new(["node", "state", "since"]);
        table.row(["n1".into(), Cell::painted(Tone::Good, "Ready"), "4d".into()]);
        table.row(["edge-12".into(), "NotReady".into()]);
        let plain = "  node     state     since\n  n1       Ready     4d\n  edge-12  NotReady\n";
        assert_eq!(table.text(&Look::PLAIN), plain);
        let painted = table.text(&Look { colour: true, ..Look::PLAIN });
        assert!(painted.contains("n1       \u{1b}[32mReady\u{1b}[0m     4d\n"), "{painted:?}");
    }

    #[test]
    fn a_cell_is_one_line_that_steers_nothing() {
        let mut table = Table::new(["node", "state"]);
        table.row(["n1".into(), "not Ready: \u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[32mReady\r\nn2  Ready".into()]);
        let text = table.text(&Look { colour: true, ..Look::PLAIN });
        let shown = "n1    not Ready: \u{fffd}]0;owned\u{fffd}\u{fffd}[2JReady n2  Ready\n";
        assert!(text.ends_with(shown), "{text:?}");
    }
}

//! `llarpd bench`: what things cost, over real sockets, with relays in processes of their own.
//!
//! What each figure means is in `docs/benchmarks.md`. A figure is the median over the repetitions,
//! with the least and the greatest beside it.

pub mod directory;
pub mod links;
mod measure;
pub mod path;
mod process;
pub mod services;

use std::io::{self, Write};

use serde_json::{Map, Value};

use measure::Figure;

/// What a figure's median may be at most, by the goal.
#[derive(Debug, Clone)]
pub struct Bar {
    key: String,
    at_most: f64,
}

impl Bar {
    fn new(key: impl Into<String>, at_most: f64) -> Self {
        let key = key.into();
        Self { key, at_most }
    }
}

/// Figures that are worse than the goal. Whoever changed something must look; on a busy machine times may be.
#[derive(Debug, thiserror::Error)]
#[error("a bar of the goal is missed: {missed}")]
pub struct BarsMissed {
    missed: String,
}

/// Figures by name, in the order in which they were taken.
#[derive(Debug, Default)]
pub struct Report(Vec<(String, Figure)>);

impl Report {
    fn add(&mut self, name: impl Into<String>, values: &[f64]) {
        if let Some(figure) = Figure::of(values) {
            self.0.push((name.into(), figure));
        }
    }

    /// One JSON object: for each figure `name`, `name_min`, `name_max`.
    ///
    /// # Errors
    /// The output's.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut object = Map::new();
        for (name, figure) in &self.0 {
            object.insert(name.clone(), figure.median.into());
            object.insert(format!("{name}_min"), figure.min.into());
            object.insert(format!("{name}_max"), figure.max.into());
        }
        writeln!(out, "{}", Value::Object(object))
    }

    /// Whether the goal's bars are met; a figure that was not taken meets none.
    ///
    /// # Errors
    /// [`BarsMissed`] says which are not.
    pub fn hold(&self, bars: &[Bar]) -> Result<(), BarsMissed> {
        let missed: Vec<_> = bars.iter().filter_map(|bar| self.fault(bar)).collect();
        if missed.is_empty() {
            return Ok(());
        }
        let missed = missed.join("; ");
        Err(BarsMissed { missed })
    }

    /// What is wrong with a figure, if anything is.
    fn fault(&self, Bar { key, at_most }: &Bar) -> Option<String> {
        let figure = self.0.iter().find(|(name, _)| name == key);
        let Some((_, Figure { median, .. })) = figure else {
            return Some(format!("{key} was not measured"));
        };
        let is_met = median <= at_most;
        (!is_met).then(|| format!("{key} is {median:.0}, more than {at_most:.0}"))
    }

    /// A table for people.
    ///
    /// # Errors
    /// The output's.
    pub fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{:<32}{:>14}{:>14}{:>14}", "", "median", "min", "max")?;
        for (name, Figure { median, min, max }) in &self.0 {
            writeln!(out, "{name:<32}{median:>14.3}{min:>14.3}{max:>14.3}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_missed_by_a_greater_median_and_by_a_figure_that_is_not_there() {
        let mut report = Report::default();
        report.add("bytes", &[1.0, 100.0, 4000.0]);
        let hold = |bars: &[Bar]| report.hold(bars).map_err(|missed| missed.to_string());
        assert_eq!(hold(&[]), Ok(()));
        assert_eq!(hold(&[Bar::new("bytes", 100.0)]), Ok(()));
        let missed = hold(&[Bar::new("bytes", 99.0), Bar::new("ms", 1.0)]).unwrap_err();
        assert!(missed.contains("bytes is 100, more than 99"), "{missed}");
        assert!(missed.contains("ms was not measured"), "{missed}");
    }

    #[test]
    fn a_figure_that_is_no_number_meets_no_bar() {
        let mut report = Report::default();
        report.add("ms", &[f64::NAN]);
        assert!(report.hold(&[Bar::new("ms", 1.0)]).is_err());
    }
}

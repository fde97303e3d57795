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

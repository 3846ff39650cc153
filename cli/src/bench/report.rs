//! What was measured, as it is printed.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::run::{Run, is_unit, ratio};
use crate::args::CommonArgs;
use crate::json;
use crate::outcome::Failure;
use crate::table::{Align, Table};
use crate::units;

/// What was measured: by the bus, by its floor, or both.
pub struct Report {
    /// The case's name.
    pub case: &'static str,
    /// What it was asked to do: `size`, `mode` and the like.
    pub setting: Value,
    /// How many runs the figures are the medians of.
    pub rounds: u32,
    /// What one reading of the clock costs.
    pub clock_ns: f64,
    /// The bus's.
    pub bus: Option<Run>,
    /// The floor's.
    pub floor: Option<Run>,
}

impl Report {
    /// Prints it.
    pub fn print(&self, common: &CommonArgs) -> Result<(), Failure> {
        match common.json {
            true => self.print_json(),
            false => self.print_table(),
        }
    }

    fn print_json(&self) -> Result<(), Failure> {
        for (peer, run) in [("ringbus", &self.bus), ("floor", &self.floor)] {
            let Some(run) = run else { continue };
            let mut line = self.setting.clone();
            line["peer"] = json!(peer);
            line["case"] = json!(self.case);
            line["rounds"] = json!(self.rounds);
            line["clock_ns"] = super::run::number(self.clock_ns);
            if let Some(ratio) = self.ratio().filter(|_| peer == "ringbus") {
                line["ratio"] = ratio;
            }
            for (name, figure) in run.figures.as_object().into_iter().flatten() {
                line[name] = figure.clone();
            }
            json::print(&line)?;
        }
        Ok(())
    }

    /// The bus's figures divided by the floor's.
    fn ratio(&self) -> Option<Value> {
        ratio(&self.bus.as_ref()?.figures, &self.floor.as_ref()?.figures)
    }

    fn print_table(&self) -> Result<(), Failure> {
        let columns = [
            ("", Align::Left),
            ("RINGBUS", Align::Right),
            ("FLOOR", Align::Right),
            ("RATIO", Align::Right),
        ];
        let mut table = Table::new(&columns);
        let ratio = self.ratio().unwrap_or_default();
        let of = |run: &Option<Run>| run.as_ref().map(|run| run.figures.clone());
        let (bus, floor) = (of(&self.bus), of(&self.floor));
        let (bus, floor) = (bus.unwrap_or_default(), floor.unwrap_or_default());
        let mut lines = Vec::new();
        for peer in [&bus, &floor].into_iter().filter(|peer| !peer.is_null()) {
            collect(peer, &mut String::new(), &mut String::new(), &mut lines);
        }
        for (label, pointer) in lines {
            let cell = |of: &Value| of.pointer(&pointer).map_or(String::new(), shown);
            table.row([label, cell(&bus), cell(&floor), cell(&ratio)]);
        }
        let mut out = io::stdout().lock();
        write!(out, "{}\n\n{}", self.heading(), table.render())?;
        Ok(out.flush()?)
    }

    fn heading(&self) -> String {
        let setting = self.setting.as_object().into_iter().flatten();
        let setting = setting.map(|(name, value)| format!(", {name} {}", shown(value)));
        let rounds = match self.rounds {
            1 => "one run".to_owned(),
            rounds => format!("medians of {}", units::plural(rounds.into(), "round")),
        };
        format!(
            "{}{}: {rounds}; reading the clock costs {:.1} ns",
            self.case,
            setting.collect::<String>(),
            self.clock_ns
        )
    }
}

/// Every figure below `value`: what to call it, and where it is.
fn collect(
    value: &Value,
    label: &mut String,
    pointer: &mut String,
    into: &mut Vec<(String, String)>,
) {
    let fields: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, at)| (key.clone(), at)).collect(),
        Value::Array(rows) => rows
            .iter()
            .enumerate()
            .map(|(row, at)| (row.to_string(), at))
            .collect(),
        // What both have is one line.
        _ if into.iter().any(|(_, known)| known == pointer) => return,
        _ => return into.push((label.clone(), pointer.clone())),
    };
    for (key, field) in fields {
        // A row is called by what it is the row of, which is then no figure of its own.
        let name = match (value.is_array(), row_name(field)) {
            (true, Some(name)) => name,
            _ if is_row_key(&key, field) => continue,
            _ if key == "rows" => String::new(),
            _ => key.clone(),
        };
        let (label_was, pointer_was) = (label.len(), pointer.len());
        if !label.is_empty() && !name.is_empty() {
            label.push_str(", ");
        }
        label.push_str(&name);
        pointer.push('/');
        pointer.push_str(&key);
        collect(field, label, pointer, into);
        label.truncate(label_was);
        pointer.truncate(pointer_was);
    }
}

/// What identifies a row, such as `subs 4`.
fn row_name(row: &Value) -> Option<String> {
    let mut fields = row.as_object()?.iter();
    let (key, value) = fields.find(|(key, value)| is_row_key(key, value))?;
    Some(format!("{key} {}", shown(value)))
}

fn is_row_key(key: &str, value: &Value) -> bool {
    const KEYS: [&str; 6] = ["subs", "pubs", "size", "topic", "topics", "filter"];
    KEYS.contains(&key) && !value.is_object() && !is_unit(key)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => units::count(whole),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_a_line_named_by_its_row() {
        let figures = json!({"lost": 0, "rows": [{"subs": 2, "publish_ns": 3.5}, {"subs": 16, "publish_ns": 4}]});
        let mut lines = Vec::new();
        collect(&figures, &mut String::new(), &mut String::new(), &mut lines);
        let labels: Vec<_> = lines.iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!(
            labels,
            ["lost", "subs 2, publish_ns", "subs 16, publish_ns"]
        );
        assert_eq!(figures.pointer(&lines[2].1), Some(&json!(4)));
    }
}

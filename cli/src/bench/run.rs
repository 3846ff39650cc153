//! What runs measured: figures and distributions, and what becomes of several.

use hdrhistogram::Histogram;
use serde_json::{Map, Number, Value, json};

use crate::latency::Latencies;
use crate::outcome::Failure;

/// What one run, or the median of several, measured.
pub struct Run {
    /// An object whose numbers are figures, in objects and rows of any depth.
    pub figures: Value,
    /// What was measured one by one, by its name in the figures.
    pub latencies: Vec<(&'static str, Latencies)>,
}

impl Run {
    /// Figures without a distribution.
    pub fn of(figures: Value) -> Self {
        Self {
            figures,
            latencies: Vec::new(),
        }
    }

    /// Adds a distribution, and the figures that describe it.
    pub fn with(mut self, name: &'static str, latencies: Latencies) -> Self {
        self.figures[name] = summary(&latencies);
        self.latencies.push((name, latencies));
        self
    }

    /// Adds a distribution that a figure stands for.
    pub fn and(mut self, name: &'static str, latencies: Latencies) -> Self {
        self.latencies.push((name, latencies));
        self
    }

    /// The medians of several runs, and all they measured one by one.
    pub fn median(runs: Vec<Self>) -> Self {
        let figures: Vec<_> = runs.iter().map(|run| &run.figures).collect();
        let figures = median(&figures);
        let mut latencies: Vec<(&'static str, Latencies)> = Vec::new();
        for (name, more) in runs.into_iter().flat_map(|run| run.latencies) {
            match latencies.iter_mut().find(|(known, _)| *known == name) {
                Some((_, all)) => all.add(&more),
                None => latencies.push((name, more)),
            }
        }
        Self { figures, latencies }
    }
}

fn summary(latencies: &Latencies) -> Value {
    let (of, shown) = (latencies.histogram(), latencies.percentiles());
    json!({
        "min": of.min(),
        "mid": number(latencies.middle_mean()),
        "p50": shown.p50_ns,
        "p99": shown.p99_ns,
        "p999": shown.p999_ns,
        "mean": number(of.mean()),
    })
}

/// What only a bench asks of a distribution.
impl Latencies {
    /// Counts those of another distribution too.
    pub fn add(&mut self, other: &Self) {
        // Never refused: the bounds of both are the same.
        let _ = self.0.add(&other.0);
    }

    /// Counts `count` times the same.
    pub fn record_many(&mut self, latency_ns: u64, count: u64) {
        self.0.saturating_record_n(latency_ns, count);
    }

    /// The distribution itself.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// The mean of the middle half: as robust as the median, and not bound to the steps of a clock, which
    /// are 10 ns and more on some processors.
    fn middle_mean(&self) -> f64 {
        let of = self.histogram();
        let (from, to) = (of.len() / 4, of.len() - of.len() / 4);
        let (mut seen, mut sum) = (0, 0.0);
        for step in of.iter_recorded() {
            let until = seen + step.count_since_last_iteration();
            let inside = until.min(to).saturating_sub(seen.max(from));
            sum += inside as f64 * step.value_iterated_to() as f64;
            seen = until;
        }
        sum / (to - from).max(1) as f64
    }
}

/// What another process measured one by one, as it says it: pairs of a value and how often.
pub fn to_pairs(latencies: &Latencies) -> Value {
    let recorded = latencies.histogram().iter_recorded();
    recorded
        .map(|step| json!([step.value_iterated_to(), step.count_since_last_iteration()]))
        .collect()
}

/// The other way round.
pub fn from_pairs(pairs: &Value) -> Result<Latencies, Failure> {
    let mut latencies = Latencies::new().map_err(Failure::say)?;
    let pairs = pairs.as_array().into_iter().flatten();
    for pair in pairs {
        match (pair[0].as_u64(), pair[1].as_u64()) {
            (Some(value), Some(count)) => latencies.record_many(value, count),
            _ => return Err(Failure::say(format_args!("{pair} is no latency"))),
        }
    }
    Ok(latencies)
}

/// A figure as it is printed: whole if it is large, else with a few digits.
pub fn number(figure: f64) -> Value {
    let figure = match figure.abs() {
        size if size >= 1e4 => figure.round(),
        size if size >= 100.0 => (figure * 10.0).round() / 10.0,
        size if size < 0.1 => (figure * 1e5).round() / 1e5,
        _ => (figure * 1e3).round() / 1e3,
    };
    match figure.fract() == 0.0 && figure.abs() < 9e15 {
        true => json!(figure as i64),
        false => Number::from_f64(figure).map_or(Value::Null, Value::Number),
    }
}

/// The median of each figure; all have the same shape.
fn median(of: &[&Value]) -> Value {
    match of.first() {
        None => Value::Null,
        Some(Value::Object(first)) => combine(first, |key| {
            let fields: Vec<_> = of.iter().map(|one| &one[key]).collect();
            Some(median(&fields))
        }),
        Some(Value::Array(first)) => (0..first.len())
            .map(|row| median(&of.iter().map(|one| &one[row]).collect::<Vec<_>>()))
            .collect(),
        Some(first) => {
            let mut figures: Vec<_> = of.iter().filter_map(|one| one.as_f64()).collect();
            if figures.is_empty() {
                return (*first).clone();
            }
            figures.sort_by(f64::total_cmp);
            let middle = figures.len() / 2;
            number(match figures.len() % 2 {
                0 => f64::midpoint(figures[middle - 1], figures[middle]),
                _ => figures[middle],
            })
        }
    }
}

/// Each measured figure divided by the floor's of the same name; what is no measurement, or has no
/// floor, is left out.
pub fn ratio(figures: &Value, floor: &Value) -> Option<Value> {
    divide(figures, floor, false)
}

fn divide(figures: &Value, floor: &Value, is_measured: bool) -> Option<Value> {
    match (figures, floor) {
        (Value::Object(figures), Value::Object(floor)) => {
            let quotients = combine(figures, |key| {
                divide(&figures[key], floor.get(key)?, is_measured || is_unit(key))
            });
            let is_empty = quotients.as_object().is_none_or(Map::is_empty);
            (!is_empty).then_some(quotients)
        }
        (Value::Array(figures), Value::Array(floor)) => figures
            .iter()
            .zip(floor)
            .map(|(figure, floor)| divide(figure, floor, is_measured))
            .collect::<Option<Vec<_>>>()
            .map(Value::Array),
        _ if is_measured => {
            let quotient = figures.as_f64()? / floor.as_f64()?;
            Some(number(quotient)).filter(|quotient| !quotient.is_null())
        }
        _ => None,
    }
}

/// Whether a figure of this name was measured.
pub fn is_unit(name: &str) -> bool {
    const UNITS: [&str; 4] = ["_ns", "_us", "_per_s", "_bytes"];
    UNITS.iter().any(|unit| name.ends_with(unit)) || name.ends_with("_ns_each")
}

fn combine(fields: &Map<String, Value>, of: impl Fn(&str) -> Option<Value>) -> Value {
    let fields = fields.keys();
    Value::Object(
        fields
            .filter_map(|key| Some((key.clone(), of(key)?)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_taken_figure_by_figure_and_row_by_row() {
        let run = |ns: u64, per_s: u64| {
            Run::of(
                json!({"mode": "shared", "rows": [{"subs": 2, "take_ns": ns}], "msgs_per_s": per_s}),
            )
        };
        let median = Run::median(vec![run(9, 10), run(2, 30), run(4, 20)]);
        let expected =
            json!({"mode": "shared", "rows": [{"subs": 2, "take_ns": 4}], "msgs_per_s": 20});
        assert_eq!(median.figures, expected);
        assert_eq!(
            Run::median(vec![run(2, 1), run(3, 1)]).figures["rows"][0]["take_ns"],
            2.5
        );
    }

    #[test]
    fn the_ratio_is_of_what_was_measured_on_both_sides() {
        let bus = json!({"size": 64, "oneway_ns": {"p50": 300, "max": 5}, "rows": [{"subs": 2, "publish_ns": 3}], "own_us": 1});
        let floor =
            json!({"size": 64, "oneway_ns": {"p50": 150}, "rows": [{"subs": 2, "publish_ns": 2}]});
        let expected = json!({"oneway_ns": {"p50": 2}, "rows": [{"publish_ns": 1.5}]});
        assert_eq!(ratio(&bus, &floor), Some(expected));
        assert_eq!(ratio(&json!({"lost": 0}), &json!({"lost": 0})), None);
    }

    #[test]
    fn a_floor_of_nothing_has_no_ratio() {
        assert_eq!(ratio(&json!({"wait_ns": 3}), &json!({"wait_ns": 0})), None);
    }

    #[test]
    fn the_middle_half_is_not_bound_to_the_clock() {
        let mut latencies = Latencies::new().unwrap();
        for (ns, count) in [(60, 30), (70, 60), (9_000, 10)] {
            latencies.record_many(ns, count);
        }
        // Of 100, those from the 26th to the 75th: 5 of 60 and 45 of 70.
        assert!((latencies.middle_mean() - 69.0).abs() < 1e-9);
        assert_eq!(Latencies::new().unwrap().middle_mean(), 0.0);
    }

    #[test]
    fn latencies_survive_being_said() {
        let mut latencies = Latencies::new().unwrap();
        [150, 150, 163, 40_000]
            .into_iter()
            .for_each(|ns| latencies.record(ns));
        let heard = from_pairs(&to_pairs(&latencies)).unwrap();
        assert_eq!(heard.histogram(), latencies.histogram());
        assert!(from_pairs(&json!([[1, "x"]])).is_err());
    }
}

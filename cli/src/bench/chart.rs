//! Distributions of latencies as files: a picture, and a log for other tools.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::report::Report;
use super::run::Run;
use crate::args::ChartArgs;
use crate::latency::Latencies;
use crate::outcome::Failure;

/// The files that were asked for: open before anything is measured, and gone again if nothing is.
pub struct Charts {
    hdr: Option<Target>,
    svg: Option<Target>,
}

impl Charts {
    /// Makes the files, or opens those that are there and leaves them as they are.
    pub fn open(args: &ChartArgs) -> Result<Self, Failure> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(Target::open).transpose();
        let charts = Self {
            hdr: open(&args.hdr)?,
            svg: open(&args.svg)?,
        };
        match (&charts.hdr, &charts.svg) {
            (Some(hdr), Some(svg)) if hdr.is_same(svg) => Err(Failure::usage(format_args!(
                "--hdr and --svg both name {}: give each a file of its own",
                svg.path.display()
            ))),
            _ => Ok(charts),
        }
    }

    /// Writes what came out.
    pub fn write(self, report: &Report) -> Result<(), Failure> {
        let runs = runs(report);
        if let Some(hdr) = self.hdr {
            hdr.save(&log(&runs)?)?;
        }
        if let Some(svg) = self.svg {
            svg.save(svg_of(report.case, &runs).as_bytes())?;
        }
        Ok(())
    }
}

/// A file to be written at the end.
struct Target {
    path: PathBuf,
    file: File,
    /// It was not there before, and is not written yet.
    is_empty: bool,
}

impl Target {
    fn open(path: &Path) -> Result<Self, Failure> {
        let made = File::create_new(path).map(|file| (file, true));
        let opened = || File::options().write(true).open(path);
        let (file, is_empty) = match made {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => opened().map(|file| (file, false)),
            made => made,
        }
        .map_err(|e| cannot_write(path, &e))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            is_empty,
        })
    }

    /// Whether one would overwrite the other.
    fn is_same(&self, other: &Self) -> bool {
        let identify = |target: &Self| {
            let status = target.file.metadata().ok()?;
            status.is_file().then_some((status.dev(), status.ino()))
        };
        identify(self).is_some() && identify(self) == identify(other)
    }

    fn save(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.is_empty = false;
        // What is no file, such as /dev/stdout, has no length either.
        let _ = self.file.set_len(0);
        let written = self.file.write_all(bytes);
        written.map_err(|e| cannot_write(&self.path, &e))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.is_empty {
            // Nobody is left to be told if it cannot be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::io(format_args!("cannot write {}", path.display()), error)
}

fn runs(report: &Report) -> Vec<(&'static str, &Run)> {
    let runs = [("ringbus", &report.bus), ("floor", &report.floor)];
    runs.into_iter()
        .filter_map(|(peer, run)| Some((peer, run.as_ref()?)))
        .collect()
}

/// An interval log (version 1.3 of HdrHistogram's format) in nanoseconds, each distribution an
/// interval whose tag is `peer.name`.
fn log(runs: &[(&str, &Run)]) -> Result<Vec<u8>, Failure> {
    let (mut bytes, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let now = SystemTime::now();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment("[ringbus bench: latencies in nanoseconds]");
    builder.with_start_time(now).with_base_time(now);
    let mut log = builder
        .begin_log_with(&mut bytes, &mut serializer)
        .map_err(|e| Failure::io("cannot write the log", &e))?;
    for (peer, run) in runs {
        for (name, latencies) in &run.latencies {
            let tag = format!("{peer}.{name}");
            let histogram = latencies.histogram();
            let (start, lasts) = (Duration::ZERO, Duration::from_secs(1));
            log.write_histogram(histogram, start, lasts, Tag::new(&tag))
                .map_err(|e| Failure::say(format_args!("cannot write the log: {e:?}")))?;
        }
    }
    drop(log);
    Ok(bytes)
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// One for each curve, told apart by the colour-blind too (Okabe and Ito, 2008).
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];
/// What the horizontal axis shows, nine after nine.
const NINES: [(f64, &str); 7] = [
    (0.0, "0"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.9999, "99.99 %"),
    (0.99999, "99.999 %"),
];

/// Latency over percentile, both logarithmic: to the right by how few are slower.
fn svg_of(case: &str, runs: &[(&str, &Run)]) -> String {
    let curves: Vec<_> = runs
        .iter()
        .flat_map(|(peer, run)| run.latencies.iter().map(move |(name, of)| (peer, name, of)))
        .collect();
    let scale = Scale::of(curves.iter().map(|(_, _, of)| *of));
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = scale.frame(&mut text, case);
    for (number, (peer, name, latencies)) in curves.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points = scale.points(latencies);
        let y = TOP + 14.0 + 18.0 * number as f64;
        let x = WIDTH - RIGHT + 12.0;
        let name = name.trim_end_matches("_ns").replace('_', " ");
        let _ = write!(
            text,
            r#"<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{points}"/>
<text x="{x}" y="{y}" fill="{colour}">{peer} {name}</text>
"#
        );
    }
    text.push_str("</svg>\n");
    text
}

/// From latencies and percentiles to places.
struct Scale {
    /// Powers of ten of nanoseconds, at the bottom and at the top.
    decades: (i32, i32),
}

impl Scale {
    fn of<'l>(curves: impl Iterator<Item = &'l Latencies> + Clone) -> Self {
        let least = curves.clone().map(|of| of.histogram().min()).min();
        let most = curves
            .map(|of| of.histogram().value_at_quantile(QUANTILE_MAX))
            .max();
        let log = |ns: Option<u64>| (ns.unwrap_or(1).max(1) as f64).log10();
        let bottom = log(least).floor() as i32;
        Self {
            decades: (bottom, (log(most).ceil() as i32).max(bottom + 1)),
        }
    }

    fn x(quantile: f64) -> f64 {
        let nines = -(1.0 - quantile).log10();
        LEFT + nines / NINES_MAX * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, ns: f64) -> f64 {
        let (bottom, top) = (f64::from(self.decades.0), f64::from(self.decades.1));
        let part = (ns.max(1.0).log10() - bottom) / (top - bottom);
        HEIGHT - BOTTOM - part.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn points(&self, latencies: &Latencies) -> String {
        let mut points = String::new();
        // As fine as the picture.
        for step in 0..=400 {
            let quantile = 1.0 - 10_f64.powf(-NINES_MAX * f64::from(step) / 400.0);
            let ns = latencies.histogram().value_at_quantile(quantile) as f64;
            let _ = write!(points, "{:.1},{:.1} ", Self::x(quantile), self.y(ns));
        }
        points
    }

    fn frame(&self, text: &mut String, case: &str) -> std::fmt::Result {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        writeln!(
            text,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="{LEFT}" y="24" font-size="15">ringbus bench {case}: latency by percentile</text>"#
        )?;
        for (quantile, label) in NINES {
            let x = Self::x(quantile);
            writeln!(
                text,
                r##"<path d="M{x:.1} {TOP}V{bottom}" stroke="#ddd"/><text x="{x:.1}" y="{}" text-anchor="middle">{label}</text>"##,
                bottom + 18.0
            )?;
        }
        for decade in self.decades.0..=self.decades.1 {
            let ns = 10_f64.powi(decade);
            let (y, label) = (self.y(ns), crate::units::nanos(ns as u64));
            writeln!(
                text,
                r##"<path d="M{LEFT} {y:.1}H{right}" stroke="#ddd"/><text x="{}" y="{:.1}" text-anchor="end">{label}</text>"##,
                LEFT - 6.0,
                y + 4.0
            )?;
        }
        Ok(())
    }
}

/// The nines of the last percentile shown.
const NINES_MAX: f64 = 5.0;
const QUANTILE_MAX: f64 = 0.99999;

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use serde_json::json;

    use super::*;

    fn run() -> Run {
        let mut latencies = Latencies::new().unwrap();
        (100..200).for_each(|ns| latencies.record(ns));
        latencies.record(40_000);
        Run::of(json!({})).with("oneway_ns", latencies)
    }

    #[test]
    fn the_log_can_be_read_by_others() {
        let bytes = log(&[("ringbus", &run()), ("floor", &run())]).unwrap();
        let intervals: Vec<_> = IntervalLogIterator::new(&bytes)
            .filter_map(|entry| match entry.unwrap() {
                LogEntry::Interval(interval) => Some(interval),
                _ => None,
            })
            .collect();
        let tags: Vec<_> = intervals
            .iter()
            .map(|interval| interval.tag().map(|tag| tag.as_str()))
            .collect();
        assert_eq!(tags, [Some("ringbus.oneway_ns"), Some("floor.oneway_ns")]);
        assert!(
            (intervals[0].max() - 40_000.0).abs() < 100.0,
            "{}",
            intervals[0].max()
        );
    }

    #[test]
    fn the_picture_has_a_curve_for_each_that_rises_to_the_right() {
        let picture = svg_of("pingpong", &[("ringbus", &run()), ("floor", &run())]);
        assert_eq!(picture.matches("<polyline").count(), 2);
        let points = Scale { decades: (2, 5) }.points(&run().latencies[0].1);
        let points: Vec<Vec<f64>> = points
            .split_whitespace()
            .map(|point| point.split(',').map(|at| at.parse().unwrap()).collect())
            .collect();
        assert!(points.is_sorted_by(|a, b| a[0] <= b[0] && a[1] >= b[1]));
        let (first, last) = (&points[0], &points[points.len() - 1]);
        assert!(first[1] - last[1] > 100.0, "{first:?} {last:?}");
    }
}

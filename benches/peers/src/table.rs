//! What was measured, as a document.

use std::fmt::Write;

use serde_json::Value;

use crate::plan::{COLUMNS, Measured};

/// A line of the table: what it is called, the case, where its figure is, and by what it is divided.
type Row = (&'static str, &'static str, &'static str, f64);

const ROWS: &[Row] = &[
    (
        "one way, both poll: p50, ns",
        "pingpong",
        "/oneway_ns/p50",
        1.0,
    ),
    (
        "one way, both poll: p99, ns",
        "pingpong",
        "/oneway_ns/p99",
        1.0,
    ),
    (
        "stream, millions of messages a second",
        "stream",
        "/msgs_per_s",
        1e6,
    ),
    (
        "publish, 1 subscriber, ns",
        "fanout",
        "/rows/0/publish_ns",
        1.0,
    ),
    (
        "publish, 4 subscribers, ns",
        "fanout",
        "/rows/1/publish_ns",
        1.0,
    ),
    (
        "publish, 16 subscribers, ns",
        "fanout",
        "/rows/2/publish_ns",
        1.0,
    ),
    (
        "take, 1 subscriber, ns",
        "fanout",
        "/rows/0/take_ns_each",
        1.0,
    ),
    (
        "take, each of 16 subscribers, ns",
        "fanout",
        "/rows/2/take_ns_each",
        1.0,
    ),
    ("to a sleeper: p50, us", "wake", "/oneway_ns/p50", 1e3),
    (
        "to a sleeper, its core kept awake: p50, us",
        "wake",
        "/spinner_oneway_ns/p50",
        1e3,
    ),
    (
        "to a sleeper in a wait set: p50, us",
        "waitset",
        "/oneway_ns/p50",
        1e3,
    ),
    (
        "the same, its core kept awake: p50, us",
        "waitset",
        "/spinner_oneway_ns/p50",
        1e3,
    ),
    (
        "1 publisher of a topic for many, millions a second",
        "contention",
        "/rows/0/msgs_per_s",
        1e6,
    ),
    (
        "2 publishers, millions a second",
        "contention",
        "/rows/1/msgs_per_s",
        1e6,
    ),
    (
        "4 publishers, millions a second",
        "contention",
        "/rows/2/msgs_per_s",
        1e6,
    ),
    (
        "call: half of a request and its reply: p50, ns",
        "call",
        "/oneway_ns/p50",
        1.0,
    ),
];

/// The whole document.
pub fn document(
    measured: &Measured,
    rounds: usize,
    conditions: &[String],
    failed: &[String],
) -> String {
    let mut out = format!(
        "# ringbus beside its peers\n\n\
         Messages of 64 bytes, all of them written and checked; medians of {rounds} rounds, in each of which \
         every program ran in new processes, one after the other. In brackets: the figure divided by that of \
         ringbus.\n\n| |"
    );
    for column in COLUMNS {
        let _ = write!(out, " {column} |");
    }
    let _ = write!(out, "\n|---|{}\n", "---:|".repeat(COLUMNS.len()));
    for &(label, case, pointer, unit) in ROWS {
        let of = |column| figure(measured, case, column, pointer).map(|figure| figure / unit);
        let ringbus = of("ringbus");
        let _ = write!(out, "| {label} |");
        for &column in COLUMNS {
            let _ = match (of(column), ringbus) {
                (None, _) => write!(out, " |"),
                (Some(figure), Some(ringbus)) if column != "ringbus" => {
                    write!(out, " {} ({}) |", shown(figure), shown(figure / ringbus))
                }
                (Some(figure), _) => write!(out, " {} |", shown(figure)),
            };
        }
        out.push('\n');
    }
    out.push_str(
        "\nThe floor is bare shared memory by hand, for one writer and one reader that trust each other: two \
         stamped lines, a ring of the same header and slots, a futex; that of calls is two publishes of \
         ringbus, and that of many publishers the ring of one. What a peer has not, or cannot do asleep, is \
         left empty: disruptor-mp has one publisher, Aeron and it no blocking wait. In the fan-out, every message is \
         published by a call of its own; ringbus and the floor take them one by one too, the peers as many as \
         there are with one call.\n\n\
         A table of many subscribers and publishers, each on a core of its own, needs a bigger machine than \
         this one, and is not here.\n\n## Conditions\n\n",
    );
    for line in conditions {
        let _ = writeln!(out, "- {line}");
    }
    for what in failed {
        let _ = writeln!(out, "- Not measured: {what}.");
    }
    let _ = write!(
        out,
        "- Publisher and subscriber each on a core of its own, the fan-out in one thread; several publishers \
         are spread over both cores, the subscriber is on the second.\n\
         - Aeron's driver has no core of its own here, and sleeps: spinning, it holds up both.\n\n\
         ```sh\n\
         cargo build --release -p ringbus-cli\n\
         cargo run --release --manifest-path benches/peers/Cargo.toml --features aeron -- \\\n    \
         --ringbus target/release/ringbus --rounds {rounds} --write benches/RESULTS.md\n\
         ```\n\n\
         `--features aeron` builds Aeron, which needs CMake 3.30 or later, clang and a C++ compiler; without \
         it the column stays empty.\n"
    );
    out
}

/// The median of a figure over all rounds.
fn figure(measured: &Measured, case: &str, column: &str, pointer: &str) -> Option<f64> {
    let (_, rounds) = measured.iter().find(|(key, _)| **key == (case, column))?;
    let figures = rounds.iter().filter_map(|round| round.pointer(pointer));
    let mut figures: Vec<f64> = figures.filter_map(Value::as_f64).collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => None,
        len if len % 2 == 0 => Some(f64::midpoint(figures[middle - 1], figures[middle])),
        _ => Some(figures[middle]),
    }
}

fn shown(figure: f64) -> String {
    match figure {
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_figure_is_the_median_of_its_rounds_beside_its_ratio_to_ringbus() {
        let mut measured = Measured::new();
        let rounds = |of: [u64; 3]| of.map(|p50| json!({"oneway_ns": {"p50": p50}})).to_vec();
        measured.insert(("pingpong", "ringbus"), rounds([300, 100, 200]));
        measured.insert(("pingpong", "aeron"), rounds([400, 500, 100]));
        let document = document(&measured, 3, &[], &[]);
        let row = document
            .lines()
            .find(|line| line.contains("both poll: p50"));
        assert_eq!(
            row,
            Some("| one way, both poll: p50, ns | | 200 | | | 400 (2.00) | |")
        );
    }
}

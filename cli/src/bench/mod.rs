//! `ringbus bench`: the bus measured beside what the machine itself can do.
//!
//! One file a case. A case takes place on a [`scene`] of its own, has a [`crew`] of processes play its
//! roles, and returns the figures of one [`run`]: once through the bus, and once through bare memory
//! ([`floor`]). Here they are alternated, and the medians of both [`report`]ed.

mod attach;
mod backoff;
mod call;
mod chart;
mod clock;
mod contention;
mod crew;
mod fanout;
mod filter;
mod floor;
mod form;
mod memory;
mod multi;
mod pingpong;
mod processor;
mod region;
mod report;
mod run;
mod scene;
mod sizes;
mod stream;
mod through_c;
mod turns;
mod via;
mod wake;

use serde_json::{Value, json};

use crate::args::{Bench, BenchArgs, BenchCase, BenchRoleArgs, ChartArgs, CommonArgs, Place};
use crate::outcome::{Failure, Outcome, complain};
use crate::signals::Stop;

use chart::Charts;
use clock::Clock;
use report::Report;
use run::Run;
use scene::Scene;

/// Measures, and prints what came out.
pub fn run(place: &Place, args: &BenchArgs) -> Result<Outcome, Failure> {
    if cfg!(debug_assertions) {
        complain("this is a debug build, whose figures mean nothing: build with --release");
    }
    let (case, is_floor_only) = match &args.what {
        Bench::Case(case) => (case, false),
        Bench::Floor { case } => (case, true),
    };
    let plan = Plan::of(case);
    let stop = Stop::install()?;
    let charts = plan.chart.map(Charts::open).transpose()?;
    let report = plan.measure(place, is_floor_only, &stop)?;
    report.print(plan.common)?;
    if let Some(charts) = charts {
        charts.write(&report)?;
    }
    Ok(Outcome::Done)
}

/// Plays a role in a case of another process of this program.
pub fn play(args: &BenchRoleArgs) -> Result<Outcome, Failure> {
    let roles = [
        pingpong::ROLES,
        stream::ROLES,
        fanout::ROLES,
        wake::ROLES,
        contention::ROLES,
        sizes::ROLES,
        attach::ROLES,
        memory::ROLES,
        call::ROLES,
        filter::ROLES,
        multi::ROLES,
    ];
    crew::play(&roles, args)
}

/// One run of something.
type Measure<'a> = Box<dyn Fn(&Scene) -> Result<Run, Failure> + 'a>;

/// What is to be measured.
struct Plan<'a> {
    case: &'static str,
    setting: Value,
    common: &'a CommonArgs,
    chart: Option<&'a ChartArgs>,
    bus: Measure<'a>,
    floor: Measure<'a>,
}

/// The two halves of a case as a plan has them.
macro_rules! halves {
    ($case:ident, $args:expr) => {
        (
            Box::new(move |scene: &Scene| $case::bus(scene, $args)) as Measure,
            Box::new(move |scene: &Scene| $case::floor(scene, $args)) as Measure,
        )
    };
}

impl<'a> Plan<'a> {
    fn of(case: &'a BenchCase) -> Self {
        let (case, setting, common, chart, (bus, floor)) = match case {
            BenchCase::Pingpong(args) => {
                let mut setting = args.form.setting();
                setting["via"] = json!(args.via.name());
                (
                    "pingpong",
                    setting,
                    &args.common,
                    Some(&args.chart),
                    halves!(pingpong, args),
                )
            }
            BenchCase::Stream(args) => {
                let mut setting = args.form.setting();
                setting["batch"] = json!(args.batch);
                setting["via"] = json!(args.via.name());
                ("stream", setting, &args.common, None, halves!(stream, args))
            }
            BenchCase::Fanout(args) => (
                "fanout",
                args.form.setting(),
                &args.common,
                None,
                halves!(fanout, args),
            ),
            BenchCase::Wake(args) => (
                "wake",
                args.form.setting(),
                &args.common,
                Some(&args.chart),
                halves!(wake, args),
            ),
            BenchCase::Contention(args) => (
                "contention",
                json!({"size": args.size, "mode": "shared"}),
                &args.common,
                None,
                halves!(contention, args),
            ),
            BenchCase::Sizes(args) => {
                ("sizes", json!({}), &args.common, None, halves!(sizes, args))
            }
            BenchCase::Attach(args) => (
                "attach",
                json!({}),
                &args.common,
                Some(&args.chart),
                halves!(attach, args),
            ),
            BenchCase::Call(args) => (
                "call",
                json!({"size": args.size}),
                &args.common,
                Some(&args.chart),
                halves!(call, args),
            ),
            BenchCase::Filter(args) => (
                "filter",
                json!({}),
                &args.common,
                None,
                halves!(filter, args),
            ),
            BenchCase::Multi(args) => {
                ("multi", json!({}), &args.common, None, halves!(multi, args))
            }
            BenchCase::Memory(args) => (
                "memory",
                json!({}),
                &args.common,
                None,
                halves!(memory, args),
            ),
        };
        Self {
            case,
            setting,
            common,
            chart,
            bus,
            floor,
        }
    }

    /// Alternates bus and floor, each time in new processes and new memory.
    fn measure(&self, place: &Place, is_floor_only: bool, stop: &Stop) -> Result<Report, Failure> {
        let wants_floor = self.common.rounds.is_some()
            || self.chart.is_some_and(|chart| chart.svg.is_some())
            || is_floor_only;
        let rounds = self.common.rounds.unwrap_or(1);
        let (mut bus, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let scene = || Scene::new(place, self.common, stop);
            if !is_floor_only {
                bus.push((self.bus)(&scene()?)?);
            }
            if wants_floor {
                floor.push((self.floor)(&scene()?)?);
            }
        }
        let median = |runs: Vec<Run>| (!runs.is_empty()).then(|| Run::median(runs));
        Ok(Report {
            case: self.case,
            setting: self.setting.clone(),
            rounds,
            clock_ns: Clock::new().cost_ns(),
            bus: median(bus),
            floor: median(floor),
        })
    }
}

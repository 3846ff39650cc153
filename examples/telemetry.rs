//! Where is the robot now? Poses at 200 Hz, read at 20 Hz: always the newest, never a queue.
//!
//! `latest` jumps over what came in between, so a topic of two slots is enough: it is a value that
//! anybody may look at, not a log.

mod scratch;

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use ringbus::{Bus, Publisher, Timestamp};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const POSES: u64 = 400;
const POSE_EVERY: Duration = Duration::from_millis(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Position in metres and orientation as a quaternion.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Pose {
    time_ns: u64,
    position: [f64; 3],
    orientation: [f64; 4],
}

impl Pose {
    /// Once around a circle of one metre, looking ahead.
    fn new(n: u64, time_ns: u64) -> Self {
        let angle = n as f64 / POSES as f64 * std::f64::consts::TAU;
        let (sin, cos) = angle.sin_cos();
        let (half_sin, half_cos) = (angle / 2.0).sin_cos();
        Self {
            time_ns,
            position: [cos, sin, 0.0],
            orientation: [half_cos, 0.0, 0.0, half_sin],
        }
    }
}

fn robot(publisher: Publisher<Pose>) -> Result<(), ringbus::Error> {
    let start = Instant::now();
    for n in 0..POSES {
        let due = start + POSE_EVERY * n as u32;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        publisher.publish(&Pose::new(n, Timestamp::now().as_nanos()))?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = scratch::Scratch::new("telemetry")?;
    let bus = Bus::builder().dir(scratch.path()).open()?;
    let topic = bus
        .topic("robot/pose")
        .typed::<Pose>()
        .capacity(2)
        .create()?;
    let mut subscriber = topic.subscriber().join()?;
    let publisher = topic.publisher()?;
    let robot = thread::spawn(|| robot(publisher));

    let mut looks = 0;
    let mut newest = None;
    while newest < Some(POSES - 1) {
        assert!(
            subscriber.wait(Duration::from_secs(10))?,
            "the robot went silent"
        );
        if let Some(pose) = subscriber.latest()? {
            assert!(newest < Some(pose.sequence()), "time ran backwards");
            assert_eq!(
                *pose,
                Pose::new(pose.sequence(), pose.time_ns),
                "a torn pose"
            );
            newest = Some(pose.sequence());
            looks += 1;
            let [x, y, _] = pose.position;
            let age_us = (Timestamp::now().as_nanos() - pose.time_ns) / 1000;
            println!(
                "pose {:3}: x {x:+.3} m, y {y:+.3} m, {age_us} us old",
                pose.sequence()
            );
        }
        thread::sleep(LOOK_EVERY);
    }
    robot.join().expect("the robot does not panic")?;
    println!("{looks} looks at {POSES} poses");
    assert!(
        (5..POSES / 2).contains(&looks),
        "neither a few looks nor one for every pose"
    );
    Ok(())
}

//! The typed topic of the README.

use ringbus::{Bus, Error};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Pose {
    x: f64,
    y: f64,
}

fn poses() -> Result<(), Error> {
    let topic = Bus::open("hello")?.topic("robot/pose").typed::<Pose>();
    let topic = topic.open_or_create()?;
    let mut subscriber = topic.subscriber().reliable().join()?;
    let publisher = topic.publisher()?;

    publisher.publish(&Pose { x: 1.0, y: 2.0 })?; // a copy
    let mut loan = publisher.loan()?;
    loan.x = 3.0; // in place
    loan.y = 4.0;
    loan.commit()?;

    for pose in &subscriber.poll_batch(64)? {
        println!("{}: {}, {}", pose.sequence(), pose.x, pose.y);
    }
    Ok(())
}

fn main() {
    if let Err(error) = poses() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

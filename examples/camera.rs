//! Camera frames of 8 MiB, written and read in place: not one byte of them is copied.
//!
//! The camera draws into a loan, which is the frame's place in shared memory; the viewer reads it
//! there. Both look up their frame's address in the process's memory map to prove it.

mod scratch;

use std::error::Error;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use std::{fs, thread};

use ringbus::{Bus, Publisher, Topic};

const FRAME_BYTES: usize = 8 << 20;
const FRAMES: u64 = 24;
const LONG: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = scratch::Scratch::new("camera")?;
    let bus = Bus::builder().dir(scratch.path()).open()?;
    let builder = bus
        .topic("camera/front")
        .payload_fixed(FRAME_BYTES)
        .alignment(4096);
    let topic = builder.capacity(2).max_subscribers(1).create()?;
    let segment = Segment::of(&bus)?;

    let mut viewer = topic.subscriber().reliable().join()?;
    let publisher = topic.publisher()?;
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let camera = scope.spawn(|| camera(publisher, &segment));
        for n in 0..FRAMES {
            assert!(viewer.wait(LONG)?, "the camera went dark before frame {n}");
            let frame = viewer.poll()?.expect("wait said there is one");
            assert!(segment.holds(&frame), "the viewer got a copy");
            assert!(
                frame.iter().all(|pixel| *pixel == shade(n)),
                "frame {n} is torn"
            );
        }
        Ok(camera.join().expect("the camera's claims hold")?)
    })?;
    report(&topic);
    Ok(())
}

fn camera(publisher: Publisher<[u8]>, segment: &Segment) -> Result<(), ringbus::Error> {
    for n in 0..FRAMES {
        let mut frame = publisher.loan_timeout(FRAME_BYTES, LONG)?;
        assert!(segment.holds(&frame), "the camera draws elsewhere");
        frame.fill(shade(n));
        assert_eq!(frame.commit()?, n);
    }
    Ok(())
}

fn shade(n: u64) -> u8 {
    n as u8 * 10
}

fn report(topic: &Topic<[u8]>) {
    let info = topic.info();
    println!(
        "{} frames, {} bytes: each lay in the segment for both",
        info.published, info.bytes
    );
    assert_eq!(info.bytes, FRAMES * FRAME_BYTES as u64);
}

/// The topic's file, as the memory map knows it.
struct Segment {
    inode: String,
}

impl Segment {
    fn of(bus: &Bus) -> Result<Self, Box<dyn Error>> {
        let mut files = fs::read_dir(bus.path().join("topics"))?.filter_map(Result::ok);
        let ring = files.find(|file| file.path().extension().is_some_and(|e| e == "ring"));
        let mut file = ring.ok_or("no topic")?.path();
        if cfg!(feature = "portable") {
            // There, the file names the memory and is not it.
            let id = fs::read(&file)?[16..24]
                .try_into()
                .map(u64::from_ne_bytes)?;
            file = format!("/dev/shm/ringbus-{id:016x}").into();
        }
        let inode = file.metadata()?.ino().to_string();
        Ok(Self { inode })
    }

    /// Whether all of `bytes` lies in one mapping of the file.
    fn holds(&self, bytes: &[u8]) -> bool {
        let range = bytes.as_ptr_range();
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        maps.lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (start, end) = fields[0].split_once('-').unwrap_or_default();
            let address = |hex| usize::from_str_radix(hex, 16).unwrap_or(0);
            fields[4] == self.inode
                && address(start) <= range.start as usize
                && range.end as usize <= address(end)
        })
    }
}

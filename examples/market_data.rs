//! Order-book updates from a feed to a strategy: typed messages, two processes, nothing lost.
//!
//! Runs the strategy here and the feed in a process of its own. The strategy is a reliable
//! subscriber, so the feed waits rather than overwrite what it has not seen.

mod scratch;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, process};

use ringbus::{Bus, Meta, Patience, Topic};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const UPDATES: u64 = 1_000_000;
const LONG: Duration = Duration::from_secs(10);

/// The new quantity at one price of one instrument; zero removes the price.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct BookUpdate {
    price_ticks: i64,
    quantity: u64,
    instrument: u32,
    is_ask: u32,
}

/// The market, made up: bids at 990 to 999 ticks, asks at 1001 to 1010.
fn update(n: u64) -> BookUpdate {
    let is_ask = (n / 4 % 2) as u32;
    let depth = (n * 7 % 10) as i64;
    let price_ticks = if is_ask == 1 {
        1001 + depth
    } else {
        999 - depth
    };
    BookUpdate {
        price_ticks,
        quantity: n % 5 * 100,
        instrument: (n % 4) as u32,
        is_ask,
    }
}

fn topic(dir: &Path) -> Result<Topic<BookUpdate>, ringbus::Error> {
    let bus = Bus::builder().dir(dir).open()?;
    Ok(bus
        .topic("market/books")
        .typed::<BookUpdate>()
        .open_or_create()?)
}

fn feed(dir: &Path) -> Result<(), Box<dyn Error>> {
    let publisher = topic(dir)?.publisher()?;
    assert!(publisher.wait_subscribers(1, LONG)?, "no strategy came");
    for n in 0..UPDATES {
        let update = update(n);
        // The tag lets a subscriber tell instruments apart without reading the payload.
        let meta = Meta::new().tag(update.instrument.into());
        publisher.publish_with(meta, &update, Patience::For(LONG))?;
    }
    Ok(())
}

fn strategy(dir: &Path) -> Result<(), Box<dyn Error>> {
    let mut subscriber = topic(dir)?.subscriber().reliable().join()?;
    let mut feed = Command::new(env::current_exe()?)
        .arg("feed")
        .arg(dir)
        .spawn()?;
    let mut books: [[BTreeMap<i64, u64>; 2]; 4] = Default::default();
    let start = Instant::now();
    for n in 0..UPDATES {
        assert!(
            subscriber.wait(LONG)?,
            "the feed went silent before update {n}"
        );
        let message = subscriber.poll()?.expect("wait said there is one");
        assert_eq!(
            (message.sequence(), *message),
            (n, update(n)),
            "lost or torn"
        );
        let side = &mut books[message.tag() as usize][message.is_ask as usize];
        match message.quantity {
            0 => side.remove(&message.price_ticks),
            quantity => side.insert(message.price_ticks, quantity),
        };
    }
    println!("{UPDATES} updates in {:?}, none lost", start.elapsed());
    for (instrument, [bids, asks]) in books.iter().enumerate() {
        let (bid, ask) = (bids.last_key_value(), asks.first_key_value());
        println!("instrument {instrument}: best bid {bid:?}, best ask {ask:?}");
    }
    assert!(feed.wait()?.success());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => strategy(scratch::Scratch::new("market-data")?.path()),
        ["feed", dir] => feed(dir.as_ref()),
        _ => process::exit(2),
    }
}

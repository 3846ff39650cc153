//! The first program of the README.

use ringbus::{Bus, Error};

fn main() {
    if let Err(error) = hello() {
        eprintln!("{error}"); // what went wrong, where, and what to do
        std::process::exit(1);
    }
}

fn hello() -> Result<(), Error> {
    let topic = Bus::open("hello")?.topic("greetings").open_or_create()?;
    let mut subscriber = topic.subscriber().join()?;
    let publisher = topic.publisher()?;

    publisher.publish(b"hello, world")?;

    while let Some(message) = subscriber.poll()? {
        let text = String::from_utf8_lossy(&message);
        println!("{}: {text}", message.sequence());
    }
    Ok(())
}

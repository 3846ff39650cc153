//! The first program of the README.

use ringbus::{Bus, Error};

fn main() -> Result<(), Error> {
    let topic = Bus::open("hello")?.topic("greetings").open_or_create()?;
    let mut subscriber = topic.subscriber().reliable().join()?;
    let publisher = topic.publisher()?;

    publisher.publish(b"hello, world")?;

    while let Some(message) = subscriber.poll()? {
        let text = String::from_utf8_lossy(&message);
        println!("{}: {text}", message.sequence());
    }
    Ok(())
}

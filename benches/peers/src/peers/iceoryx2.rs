//! iceoryx2: messages written in place in memory loaned ahead, queues that hold a burst and do not
//! overflow, and samples given back many at a time.

use std::ops::Range;
use std::time::Duration;

use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::*;
use iceoryx2::sample::Sample;
use iceoryx2::sample_mut_uninit::SampleMutUninit;
use iceoryx2::waitset::WaitSet;
use std::mem::MaybeUninit;

use crate::Failure;
use crate::cases::{Ends, Payload, Peer, Receiver, Sender, WARM_UP, Wait, time_trips};
use crate::crew::Part;

/// The peer.
pub struct Iceoryx2;

type Bus = ipc::Service;

/// Messages that a subscriber's queue holds.
const QUEUE: usize = 1024;
/// Messages that a subscriber holds before it gives them back.
const HELD: usize = 256;
/// Waits after a look that found nothing, in a stream: more is there at the next one.
const SPINS: u32 = 300;

impl Peer for Iceoryx2 {
    const NAME: &'static str = "iceoryx2";
    const CASES: &'static [&'static str] = &[
        "pingpong",
        "stream",
        "fanout",
        "wake",
        "waitset",
        "contention",
        "call",
    ];
    type Sender = Out;
    type Receiver = In;

    fn sender(part: &Part, topic: &str, of: Ends) -> Result<Out, Failure> {
        let node = node(part)?;
        let service = service(&node, topic, of)?;
        let publisher = service
            .publisher_builder()
            .max_loaned_samples(2)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        let notifier = match is_sleeping(of) {
            true => Some(event(&node, topic)?.notifier_builder().create()?),
            false => None,
        };
        Ok(Out {
            loaned: None,
            publisher,
            notifier,
            _node: node,
        })
    }

    fn receiver(part: &Part, topic: &str, _: u64, of: Ends) -> Result<In, Failure> {
        let node = node(part)?;
        let service = service(&node, topic, of)?;
        let subscriber = service.subscriber_builder().buffer_size(QUEUE).create()?;
        let listener = match is_sleeping(of) {
            true => Some(event(&node, topic)?.listener_builder().create()?),
            false => None,
        };
        let bed = match (listener, of.wait) {
            (None, _) => Bed::None,
            (Some(listener), Wait::Set) => Bed::set(listener)?,
            (Some(listener), _) => Bed::Alone(Box::new(listener)),
        };
        Ok(In {
            held: Vec::with_capacity(HELD),
            subscriber,
            bed,
            spins: if of.wait == Wait::Stream { SPINS } else { 0 },
            _node: node,
        })
    }

    fn play_own(role: &str, part: &mut Part) -> Result<(), Failure> {
        match role {
            "caller" => caller(part),
            "server" => server(part),
            other => Err(format!("iceoryx2 has no role {other}").into()),
        }
    }
}

fn is_sleeping(of: Ends) -> bool {
    matches!(of.wait, Wait::Sleep | Wait::Set)
}

/// Everything below the run's directory, or of its names.
fn node(part: &Part) -> Result<Node<Bus>, Failure> {
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    let root = part.dir().join("iox2").to_string_lossy().into_owned();
    config.global.set_root_path(&Path::new(root.as_bytes())?);
    config.global.prefix = FileName::new(part.tag().as_bytes())?;
    config
        .defaults
        .publish_subscribe
        .subscriber_expired_connection_buffer = 4;
    Ok(NodeBuilder::new()
        .config(&config)
        .signal_handling_mode(SignalHandlingMode::Disabled)
        .create::<Bus>()?)
}

type Topic = iceoryx2::service::port_factory::publish_subscribe::PortFactory<Bus, Payload, ()>;

fn service(node: &Node<Bus>, topic: &str, of: Ends) -> Result<Topic, Failure> {
    Ok(node
        .service_builder(&topic.try_into()?)
        .publish_subscribe::<Payload>()
        .payload_alignment(Alignment::new(64).ok_or("64 is an alignment")?)
        .max_publishers(of.senders as usize)
        .max_subscribers(of.receivers as usize)
        .max_nodes((of.senders + of.receivers) as usize)
        .history_size(0)
        .enable_safe_overflow(false)
        .subscriber_max_buffer_size(QUEUE)
        .subscriber_max_borrowed_samples(HELD)
        .open_or_create()?)
}

type Event = iceoryx2::service::port_factory::event::PortFactory<Bus>;

fn event(node: &Node<Bus>, topic: &str) -> Result<Event, Failure> {
    Ok(node
        .service_builder(&topic.try_into()?)
        .event()
        .max_notifiers(1)
        .max_listeners(1)
        .open_or_create()?)
}

/// A publisher, and who wakes the sleepers. Fields are dropped in this order.
pub struct Out {
    /// The next message's place.
    loaned: Option<SampleMutUninit<Bus, MaybeUninit<Payload>, ()>>,
    publisher: Publisher<Bus, Payload, ()>,
    notifier: Option<Notifier<Bus>>,
    _node: Node<Bus>,
}

impl Sender for Out {
    fn connect(&mut self) -> Result<(), Failure> {
        self.loaned = Some(self.publisher.loan_uninit()?);
        Ok(self.publisher.update_connections()?)
    }

    #[inline(always)]
    fn send(&mut self, numbers: Range<u64>, fill: impl Fn(u64) -> Payload) -> Result<(), Failure> {
        for number in numbers {
            let place = match self.loaned.take() {
                Some(place) => place,
                None => self.publisher.loan_uninit()?,
            };
            place.write_payload(fill(number)).send()?;
            // While the others are busy with what was sent.
            self.loaned = Some(self.publisher.loan_uninit()?);
        }
        if let Some(notifier) = &self.notifier {
            notifier.notify()?;
        }
        Ok(())
    }
}

/// A subscriber, and what it sleeps in.
pub struct In {
    held: Vec<Sample<Bus, Payload, ()>>,
    subscriber: Subscriber<Bus, Payload, ()>,
    bed: Bed,
    spins: u32,
    _node: Node<Bus>,
}

/// What a subscriber sleeps in.
enum Bed {
    /// It does not.
    None,
    /// A listener of its own.
    Alone(Box<Listener<Bus>>),
    /// A set that the listener is attached to; for the process's life, as the guard borrows both.
    Set(
        &'static WaitSet<Bus>,
        &'static Listener<Bus>,
        #[expect(dead_code, reason = "held for its drop")] WaitSetGuard<'static, 'static, Bus>,
    ),
}

impl Bed {
    fn set(listener: Listener<Bus>) -> Result<Self, Failure> {
        let listener = &*Box::leak(Box::new(listener));
        let set = &*Box::leak(Box::new(WaitSetBuilder::new().create::<Bus>()?));
        Ok(Self::Set(set, listener, set.attach_notification(listener)?))
    }
}

impl Receiver for In {
    #[inline(always)]
    fn take(&mut self, max: usize, mut see: impl FnMut(&Payload)) -> Result<usize, Failure> {
        while self.held.len() < max.min(HELD) {
            let Some(sample) = self.subscriber.receive()? else {
                break;
            };
            see(sample.payload());
            self.held.push(sample);
        }
        let taken = self.held.len();
        self.held.clear();
        if taken == 0 {
            (0..self.spins).for_each(|_| std::hint::spin_loop());
        }
        Ok(taken)
    }

    fn sleep(&mut self) -> Result<(), Failure> {
        match &self.bed {
            Bed::None => return Err("nobody would wake it".into()),
            Bed::Alone(listener) => _ = listener.blocking_wait(|_| {})?,
            Bed::Set(set, listener, _) => {
                let mut heard = Ok(0);
                set.wait_and_process_once_with_timeout(
                    |_| {
                        heard = listener.try_wait(|_| {});
                        CallbackProgression::Continue
                    },
                    Duration::from_secs(1),
                )?;
                heard?;
            }
        }
        Ok(())
    }
}

type Service =
    iceoryx2::service::port_factory::request_response::PortFactory<Bus, Payload, (), Payload, ()>;

fn calls(node: &Node<Bus>) -> Result<Service, Failure> {
    Ok(node
        .service_builder(&"call".try_into()?)
        .request_response::<Payload, Payload>()
        .max_clients(1)
        .max_servers(1)
        .max_nodes(2)
        .open_or_create()?)
}

fn caller(part: &mut Part) -> Result<(), Failure> {
    let count = part.number()?;
    let node = node(part)?;
    let client = calls(&node)?.client_builder().create()?;
    part.ready()?;
    part.ready()?;
    part.ready()?;
    let figures = time_trips(count, |number| {
        let pending = client.loan_uninit()?.write_payload([number; 8]).send()?;
        loop {
            if let Some(reply) = pending.receive()? {
                let found = [reply.payload()[0], reply.payload()[7]];
                return match found == [number; 2] {
                    true => Ok(()),
                    false => Err(format!("{found:?} came where {number} was due").into()),
                };
            }
            std::hint::spin_loop();
        }
    })?;
    part.say(&figures)
}

fn server(part: &mut Part) -> Result<(), Failure> {
    let count = part.number()?;
    let node = node(part)?;
    part.ready()?;
    let server = calls(&node)?.server_builder().create()?;
    part.ready()?;
    part.ready()?;
    let mut answered = 0;
    while answered < WARM_UP.min(count) + count {
        match server.receive()? {
            Some(request) => {
                let answer = *request.payload();
                request.loan_uninit()?.write_payload(answer).send()?;
                answered += 1;
            }
            None => std::hint::spin_loop(),
        }
    }
    part.wait();
    Ok(())
}

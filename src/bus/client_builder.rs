//! How a client is to be.

use std::{marker::PhantomData, time::Duration};

use super::{
    Bus, Client, Filter, Payload, Start, TypeDescription,
    call::{CallError, ServiceForm},
    error::TopicError,
    publisher_core::PublisherCore,
    subscriber::DEFAULT_SPIN,
    subscriber_core::{Joining, SubscriberCore},
};
use crate::ring::cursor::Delivery;

/// How a client is to be; made by [`Bus::client`].
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let server = bus.server("sums").join()?;
/// let client = bus.client("sums").reliable().join()?;
/// assert_eq!(client.servers(), 1);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[must_use = "a builder does nothing until `join`"]
pub struct ClientBuilder<Q: ?Sized, R: ?Sized> {
    bus: Bus,
    service: String,
    form: ServiceForm,
    delivery: Delivery,
    spin: Duration,
    payload: PhantomData<fn(&Q, &R)>,
}

/// How long a reliable client may hold up servers.
const STALL_TIMEOUT: Duration = Duration::from_secs(1);

impl Bus {
    /// Starts to configure a client of the service `name`; [`join`](ClientBuilder::join) makes it.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let server = bus.server("sums").join()?;
    /// let client = bus.client("sums").join()?;
    /// assert_eq!(client.servers(), 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn client(&self, name: &str) -> ClientBuilder<[u8], [u8]> {
        ClientBuilder {
            bus: self.clone(),
            service: name.to_owned(),
            form: ServiceForm::default(),
            delivery: Delivery::Lossy,
            spin: DEFAULT_SPIN,
            payload: PhantomData,
        }
    }
}

impl ClientBuilder<[u8], [u8]> {
    /// Sends requests of one type and takes answers of another, each `T` or `[T]`.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let server = bus.server("mean").typed::<[f64], f64>().join()?;
    /// let client = bus.client("mean").typed::<[f64], f64>().join()?;
    /// # assert_eq!(client.servers(), 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn typed<Q: Payload + ?Sized, R: Payload + ?Sized>(self) -> ClientBuilder<Q, R> {
        ClientBuilder {
            bus: self.bus,
            service: self.service,
            form: self.form,
            delivery: self.delivery,
            spin: self.spin,
            payload: PhantomData,
        }
    }

    /// Describes the types of requests and replies instead of naming Rust types: see
    /// [`ServerBuilder::described`](super::ServerBuilder::described).
    pub fn described(mut self, request: TypeDescription, reply: TypeDescription) -> Self {
        self.form.request_type = request.name.is_some().then_some(request);
        self.form.reply_type = reply.name.is_some().then_some(reply);
        self
    }
}

impl<Q: Payload + ?Sized, R: Payload + ?Sized> ClientBuilder<Q, R> {
    /// Lets servers wait for it, up to a second, where it does not take replies as fast as they come. Without
    /// it, a client that is a ring of replies behind is told [`CallError::Lost`].
    pub fn reliable(mut self) -> Self {
        self.delivery = Delivery::Reliable;
        self
    }

    /// As [`SubscriberBuilder::spin`](super::SubscriberBuilder::spin).
    pub fn spin(mut self, time: Duration) -> Self {
        self.spin = time;
        self
    }

    /// Joins the service, which a server has made.
    ///
    /// # Errors
    ///
    /// [`CallError::NoServer`] where nobody ever served; [`CallError::Topic`] where the types are others;
    /// [`CallError::Join`] where this process may not use the service's topics, or 256 clients are there.
    pub fn join(self) -> Result<Client<Q, R>, CallError> {
        let form = &self.form;
        let no_server = |error| match error {
            TopicError::NotFound { .. } => CallError::NoServer {
                service: self.service.clone(),
            },
            error => error.into(),
        };
        let requests = form.requests::<Q>(&self.bus, &self.service);
        let requests = requests.open().map_err(no_server)?;
        let replies = form.replies::<R>(&self.bus, &self.service);
        let replies = replies.open().map_err(no_server)?;
        let joining = Joining {
            delivery: self.delivery,
            stall_timeout: (self.delivery == Delivery::Reliable).then_some(STALL_TIMEOUT),
            start: Start::Latest,
            spin: self.spin,
            filter: Filter::new(),
            payload_test: None,
        };
        let topic = replies.shared();
        let replies = SubscriberCore::join(topic, joining)?;
        let requests = PublisherCore::join(requests.shared())?;
        Ok(Client::new(self.service, requests, replies, topic))
    }
}

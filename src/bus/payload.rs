//! What a topic can carry.

use std::any::type_name;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A type that messages are made of: `T` or `[T]`, where `T` is plain data.
///
/// Plain data is what zerocopy's derives accept: [`FromBytes`] (any bytes are a valid value, so
/// that no peer can make an invalid one), [`IntoBytes`] (no padding, so that nothing of the
/// publisher's memory leaks), [`Immutable`] and [`KnownLayout`].
///
/// ```
/// use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Quote {
///     bid: i64,
///     ask: i64,
/// }
///
/// fn can_be_carried<T: ringbus::Payload + ?Sized>() {}
/// can_be_carried::<Quote>();
/// can_be_carried::<[Quote]>();
/// can_be_carried::<[u8]>();
/// ```
///
/// A topic of `[u8]` is *untyped*: it stores no type, and any topic can be opened as one.
pub trait Payload: sealed::Sealed {
    /// Bytes of one `T`: payloads are a multiple of it, or exactly it if `FIXED`.
    #[doc(hidden)]
    const UNIT_BYTES: usize;
    #[doc(hidden)]
    const ALIGNMENT_BYTES: usize;
    /// `true` for `T`, `false` for `[T]`.
    #[doc(hidden)]
    const FIXED: bool;
    #[doc(hidden)]
    fn type_name() -> Option<String>;
    #[doc(hidden)]
    fn bytes(&self) -> &[u8];
    /// `None` if the length or the address does not fit.
    #[doc(hidden)]
    fn from_payload(bytes: &[u8]) -> Option<&Self>;
    #[doc(hidden)]
    fn from_payload_mut(bytes: &mut [u8]) -> Option<&mut Self>;
}

/// Payloads of a length chosen with each message: `[T]`.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus.topic("levels").typed::<[u16]>().payload_max(200).open_or_create()?;
/// let mut subscriber = topic.subscriber().join()?;
/// let publisher = topic.publisher()?;
/// let mut loan = publisher.loan(3)?; // elements, of which 100 fit into 200 bytes
/// loan.copy_from_slice(&[1, 2, 3]);
/// loan.commit()?;
/// assert_eq!(subscriber.poll()?.expect("levels").payload(), [1, 2, 3]);
/// # Ok::<(), ringbus::Error>(())
/// ```
pub trait SlicePayload: Payload {
    /// What the slice consists of.
    type Element;
}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + 'static> Payload for T {
    const UNIT_BYTES: usize = size_of::<T>();
    const ALIGNMENT_BYTES: usize = align_of::<T>();
    const FIXED: bool = true;

    fn type_name() -> Option<String> {
        Some(short_name(type_name::<T>()))
    }

    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn from_payload(bytes: &[u8]) -> Option<&Self> {
        T::ref_from_bytes(bytes).ok()
    }

    fn from_payload_mut(bytes: &mut [u8]) -> Option<&mut Self> {
        T::mut_from_bytes(bytes).ok()
    }
}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + 'static> Payload for [T] {
    const UNIT_BYTES: usize = {
        assert!(
            size_of::<T>() > 0,
            "a slice of zero-sized values has no bytes"
        );
        size_of::<T>()
    };
    const ALIGNMENT_BYTES: usize = align_of::<T>();
    const FIXED: bool = false;

    fn type_name() -> Option<String> {
        let name = type_name::<T>();
        (name != "u8").then(|| format!("[{}]", short_name(name)))
    }

    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn from_payload(bytes: &[u8]) -> Option<&Self> {
        <[T]>::ref_from_bytes(bytes).ok()
    }

    fn from_payload_mut(bytes: &mut [u8]) -> Option<&mut Self> {
        <[T]>::mut_from_bytes(bytes).ok()
    }
}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + 'static> SlicePayload for [T] {
    type Element = T;
}

mod sealed {
    use super::{FromBytes, Immutable, IntoBytes, KnownLayout};

    pub trait Sealed {}
    impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + 'static> Sealed for T {}
    impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + 'static> Sealed for [T] {}
}

/// A type's name without the paths, which differ from one program to another.
fn short_name(full: &str) -> String {
    let mut short = String::with_capacity(full.len());
    for part in full.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn names_of_types_lose_their_paths() {
        assert_eq!(short_name("market::Order"), "Order");
        assert_eq!(
            short_name("a::Pair<b::Left, c::d::Right>"),
            "Pair<Left, Right>"
        );
        assert_eq!(short_name("[a::Order; 4]"), "[Order; 4]");
        assert_eq!(short_name("u64"), "u64");
    }
}
